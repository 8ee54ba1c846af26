import type { KeyHash } from '../grpc/member.ts';
import type { RestoredFacts } from './trial.ts';

/** What a member says of one revision; undefined: it has not come so far, or has forgotten it already. */
export interface MemberWord {
  host: string;
  hash: KeyHash | undefined;
}

/**
 * Members whose data differ from those of most, by their hashes at one revision. Hashes behind different compactions
 * cannot be compared. Where neither side is larger, all are named: nobody can tell who is right. Pure.
 */
export function oddMembers(words: readonly MemberWord[]): string[] {
  const said = words.flatMap(({ host, hash }) => (hash ? [{ host, ...hash }] : []));
  return groupsOf(said, ({ compactRevision }) => compactRevision).flatMap((comparable) => {
    const groups = groupsOf(comparable, ({ hash }) => hash).sort((a, b) => b.length - a.length);
    if (groups.length < 2) return [];
    const isTie = groups[0]!.length === groups[1]!.length;
    return groups.slice(isTie ? 0 : 1).flatMap((group) => group.map(({ host }) => host));
  });
}

function groupsOf<T, K>(all: readonly T[], key: (one: T) => K): T[][] {
  const groups = new Map<K, T[]>();
  for (const one of all) groups.set(key(one), [...(groups.get(key(one)) ?? []), one]);
  return [...groups.values()];
}

/** What a member says of a revision, and what the restored copy must say of it too. */
export interface Said {
  revision: bigint;
  keyCount: bigint;
  hash: KeyHash;
}

/** In what a restored copy differs from what the member says. Empty where it does not. Pure. */
export function differences(copy: RestoredFacts, member: Said): string[] {
  const found: string[] = [];
  const compare = (what: string, ours: unknown, theirs: unknown) => {
    if (ours !== theirs) found.push(`its ${what} is ${ours}, the member's ${theirs}`);
  };
  compare('revision', copy.revision, member.revision);
  compare('number of keys', copy.keyCount, member.keyCount);
  compare('compaction', copy.compactRevision, member.hash.compactRevision);
  if (copy.compactRevision === member.hash.compactRevision) compare('hash', copy.hash, member.hash.hash);
  return found;
}
