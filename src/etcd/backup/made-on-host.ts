import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { PlayError } from '../../errors.ts';
import { BlockFile, type BlockFileOptions, type BlockFileResult } from '../../local/block-file.ts';
import { explainedFor } from './on-disk.ts';

const MAKING_MS = 900_000;

export interface MadeOnHost extends Pick<BlockFileOptions, 'endBytes'> {
  /** What is run, for the error where it fails. */
  what: string;
  /** Where it works on the host: a path that ends in `XXXXXX`, as mktemp takes it. */
  folder: string;
  /** Lines of `sh` that work in the folder `$d`, and print what they have made. */
  lines: readonly string[];
  /** Where that is written to: a file of this machine that is not there yet. */
  file: string;
  signal: AbortSignal;
  /** What is left to be said where it fails. */
  next?: string;
  /** Called with how many bytes have come. */
  onProgress?(doneBytes: number): void;
}

/**
 * Brings here what a tool makes on a host, in a folder of which nothing stays there, however it ends.
 * @throws RemoteCommandError where the tool fails, DiskError, UnreachableError.
 */
export async function bringMadeOnHost(connection: Connection, wish: MadeOnHost): Promise<BlockFileResult> {
  const { what, folder, lines, file: path, signal, next, onProgress, endBytes = 0 } = wish;
  const { host } = connection;
  const script = [
    `umask 077; mkdir -p -- ${quote(posix.dirname(folder))} && d=$(mktemp -d ${quote(folder)}) || exit 1`,
    // Also by a hang-up.
    `trap 'rm -rf -- "$d"' EXIT; trap 'exit 1' HUP INT TERM`,
    ...lines,
  ];
  const file = await BlockFile.create(path, { endBytes, explained: explainedFor(path) });
  let doneBytes = 0;
  try {
    const output = {
      write(piece: Buffer) {
        if (signal.aborted) throw new PlayError('the run was ended', { host });
        doneBytes += piece.length;
        onProgress?.(doneBytes);
        return file.write(piece);
      },
    };
    const result = await connection.run(script.join('\n'), { output, timeoutMs: MAKING_MS });
    if (result.code !== 0) throw new RemoteCommandError(what, result, { host, ...(next && { next }) });
    return await file.finish();
  } finally {
    await file.abandon();
  }
}
