import { quote } from '../connection/quote.ts';

export interface Ownership {
  owner: string;
  group: string;
  /** Permission bits, for instance 0o644. */
  mode: number;
}

/** What `stat` says of a path; `absent` where there is nothing (a dangling link is a link, not absent). */
export interface PathState extends Ownership {
  type: 'absent' | 'file' | 'directory' | 'link' | 'other';
}

/** Prints one line for {@link parsePathState}. */
export function statProbe(path: string): string {
  return `stat -c '%F|%a|%U|%G' -- ${quote(path)} 2>/dev/null || echo 'absent|0||'`;
}

export function parsePathState(line: string): PathState {
  const [type = '', mode = '', owner = '', group = ''] = line.trim().split('|');
  return {
    type: TYPES[type] ?? (type.startsWith('regular') ? 'file' : 'other'),
    mode: parseInt(mode, 8),
    owner,
    group,
  };
}

const TYPES: Record<string, PathState['type']> = { absent: 'absent', directory: 'directory', 'symbolic link': 'link' };

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

/** Sets owner before mode: a change of owner clears set-id bits. */
export function setOwnership(path: string, { owner, group, mode }: Ownership): string {
  return `chown -h ${quote(`${owner}:${group}`)} ${path}\nchmod ${octal(mode)} ${path}`;
}
