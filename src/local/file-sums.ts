import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';

const CHUNK_BYTES = 1 << 20;

/** The SHA-256 of a file's content. */
export interface FileSums {
  sha256: string;
  /** Of what stands before the last bytes, and these: where an end that is set apart was asked for. */
  before: string;
  end: Buffer;
}

/** Of a stretch of a file that is open for reading. */
export function sumsOf(fd: number, from: number, to: number, endBytes: number): FileSums {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, to - from));
  const cut = Math.max(from, to - endBytes);
  for (let at = from; at < cut; ) {
    const count = readSync(fd, chunk, 0, Math.min(chunk.length, cut - at), at);
    if (count === 0) throw new Error('the file became shorter');
    hash.update(chunk.subarray(0, count));
    at += count;
  }
  const end = Buffer.alloc(to - cut);
  if (end.length > 0) readSync(fd, end, 0, end.length, cut);
  return { before: hash.copy().digest('hex'), sha256: hash.update(end).digest('hex'), end };
}
