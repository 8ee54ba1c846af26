import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Connection, RunOptions, ScriptResult } from './connection.ts';

/** So much is gathered before it is written: ssh brings pieces of 32 KiB. */
const WRITE_BYTES = 1 << 20;

export interface Received extends ScriptResult {
  sizeBytes: number;
  /** Of all that came. */
  sha256: string;
}

export interface ReceiveOptions extends Omit<RunOptions, 'output'> {
  /** Where in the file the first byte goes. Default: its beginning. */
  at?: number;
  /** A sum to go on with: `sha256` is then of what it has seen before, too. */
  hash?: Hash;
  /** Called with how many bytes have come. */
  onProgress?(doneBytes: number): void;
}

/**
 * Writes a script's standard output into an open file of this machine, with its sum, in constant memory. A non-zero exit
 * is a result, not an error: look at `code` before you believe the bytes. The file is neither synced nor closed.
 * @throws as `connection.run`, and PlayError if the file cannot be written.
 * @example const { code, sha256 } = await receive(connection, 'cat /var/lib/app/dump', file);
 */
export async function receive(
  connection: Connection,
  script: string,
  file: FileHandle,
  { at = 0, hash = createHash('sha256'), onProgress, ...options }: ReceiveOptions = {},
): Promise<Received> {
  let sizeBytes = 0;
  let gathered: Buffer[] = [];
  let gatheredBytes = 0;
  let writing: Promise<unknown> | undefined;
  const flush = () => {
    const pieces = gathered;
    const position = at + sizeBytes - gatheredBytes;
    gathered = [];
    gatheredBytes = 0;
    writing = writeAll(file, pieces, position);
    writing.catch(() => undefined);
  };
  const write = (piece: Buffer) => {
    hash.update(piece);
    sizeBytes += piece.length;
    gathered.push(piece);
    gatheredBytes += piece.length;
    onProgress?.(sizeBytes);
    if (gatheredBytes < WRITE_BYTES) return undefined;
    // The next pieces may come while these are on their way to the disk, but no more than these.
    const before = writing;
    if (before) return before.then(flush);
    flush();
    return undefined;
  };
  const result = await connection.run(script, { ...options, output: { write } });
  await writing;
  await writeAll(file, gathered, at + sizeBytes - gatheredBytes);
  return { ...result, sizeBytes, sha256: hash.digest('hex') };
}

/** A disk that is nearly full takes a part, and says why only at the next write. */
async function writeAll(file: FileHandle, pieces: readonly Buffer[], position: number): Promise<void> {
  const all = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (all === 0) return;
  const { bytesWritten } = await file.writev(pieces, position);
  if (bytesWritten < all) {
    const rest = Buffer.concat(pieces).subarray(bytesWritten);
    for (let done = 0; done < rest.length; ) {
      done += (await file.write(rest, done, rest.length - done, position + bytesWritten + done)).bytesWritten;
    }
  }
}
