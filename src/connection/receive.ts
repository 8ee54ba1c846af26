import type { FileHandle } from 'node:fs/promises';
import { BlockFile } from '../local/block-file.ts';
import type { Connection, RunOptions, ScriptResult } from './connection.ts';

export interface Received extends ScriptResult {
  /** How much came. */
  sizeBytes: number;
  /** Of the file up to its new end: also of what stood before `at`. */
  sha256: string;
}

export interface ReceiveOptions extends Omit<RunOptions, 'output'> {
  /** Where in the file the first byte goes. Default: its beginning. */
  at?: number;
  /** Called with how many bytes have come. */
  onProgress?(doneBytes: number): void;
}

/**
 * Writes a script's standard output into an open file of this machine, with its sum, in constant memory, and waits for
 * the disk. A non-zero exit is a result, not an error: look at `code` before you believe the bytes. The file is not closed.
 * @param file open for reading and writing.
 * @throws as `connection.run`, and PlayError if the file cannot be written.
 * @example const { code, sha256 } = await receive(connection, 'cat /var/lib/app/dump', await open('dump', 'wx+'));
 */
export async function receive(
  connection: Connection,
  script: string,
  file: FileHandle,
  { at = 0, onProgress, ...options }: ReceiveOptions = {},
): Promise<Received> {
  const blocks = new BlockFile(file, { at });
  let cameBytes = 0;
  const write = (piece: Buffer) => {
    cameBytes += piece.length;
    onProgress?.(cameBytes);
    return blocks.write(piece);
  };
  try {
    const result = await connection.run(script, { ...options, output: { write } });
    const { sha256 } = await blocks.finish();
    return { ...result, sizeBytes: cameBytes, sha256 };
  } finally {
    await blocks.abandon();
  }
}
