import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { InputError } from '../../errors.ts';
import { nameApart } from '../backup/name-apart.ts';
import { onDisk } from '../backup/on-disk.ts';
import { makeWorkFolder, removeWorkFolder } from '../backup/work-folder.ts';
import type { KeyValue } from '../grpc/keys.ts';
import { syncDirectory } from '../releases/cache.ts';
import { asText } from './spelling.ts';

/** What a file of saved keys says of itself in its first line. */
export interface SavedHead {
  format: 1;
  kind: 'etcd keys';
  cluster: { name: string; id: string };
  /** The revision at which they were read. */
  revision: string;
  /** ISO. */
  takenAt: string;
}

/** `etcd-keys_orders_20260801T030000Z_r1234.jsonl` */
export function savedName({ cluster, takenAt, revision }: Pick<SavedHead, 'cluster' | 'takenAt' | 'revision'>): string {
  const time = `${takenAt.slice(0, 19).replace(/[-:]/g, '')}Z`;
  return `etcd-keys_${cluster.name}_${time}_r${revision}.jsonl`;
}

/**
 * Writes keys with their values to a file that only its owner may read: one line of JSON for each, and a last one with their
 * number and a sum. It bears its name only when it is whole and on the disk.
 */
export async function saveKeys(
  folder: string,
  head: SavedHead,
  pages: AsyncIterable<readonly KeyValue[]>,
): Promise<{ path: string; count: number }> {
  const work = await makeWorkFolder(folder);
  try {
    const part = join(work, 'keys');
    const path = join(folder, savedName(head));
    let count = 0;
    const handle = await onDisk(part, () => open(part, 'wx', 0o600));
    try {
      const sum = createHash('sha256');
      const write = (text: string) => onDisk(part, () => handle.writeFile(text));
      const note = (text: string) => {
        sum.update(text);
        return write(text);
      };
      await note(`${JSON.stringify(head)}\n`);
      for await (const page of pages) {
        count += page.length;
        await note(page.map((one) => `${JSON.stringify(toLine(one))}\n`).join(''));
      }
      await write(`${JSON.stringify({ keys: count, sha256: sum.digest('hex') })}\n`);
      await onDisk(part, () => handle.sync());
    } finally {
      await handle.close();
    }
    const named = await onDisk(path, () => nameApart(part, path));
    await syncDirectory(folder);
    return { path: named, count };
  } finally {
    await removeWorkFolder(work);
  }
}

interface Line {
  key: string;
  value: string;
  /** The key once more, for people, where it is a text. */
  text?: string;
  create: string;
  mod: string;
  version: string;
  lease?: string;
}

function toLine({ key, value, createRevision, modRevision, version, lease }: KeyValue): Line {
  const text = asText(key);
  return {
    ...(text === undefined ? {} : { text }),
    key: key.toString('base64'),
    value: value.toString('base64'),
    create: String(createRevision),
    mod: String(modRevision),
    version: String(version),
    ...(lease === 0n ? {} : { lease: lease.toString(16) }),
  };
}

function fromLine({ key, value, create, mod, version, lease }: Line): KeyValue {
  return {
    key: Buffer.from(key, 'base64'),
    value: Buffer.from(value, 'base64'),
    createRevision: BigInt(create),
    modRevision: BigInt(mod),
    version: BigInt(version),
    lease: lease === undefined ? 0n : BigInt(`0x${lease}`),
  };
}

const PAGE = 500;

/** The keys of such a file, in pages. @throws InputError where it is not whole: {@link checkSaved} says so before. */
export async function* readSaved(path: string): AsyncGenerator<KeyValue[]> {
  let page: KeyValue[] = [];
  for await (const { kind, line } of linesOf(path)) {
    if (kind !== 'key') continue;
    page.push(fromLine(line as unknown as Line));
    if (page.length < PAGE) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** Reads the file to its end, and sees whether it is whole. @throws InputError. */
export async function checkSaved(path: string): Promise<SavedHead & { count: number }> {
  let head: SavedHead | undefined;
  let end: { keys: number; sha256: string } | undefined;
  let count = 0;
  const sum = createHash('sha256');
  for await (const { kind, line, text } of linesOf(path)) {
    if (kind !== 'end') sum.update(`${text}\n`);
    if (kind === 'head') head = line as unknown as SavedHead;
    if (kind === 'key') count += 1;
    if (kind === 'end') end = line as unknown as typeof end;
  }
  const wrong = (why: string) =>
    new InputError(why, { file: path, next: 'Name a file that play keys_etcd has saved.' });
  if (!head) throw wrong('it holds no saved keys');
  if (!end) throw wrong('it ends before its last line: it is not whole');
  if (end.keys !== count || end.sha256 !== sum.digest('hex'))
    throw wrong('it is not what was written: its sum differs');
  return { ...head, count };
}

async function* linesOf(path: string) {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  let at = 0;
  for await (const text of lines) {
    at += 1;
    let line: Record<string, unknown>;
    try {
      line = JSON.parse(text) as Record<string, unknown>;
    } catch {
      throw new InputError('this line is no JSON', {
        file: path,
        line: at,
        next: 'Name a file that play keys_etcd has saved.',
      });
    }
    const isHead = at === 1 && line.kind === 'etcd keys' && line.format === 1;
    if (at === 1 && !isHead) throw new InputError('it holds no saved keys', { file: path, line: 1 });
    yield { kind: isHead ? ('head' as const) : 'sha256' in line ? ('end' as const) : ('key' as const), line, text };
  }
}
