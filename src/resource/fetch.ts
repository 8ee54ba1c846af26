import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Connection } from '../connection/connection.ts';
import { RemoteTimeoutError } from '../connection/errors.ts';
import { quote } from '../connection/quote.ts';
import { receive } from '../connection/receive.ts';
import { PlayError, UnreachableError } from '../errors.ts';
import { localFile, sumOfStart } from './local-file.ts';
import { partPath, sumOf } from './part.ts';

export interface FetchWish {
  /** Absolute path of a regular file on the host. */
  path: string;
  /** Where it will be on the control machine. Several hosts need a place each: put the host's name in it. */
  dest: string;
  /** Permission bits of a new file here. Default: 0o600. */
  mode?: number;
}

/** What is there on the host, and how much of it the control machine has. */
export interface FetchState {
  sizeBytes: number;
  isHere: boolean;
  /** So much of it was brought here by a run that was cut. */
  keptBytes: number;
}

/** How long a host may take for the sum of what is already here. */
const LOOK_TIMEOUT_MS = 300_000;

/**
 * Looks at a file on the host; undefined where there is none. Its sum is only asked for where there is something here to
 * hold it against.
 * @throws PlayError if it is no regular file, or cannot be read.
 */
export async function lookAtSource(connection: Connection, { path, dest }: FetchWish): Promise<FetchState | undefined> {
  const part = partPath(dest);
  const [here, begun] = [sizeHere(dest), sizeBegun(part)];
  const p = quote(path);
  const script = [
    `[ -e ${p} ] || exit 3; [ -f ${p} ] || exit 4; size=$(stat -Lc %s -- ${p}) && : <${p} || exit 5`,
    'printf "%s\\n" "$size"',
    sumLine(here === undefined ? 'false' : `[ "$size" = ${here} ]`, sumOf(p)),
    sumLine(begun ? `[ "$size" -ge ${begun} ]` : 'false', sumOfPiece(p, begun ?? 0)),
  ].join('\n');
  const { code, stdout, stderr } = await connection.run(script, { timeoutMs: LOOK_TIMEOUT_MS });
  if (code === 3) return undefined;
  if (code === 4) throw new PlayError(`${path} is no regular file: only such can be fetched`);
  const [size, sum, partSum] = stdout.split('\n');
  if (code !== 0 || !/^\d+$/.test(size ?? '')) throw new PlayError(`${path} cannot be read: ${stderr.trim()}`);
  return {
    sizeBytes: Number(size),
    isHere: sum !== '' && localFile(dest).sum() === sum,
    keptBytes: begun && partSum !== '' && sumOfStart(part, begun) === partSum ? begun : 0,
  };
}

/** A line with the sum, or an empty one. */
function sumLine(condition: string, sum: string): string {
  return `if ${condition}; then ${sum}; else sum=; fi; printf '%s\\n' "$sum"`;
}

function sumOfPiece(file: string, bytes: number): string {
  return `sum=$(${piece(0, bytes)} <${file} | { openssl dgst -sha256 -r 2>/dev/null || sha256sum; }); sum=\${sum%% *}`;
}

/** The same of a file that most probably has no more than these bytes: without a copy through a pipe. */
function sumOfFirst(file: string, bytes: number): string {
  return `${sumOf(file)}; [ "$(stat -Lc %s -- ${file})" = ${bytes} ] || { ${sumOfPiece(file, bytes)}; }`;
}

/** A command that gives so many bytes of its input from a place on; of a file that grows, no more than that. */
function piece(start: number, count: number): string {
  return `dd bs=256k iflag=fullblock,count_bytes,skip_bytes skip=${start} count=${count} status=none`;
}

function sizeHere(path: string): number | undefined {
  const state = statSync(path, { throwIfNoEntry: false });
  if (!state) return undefined;
  if (!state.isFile()) throw new PlayError(`${path} is there on this machine, but is no file`);
  return state.size;
}

/** Of a part that only we can have written. */
function sizeBegun(part: string): number | undefined {
  const state = lstatSync(part, { throwIfNoEntry: false });
  return state?.isFile() && state.uid === process.getuid?.() ? state.size : undefined;
}

/**
 * Brings a file of the host here by a stream, from where an earlier run was cut. It appears whole or not at all: a name of
 * its own on the way, the sums of both ends compared, fsync, mode, rename.
 * @throws PlayError if it was changed meanwhile, or cannot be written.
 */
export async function fetchFile(
  connection: Connection,
  { path, dest, mode = 0o600 }: FetchWish,
  { sizeBytes, keptBytes }: FetchState,
  onProgress: (doneBytes: number) => void = () => undefined,
): Promise<void> {
  mkdirSync(dirname(dest), { recursive: true });
  const part = partPath(dest);
  const file = await openPart(part, keptBytes);
  try {
    const p = quote(path);
    // The host takes its sum while the bytes are on their way.
    const script = [
      `{ ${sumOfFirst(p, sizeBytes)}; echo "$sum" >&2; } &`,
      `${piece(keptBytes, sizeBytes - keptBytes)} <${p}; r=$?; wait "$!"; exit "$r"`,
    ].join('\n');
    const { code, stderr, sha256, ...come } = await receive(connection, script, file, {
      at: keptBytes,
      onProgress: (done) => onProgress(keptBytes + done),
    });
    if (code !== 0) throw new PlayError(`${path} cannot be read: ${stderr.trim()}`);
    if (stderr.trim() !== sha256 || keptBytes + come.sizeBytes !== sizeBytes) {
      throw new PlayError(`${path} was changed while it was fetched`, { next: 'Run again when nobody writes to it.' });
    }
    await file.chmod(mode);
    await file.close();
    await rename(part, dest);
  } catch (error) {
    await file.close().catch(() => undefined);
    // What came over a line that was cut is good for the next run.
    if (!(error instanceof UnreachableError || error instanceof RemoteTimeoutError)) await rm(part, { force: true });
    throw error;
  }
}

/** The part to go on with, closed to others. */
async function openPart(path: string, keptBytes: number): Promise<FileHandle> {
  if (keptBytes === 0) {
    await rm(path, { force: true });
    return open(path, 'wx+', 0o600);
  }
  const file = await open(path, 'r+');
  await file.truncate(keptBytes);
  return file;
}
