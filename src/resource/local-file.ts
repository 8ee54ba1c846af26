import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, openSync, readSync, statSync } from 'node:fs';
import { InputError } from '../errors.ts';

const sums = new Map<string, string>();
const CHUNK_BYTES = 1 << 20;

export interface LocalFile {
  path: string;
  sizeBytes: number;
  /** sha256 of the content, reckoned when it is asked for. One file for many hosts is read once. */
  sum(): string;
}

/**
 * A regular file of the control machine.
 * @throws InputError if it is not there, cannot be read, or is something else.
 */
export function localFile(path: string): LocalFile {
  const state = look(path);
  if (!state.isFile()) throw new InputError(`${path} is no file`, { file: path, next: 'Name a regular file.' });
  return { path, sizeBytes: Number(state.size), sum: () => sumOf(path, look(path)) };
}

function look(path: string): BigIntStats {
  try {
    return statSync(path, { bigint: true });
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): InputError {
  const next = 'Name a file of this machine that you may read; a relative path starts at the working directory.';
  return new InputError(`cannot be read: ${(cause as Error).message}`, { file: path, cause, next });
}

function sumOf(path: string, { dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  const key = [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  let sum = sums.get(key);
  if (sum === undefined) {
    sum = read(path);
    sums.set(key, sum);
  }
  return sum;
}

/** sha256 of the first bytes of a file. @throws InputError if it cannot be read. */
export function sumOfStart(path: string, bytes: number): string {
  return read(path, bytes);
}

function read(path: string, end = Number.POSITIVE_INFINITY): string {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    for (let [at, count] = [0, 1]; count > 0 && at < end; at += count) {
      count = readSync(descriptor, chunk, 0, Math.min(chunk.length, end - at), null);
      hash.update(chunk.subarray(0, count));
    }
    return hash.digest('hex');
  } catch (cause) {
    throw unreadable(path, cause);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
