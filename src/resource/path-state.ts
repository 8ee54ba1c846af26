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
  const all = paths.map(quote).join(' ');
  const stat = (flags: string) => `QUOTING_STYLE=literal stat ${flags} -- ${all} 2>/dev/null`;
  return `${stat("--printf='0|%F|%a|%U|%G|%N\\0'")}; ${stat("-L --printf='1|%F|%a|%U|%G|%n\\0'")}; :`;
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

/** Prints what {@link parseSums} reads. */
export function sumScript(paths: readonly string[]): string {
  return `sha256sum -- ${paths.map(quote).join(' ')} 2>/dev/null; :`;
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
