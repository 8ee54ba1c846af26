import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { PlayError } from '../../errors.ts';
import { WRITE_BYTES } from '../../write-bytes.ts';
import type { DataPlace } from './data-places.ts';

/** What is compared and sent at a time: no more than a few of these are ever held in memory. */
const BLOCK_BYTES = 8 * 1024 * 1024;
/** The longest that nothing comes, from a disk that is busy. */
const STALL_MS = 120_000;

/** A file of the data, by the sums of its blocks. */
export interface DataFile {
  /** `wal/…` is the log, wherever its directory is. */
  path: string;
  sizeBytes: number;
  sums: readonly string[];
}

export interface End {
  connection: Connection;
  place: DataPlace;
}

export interface CopyResult {
  files: number;
  totalBytes: number;
  sentBytes: number;
  /** As they went over the wire. */
  wireBytes: number;
}

interface CopyOptions {
  signal: AbortSignal;
  onProgress(done: number, total: number): void;
  /** The far side is read again at the end, and must be equal. Without it: a first copy of data that still change. */
  proven: boolean;
}

/**
 * Brings a member's data from one host to another, through this machine, block by block: only what differs is sent, so that
 * a copy that was cut off, or was made ahead, is completed. Files that the source does not have are removed there.
 * @throws PlayError where the copy is not the same as the source; UnreachableError.
 */
export async function copyData(from: End, to: End, options: CopyOptions): Promise<CopyResult> {
  const tools = await compressor(from.connection, to.connection);
  const there = await listFiles(to);
  const [source, old] = await Promise.all([readSums(from), there.length > 0 ? readSums(to) : []]);
  if (!source.some(({ path }) => path.endsWith('.wal'))) {
    throw new PlayError(`there is no write-ahead log in ${from.place.wal ?? `${from.place.member}/wal`}`, {
      next: 'Without it the data are of no use: play replace_etcd.',
    });
  }
  await makeFiles(to, source, old);
  const due = differences(source, old);
  const sent = await sendBlocks(from, to, due, { ...options, tools });
  const totalBytes = source.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const result = { files: source.length, totalBytes, sentBytes: sent.bytes, wireBytes: sent.wireBytes };
  if (options.proven) await mustEqual(to, source);
  return result;
}

/** Whether the logs of two places are the same to the last byte: then no member has run on one of them since. */
export async function sameLogs(a: End, b: End): Promise<boolean> {
  const [one, other] = await Promise.all([readSums(a, 'wal'), readSums(b, 'wal')]);
  return JSON.stringify(one) === JSON.stringify(other);
}

/** How much there is to copy; 0 where there is nothing. */
export async function sizeOf(end: End): Promise<{ dataBytes: number; walBytes: number }> {
  const files = await listFiles(end);
  const sum = (wal: boolean) =>
    files.filter(({ path }) => path.startsWith('wal/') === wal).reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0);
  return { dataBytes: sum(false), walBytes: sum(true) };
}

const ZERO_SUMS = new Map<number, string>();

function zeroSum(bytes: number): string {
  const made = ZERO_SUMS.get(bytes) ?? createHash('sha256').update(Buffer.alloc(bytes)).digest('hex');
  ZERO_SUMS.set(bytes, made);
  return made;
}

export interface Block {
  path: string;
  index: number;
  bytes: number;
}

/** The blocks that are to be sent. A file is made at its full length first, and what is new in it is zero. Pure. */
export function differences(source: readonly DataFile[], there: readonly DataFile[]): Block[] {
  return source.flatMap(({ path, sizeBytes, sums }) => {
    const old = there.find((one) => one.path === path);
    return sums.flatMap((sum, index) => {
      const bytes = Math.min(BLOCK_BYTES, sizeBytes - index * BLOCK_BYTES);
      const wholeThere = old !== undefined && Math.min(old.sizeBytes - index * BLOCK_BYTES, bytes) === bytes;
      const oldBytes = old ? Math.min(BLOCK_BYTES, old.sizeBytes - index * BLOCK_BYTES) : 0;
      const equal = wholeThere && oldBytes === bytes && old.sums[index] === sum;
      const isNew = oldBytes <= 0;
      return equal || (isNew && sum === zeroSum(bytes)) ? [] : [{ path, index, bytes }];
    });
  });
}

/** Temporary files of etcd are not of use to anyone: space that it has laid by for its next log file. */
const FILES = "-type f ! -name '*.tmp' ! -name 'db.tmp*' ! -name 'tmp*'";

function fileOf({ member, wal }: DataPlace, path: string): string {
  return wal !== undefined && path.startsWith('wal/') ? `${wal}${path.slice(3)}` : `${member}/${path}`;
}

function findFiles({ member, wal }: DataPlace, part?: 'wal'): string {
  const within = (dir: string, prefix: string, only = '') =>
    `[ ! -d ${quote(dir)} ] || ( cd -- ${quote(dir)} && find -L . ${only}${FILES} -printf '%s ${prefix}%P\\n' | LC_ALL=C sort -k 2 )`;
  if (wal !== undefined) {
    const own = within(wal, 'wal/');
    return part === 'wal' ? own : `${within(member, '', '-path ./wal -prune -o ')}; ${own}`;
  }
  return part === 'wal' ? within(`${member}/wal`, 'wal/') : within(member, '');
}

async function listFiles({ connection, place }: End): Promise<{ path: string; sizeBytes: number }[]> {
  const result = await connection.run(findFiles(place));
  if (result.code !== 0) throw new RemoteCommandError('looking at the data', result, { next: 'Run again.' });
  return result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [size] = line.split(' ', 1) as [string];
      return { sizeBytes: Number(size), path: line.slice(size.length + 1) };
    });
}

/** The sums of all blocks of all files, as the host takes them. */
async function readSums({ connection, place }: End, part?: 'wal'): Promise<DataFile[]> {
  const pieces: Buffer[] = [];
  const write = (piece: Buffer) => {
    pieces.push(piece);
    return undefined;
  };
  const { member, wal } = place;
  const script = [
    `f() { case $1 in wal/*) p=${quote(wal ?? `${member}/wal`)}"\${1#wal}" ;; *) p=${quote(member)}/$1 ;; esac; }`,
    `{ ${findFiles(place, part)}; } | while read -r size path; do echo "f $size $path"; f "$path"; SHELL=/bin/sh split -b ${BLOCK_BYTES} --filter=sha256sum -- "$p" || [ ! -e "$p" ] || exit 1; done`,
  ];
  const result = await connection.run(script.join('\n'), { output: { write }, timeoutMs: STALL_MS });
  if (result.code !== 0) throw new RemoteCommandError('taking the sums of the data', result, { next: 'Run again.' });
  return parseSums(Buffer.concat(pieces).toString());
}

export function parseSums(text: string): DataFile[] {
  const files: { path: string; sizeBytes: number; sums: string[] }[] = [];
  for (const line of text.split('\n')) {
    const [, size, path] = /^f (\d+) (.*)$/.exec(line) ?? [];
    if (path !== undefined) files.push({ path, sizeBytes: Number(size), sums: [] });
    else if (/^[0-9a-f]{64}\b/.test(line)) files.at(-1)!.sums.push(line.slice(0, 64));
  }
  // A file that grew or shrank between its listing and its reading: what was listed is what counts.
  for (const file of files) file.sums.length = Math.min(file.sums.length, Math.ceil(file.sizeBytes / BLOCK_BYTES));
  return files;
}

/** All files in their full length, and none that the source does not have. */
async function makeFiles({ connection, place }: End, source: readonly DataFile[], old: readonly DataFile[]) {
  const gone = old.filter(({ path }) => !source.some((one) => one.path === path));
  const dirs = new Set([place.member, ...(place.wal === undefined ? [] : [place.wal])]);
  for (const { path } of source) dirs.add(fileOf(place, path).replace(/\/[^/]*$/, ''));
  const script = [
    'set -e; umask 077',
    ...[...dirs].map((dir) => `mkdir -p -- ${quote(dir)}`),
    ...gone.map(({ path }) => `rm -f -- ${quote(fileOf(place, path))}`),
    ...source.map(({ path, sizeBytes }) => `truncate -s ${sizeBytes} -- ${quote(fileOf(place, path))}`),
  ];
  const result = await connection.run(script.join('\n'));
  if (result.code !== 0) throw new RemoteCommandError('making the files', result, { next: 'Make room there.' });
}

interface Tools {
  pack: string;
  unpack: string;
}

/** zstd is faster and better; gzip is everywhere. */
async function compressor(a: Connection, b: Connection): Promise<Tools> {
  const found = await Promise.all(
    [a, b].map(
      async (connection) =>
        (await connection.run('for t in zstd gzip; do command -v $t >/dev/null && echo $t; done; :')).stdout,
    ),
  );
  if (found.every((tools) => tools.includes('zstd'))) return { pack: 'zstd -q -1 -c', unpack: 'zstd -q -dc' };
  if (found.every((tools) => tools.includes('gzip'))) return { pack: 'gzip -1 -c', unpack: 'gzip -dc' };
  return { pack: 'cat', unpack: 'cat' };
}

/** While one block is written there, the next is read here: both hosts and both lines are at work. */
async function sendBlocks(
  from: End,
  to: End,
  blocks: readonly Block[],
  { tools, signal, onProgress }: CopyOptions & { tools: Tools },
): Promise<{ bytes: number; wireBytes: number }> {
  const total = blocks.reduce((sum, { bytes }) => sum + bytes, 0);
  let [bytes, wireBytes] = [0, 0];
  let next = blocks[0] ? readBlock(from, blocks[0], tools) : undefined;
  for (const [at, block] of blocks.entries()) {
    if (signal.aborted) {
      await next?.catch(() => undefined);
      throw new PlayError('the run was ended before all was copied', { next: 'Run again: it goes on from there.' });
    }
    const packed = await next!;
    const after = blocks[at + 1];
    next = after && readBlock(from, after, tools);
    next?.catch(() => undefined);
    await writeBlock(to, block, packed, tools);
    bytes += block.bytes;
    wireBytes += packed.length;
    onProgress(bytes, total);
  }
  return { bytes, wireBytes };
}

async function readBlock({ connection, place }: End, { path, index }: Block, { pack }: Tools): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const write = (piece: Buffer) => {
    pieces.push(piece);
    return undefined;
  };
  const file = quote(fileOf(place, path));
  const script = `dd if=${file} bs=${BLOCK_BYTES} skip=${index} count=1 iflag=fullblock status=none | ${pack}`;
  const result = await connection.run(script, { output: { write }, timeoutMs: STALL_MS });
  if (result.code !== 0) throw new RemoteCommandError(`reading ${path}`, result, { next: 'Look at the disk there.' });
  return Buffer.concat(pieces);
}

async function writeBlock(
  { connection, place }: End,
  { path, index }: Block,
  packed: Buffer,
  { unpack }: Tools,
): Promise<void> {
  const file = quote(fileOf(place, path));
  const script = `${unpack} | dd of=${file} bs=${WRITE_BYTES} seek=${(index * BLOCK_BYTES) / WRITE_BYTES} iflag=fullblock conv=notrunc status=none`;
  const input = { sizeBytes: packed.length, open: () => Readable.from([packed]) };
  const result = await connection.run(script, { input, timeoutMs: STALL_MS });
  if (result.code !== 0) throw new RemoteCommandError(`writing ${path}`, result, { next: 'Look at the disk there.' });
}

async function mustEqual(to: End, source: readonly DataFile[]): Promise<void> {
  const copy = await readSums(to);
  const wrong = source.filter((file) => {
    const one = copy.find(({ path }) => path === file.path);
    return !one || JSON.stringify(one) !== JSON.stringify(file);
  });
  if (wrong.length === 0 && copy.length === source.length) return;
  throw new PlayError(
    `the copy is not the same as the data: ${wrong.map(({ path }) => path).join(', ') || 'it has files of its own'}`,
    { next: 'It was not used. Run again: what differs is sent again. If it stays so, look at the disks.' },
  );
}
