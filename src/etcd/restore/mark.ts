import { posix } from 'node:path';

/**
 * What a recovery writes into the data that it restores from a backup. It comes into place by the same rename as they do, so that a
 * run after a cut knows: these are not what was left of the old cluster.
 */
export interface RestoredMark {
  /** Of the run that restored them: the same on all members that belong together. */
  stamp: string;
  /** How many members were restored so. */
  members: number;
  /** Of the backup. */
  revision: bigint;
  /** The backup's name, without its folder. */
  file: string;
}

const NAME = 'restored-from-backup';

/** With the data itself: the directory around them may be a mount point, which stays. */
export function markPath(dataDir: string): string {
  return posix.join(dataDir, 'member', NAME);
}

/** One line, whatever the file is called. */
export function markText({ stamp, members, revision, file }: RestoredMark): string {
  return `${stamp} ${members} ${revision} ${encodeURIComponent(posix.basename(file)).replaceAll("'", '%27')}`;
}

/** Undefined for what is no such line. */
export function parseMark(line: string): RestoredMark | undefined {
  const [, stamp, members, revision, file] = /^(\d{8}T\d{6}Z) (\d{1,3}) (\d{1,19}) (\S+)$/.exec(line) ?? [];
  if (stamp === undefined) return undefined;
  try {
    return { stamp, members: Number(members), revision: BigInt(revision!), file: decodeURIComponent(file!) };
  } catch {
    return undefined;
  }
}
