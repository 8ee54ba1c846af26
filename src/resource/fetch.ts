import { createHash } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Connection } from '../connection/connection.ts';
import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { localFile } from './local-file.ts';

export interface FetchWish {
  /** Absolute path of a regular file on the host. */
  path: string;
  /** Where it will be on the control machine. Several hosts need a place each: put the host's name in it. */
  dest: string;
  /** Permission bits of a new file here. Default: 0o600. */
  mode?: number;
}

/** What is there on the host, and whether the control machine has the same. */
export interface FetchState {
  sizeBytes: number;
  sum: string;
  isHere: boolean;
}

/** One piece: so much is held in memory, and asked for in one round trip. A connection gives output only as a whole. */
const PIECE_BYTES = 4 << 20;
const PIECE_TIMEOUT_MS = 300_000;

/**
 * Looks at a file on the host; undefined where there is none.
 * @throws PlayError if it is no regular file, or cannot be read.
 */
export async function lookAtSource(connection: Connection, { path, dest }: FetchWish): Promise<FetchState | undefined> {
  const p = quote(path);
  const script = `[ -e ${p} ] || exit 3; [ -f ${p} ] || exit 4; stat -Lc %s -- ${p}; sha256sum <${p}`;
  const { code, stdout, stderr } = await connection.run(script, { timeoutMs: PIECE_TIMEOUT_MS });
  if (code === 3) return undefined;
  if (code === 4) throw new PlayError(`${path} is no regular file: only such can be fetched`);
  const [size, sum] = stdout.split('\n');
  if (code !== 0 || !/^[0-9a-f]{64} /.test(sum ?? '')) throw new PlayError(`${path} cannot be read: ${stderr.trim()}`);
  const wanted = sum!.slice(0, 64);
  return { sizeBytes: Number(size), sum: wanted, isHere: sumHere(dest) === wanted };
}

function sumHere(dest: string): string | undefined {
  const state = statSync(dest, { throwIfNoEntry: false });
  if (!state) return undefined;
  if (!state.isFile()) throw new PlayError(`${dest} is there on this machine, but is no file`);
  return localFile(dest).sum();
}

/**
 * Brings a file of the host here, piece by piece. It appears whole or not at all: temporary name, sum, fsync, rename.
 * @throws PlayError if it was changed meanwhile, or cannot be written.
 */
export async function fetchFile(
  connection: Connection,
  { path, dest, mode = 0o600 }: FetchWish,
  { sizeBytes, sum }: FetchState,
  onProgress: (doneBytes: number) => void = () => undefined,
): Promise<void> {
  mkdirSync(dirname(dest), { recursive: true });
  const temporary = join(dirname(dest), `.${basename(dest)}.etcd-play-new`);
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', 0o600);
  try {
    const hash = createHash('sha256');
    for (let done = 0; done < sizeBytes; ) {
      const piece = await pieceOf(connection, path, done / PIECE_BYTES);
      if (piece.length === 0) break;
      hash.update(piece);
      await file.writeFile(piece);
      done += piece.length;
      onProgress(done);
      if (piece.length < PIECE_BYTES) break;
    }
    if (hash.digest('hex') !== sum) {
      throw new PlayError(`${path} was changed while it was fetched`, { next: 'Run again when nobody writes to it.' });
    }
    await file.chmod(mode);
    await file.sync();
    await file.close();
    await rename(temporary, dest);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}

async function pieceOf(connection: Connection, path: string, index: number): Promise<Buffer> {
  const read = `dd bs=${PIECE_BYTES} skip=${index} count=1 iflag=fullblock status=none <${quote(path)} | base64 -w 0`;
  const { code, stdout, stderr } = await connection.run(read, { timeoutMs: PIECE_TIMEOUT_MS });
  if (code !== 0 || stderr !== '') throw new PlayError(`${path} cannot be read: ${stderr.trim()}`);
  return Buffer.from(stdout, 'base64');
}
