import { quote } from '../connection/quote.ts';

export interface Ownership {
  owner: string;
  group: string;
  /** Permission bits, for instance 0o644. */
  mode: number;
}

/** What `stat` says of a path itself; a dangling link is a link, not absent. */
export interface PathState extends Ownership {
  type: 'absent' | 'file' | 'directory' | 'link' | 'other';
  /** Where a link leads, as it is written in it. */
  target?: string;
  /** What stands at the end of a link. */
  behind?: PathState;
}

export const ABSENT: PathState = { type: 'absent', owner: '', group: '', mode: 0 };

/**
 * Prints what {@link parseStats} reads: all paths by one `stat` each way, not through links and through them. A NUL ends
 * each answer, since names and targets of links may hold anything else.
 */
export function statScript(paths: readonly string[]): string {
  const stat = (flags: string, all: string) => `QUOTING_STYLE=literal stat ${flags} -- ${all} 2>/dev/null`;
  const lines = argumentLists(paths).flatMap((all) => [
    stat("--printf='0|%F|%a|%U|%G|%N\\0'", all),
    stat("-L --printf='1|%F|%a|%U|%G|%n\\0'", all),
  ]);
  return [...lines, ':'].join('\n');
}

/** The kernel takes two million bytes of arguments at most, and less where its limits are set lower. */
const LONGEST_ARGUMENTS = 100_000;

/** Paths as words of `sh`, in as few lists as a program can take. */
function argumentLists(paths: readonly string[]): string[] {
  const lists: string[] = [];
  for (const word of paths.map(quote)) {
    const last = lists.at(-1);
    if (last !== undefined && last.length + word.length < LONGEST_ARGUMENTS)
      lists[lists.length - 1] = `${last} ${word}`;
    else lists.push(word);
  }
  return lists;
}

/** Reads the output of {@link statScript} for these paths. */
export function parseStats(text: string, paths: readonly string[]): Map<string, PathState> {
  const known = new Set(paths);
  const states = new Map<string, PathState>();
  for (const line of text.split('\0')) {
    const [, through, type, mode, owner, group, name] =
      /^([01])\|([^|]*)\|(\d+)\|([^|]*)\|([^|]*)\|(.*)$/s.exec(line) ?? [];
    if (type === undefined || name === undefined) continue;
    const state: PathState = { type: TYPES[type] ?? 'other', mode: parseInt(mode!, 8), owner: owner!, group: group! };
    const path = known.has(name) ? name : paths.find((one) => name.startsWith(`${one} -> `));
    if (path === undefined) continue;
    if (through === '0') states.set(path, path === name ? state : { ...state, target: name.slice(path.length + 4) });
    else if (states.get(path)?.type === 'link') states.set(path, { ...states.get(path)!, behind: state });
  }
  return states;
}

const TYPES: Record<string, PathState['type']> = {
  directory: 'directory',
  'symbolic link': 'link',
  'regular file': 'file',
  'regular empty file': 'file',
};

/** Prints what {@link parseSums} reads. A pipe or a device in the place of a file is not opened: it could go on for ever. */
export function sumScript(paths: readonly string[]): string {
  const odd = 'o=; for f; do [ -f "$f" ] || [ -d "$f" ] || [ ! -e "$f" ] || o=1; done';
  const oneByOne = 'for f; do if [ -f "$f" ]; then sha256sum -- "$f"; fi; done';
  const lines = argumentLists(paths).map(
    (all) => `set -- ${all}; ${odd}; { if [ $o ]; then ${oneByOne}; else sha256sum -- "$@"; fi; } 2>/dev/null`,
  );
  return [...lines, ':'].join('\n');
}

/** Reads the output of `sha256sum`; a name with a backslash or a line break in it is escaped there and marked. */
export function parseSums(text: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, escaped, sum, name] = /^(\\?)([0-9a-f]{64}) [ *](.*)$/s.exec(line) ?? [];
    if (sum === undefined || name === undefined) continue;
    sums.set(escaped ? name.replace(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c) : name, sum);
  }
  return sums;
}

const ESCAPES: Record<string, string> = { n: '\n', r: '\r' };

/** The words for what differs in owner, group and mode; empty where nothing does. */
export function ownershipDifference(actual: Ownership, desired: Ownership): string[] {
  const words: string[] = [];
  if (actual.owner !== desired.owner) words.push(`owner ${actual.owner} → ${desired.owner}`);
  if (actual.group !== desired.group) words.push(`group ${actual.group} → ${desired.group}`);
  if (actual.mode !== desired.mode) words.push(`mode ${octal(actual.mode)} → ${octal(desired.mode)}`);
  return words;
}

export function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/**
 * Sets owner before mode: a change of owner clears set-id bits. With fewer than five digits chmod would leave those of
 * directories as they are. `path` is a word of `sh`, quoted already.
 */
export function setOwnership(path: string, { owner, group, mode }: Ownership): string {
  return `chown -h -- ${quote(`${owner}:${group}`)} ${path}\nchmod -- 0${octal(mode)} ${path}`;
}
