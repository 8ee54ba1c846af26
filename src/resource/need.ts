import { posix } from 'node:path';
import type { Ownership } from './path-state.ts';

/** Something that must be on a host before a change can be made there, or that a change makes. */
export interface Need {
  kind: 'directory' | 'user' | 'group';
  /** A path, or the name of an account. */
  name: string;
}

/** What a path stands in. */
export function folderOf(path: string): Need {
  return { kind: 'directory', name: posix.dirname(path) };
}

export function ownersOf({ owner, group }: Pick<Ownership, 'owner' | 'group'>): Need[] {
  return [
    { kind: 'user', name: owner },
    { kind: 'group', name: group },
  ];
}
