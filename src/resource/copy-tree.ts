import { createReadStream, readdirSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { InputError } from '../errors.ts';
import { checkedOptions } from '../options.ts';
import { checkedOwnership } from './checked-ownership.ts';
import { checkedPath } from './checked-path.ts';
import { CHUNK_BYTES, type CopyWish, type DesiredCopy, diffCopy, receiveTimeoutMs, SENDING, sizeText } from './copy.ts';
import { type DesiredDirectory, diffDirectory } from './directory.ts';
import { localFile } from './local-file.ts';
import { type Need, ownersOf } from './need.ts';
import type { Ownership } from './path-state.ts';
import type { Change, Found, Resource } from './resource.ts';

/** As of a copy; `source` is a directory, and `mode` is that of its files. */
export type CopyTreeWish = Omit<CopyWish, 'validate' | 'backup'>;

/** What is to be on the host: directories before what lies in them. */
export interface DesiredTree {
  directories: readonly DesiredDirectory[];
  files: readonly DesiredCopy[];
}

/**
 * A directory of the control machine on a host, with all that is in it. What differs is sent in one stream, and each file
 * appears whole, as a copy does. Files that only the host has stay. Whoever may read may enter the directories; a file
 * that may be run here may be run there. Links to files are sent as files.
 * @throws InputError if something in it cannot be read, or is neither file nor directory; PlayError as of a copy.
 */
export function copyTree(given: CopyTreeWish): Resource {
  const { source, ...wish } = checkedOptions('copyTree', given, SENDING);
  const path = checkedPath(wish.path, 'a copy');
  const desired = desiredTree(source, path, checkedOwnership(wish, path));
  const paths = [...desired.directories, ...desired.files].map((one) => one.path);
  const sums = desired.files.map((one) => one.path);
  const needs = ownersOf(desired.directories[0]!);
  const makes = desired.directories.map((one): Need => ({ kind: 'directory', name: one.path }));
  return { kind: 'copy', id: path, paths, sums, needs, makes, compare: (found) => diffTree(found, desired) };
}

function desiredTree(source: string, path: string, files: Ownership): DesiredTree {
  const entered = { ...files, mode: withExecute(files.mode) };
  const tree = { directories: [{ path, ...entered }], files: [] as DesiredCopy[] };
  for (const { name, isDirectory, mayRun } of entries(source)) {
    const [from, to] = [join(source, name), posix.join(path, name)];
    if (!isDirectory) {
      tree.files.push({ path: to, ...(mayRun ? entered : files), from: localFile(from) });
      continue;
    }
    const below = desiredTree(from, to, files);
    tree.directories.push(...below.directories);
    tree.files.push(...below.files);
  }
  return tree;
}

function entries(dir: string): { name: string; isDirectory: boolean; mayRun: boolean }[] {
  try {
    const found = readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    return found.map((entry) => {
      const state = statSync(join(dir, entry.name));
      // A link to a directory could lead back up, without end.
      if (entry.isSymbolicLink() && state.isDirectory()) throw new Error(`${entry.name} is a link to a directory`);
      return { name: entry.name, isDirectory: state.isDirectory(), mayRun: (state.mode & 0o100) !== 0 };
    });
  } catch (cause) {
    const next = 'Name a directory of this machine, in which are files and directories that you may read.';
    throw new InputError(`cannot be sent: ${(cause as Error).message}`, { file: dir, cause, next });
  }
}

/** As `chmod X` has it: whoever may read may enter, or run. */
function withExecute(mode: number): number {
  return mode | ((mode & 0o444) >> 2);
}

export function diffTree({ stat, sum }: Found, { directories, files }: DesiredTree): Change | undefined {
  const made = directories.flatMap((one) => diffDirectory(stat(one.path), one) ?? []);
  const differing = files.flatMap((one) => {
    const change = diffCopy(stat(one.path), sum(one.path), one);
    return change ? [{ ...change, from: one.from }] : [];
  });
  if (made.length + differing.length === 0) return undefined;
  const sent = differing.filter(({ input }) => input);
  const sizeBytes = sent.reduce((all, { from }) => all + from.sizeBytes, 0);
  const others = made.length + differing.length - sent.length;
  const words = [
    ...(sent.length > 0 ? [`${sent.length} of ${count(files.length, 'file')}, ${sizeText(sizeBytes)}`] : []),
    ...(others > 0 ? [`owner, mode or directory of ${count(others, 'path')}`] : []),
  ];
  async function* bytes() {
    for (const { from } of sent) {
      if (from.sizeBytes === 0) continue;
      yield* createReadStream(from.path, { highWaterMark: CHUNK_BYTES, end: from.sizeBytes - 1 });
    }
  }
  return {
    summary: words.join('; '),
    // Each in a shell of its own: its trap is for its own temporary file.
    apply: [...made, ...differing].map(({ apply }) => `( set -e\n${apply}\n)`).join('\n'),
    ...(sent.length > 0
      ? { input: { sizeBytes, open: () => Readable.from(bytes()) }, timeoutMs: receiveTimeoutMs(sizeBytes) }
      : {}),
  };
}

function count(number: number, what: string): string {
  return number === 1 ? `1 ${what}` : `${number} ${what}s`;
}
