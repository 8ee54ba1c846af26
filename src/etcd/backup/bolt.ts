import { type FileHandle, open } from 'node:fs/promises';

/**
 * Reads single values from a database file of etcd (go.etcd.io/bbolt, its README and `internal/common/page.go`), as much
 * as is needed to say what a snapshot is before any tool touches it. It follows a few pages from the root and never all.
 */
export interface BoltFile {
  /** What stands in a bucket at the top; undefined where there is no such bucket. @throws NotBoltError for damaged pages. */
  bucket(name: string): Promise<Map<string, Buffer> | undefined>;
  /** How long the file must be at least: every page below this is in use. */
  readonly usedBytes: number;
  close(): Promise<void>;
}

/** What is wrong with the file, in words. */
export class NotBoltError extends Error {}

const MAGIC = 0xed0cdaed;
const META_BYTES = 80;
const HEADER_BYTES = 16;
const ELEMENT_BYTES = 16;
const BUCKET_BYTES = 16;
const [BRANCH, LEAF] = [0x01, 0x02];
const BUCKET_FLAG = 0x01;
const MOST_PAGES = 4096;
const MOST_PAGE_BYTES = 64 * 1024 * 1024;

interface Meta {
  pageBytes: number;
  root: bigint;
  pages: bigint;
  txid: bigint;
}

/** @throws NotBoltError where neither of the two pages that begin such a file is one. */
export async function openBolt(path: string): Promise<BoltFile> {
  const handle = await open(path);
  try {
    const meta = await newestMeta(handle);
    return {
      usedBytes: Number(meta.pages) * meta.pageBytes,
      bucket: async (name) => {
        const root = await entriesBelow(handle, meta, meta.root);
        const found = root.find(({ key, flags }) => (flags & BUCKET_FLAG) !== 0 && key.toString() === name);
        if (!found) return undefined;
        if (found.value.length < BUCKET_BYTES) throw new NotBoltError(`the bucket ${name} is damaged`);
        const at = found.value.readBigUInt64LE();
        // A small bucket lies within its own entry.
        const all = at === 0n ? leafEntries(found.value.subarray(BUCKET_BYTES)) : await entriesBelow(handle, meta, at);
        return new Map(all.map(({ key, value }) => [key.toString('latin1'), value]));
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Two pages take turns as the first one; the newer that is whole counts. The second stands behind a page of any size. */
async function newestMeta(handle: FileHandle): Promise<Meta> {
  const metas: Meta[] = [];
  for (const at of [0, 1024, 2048, 4096, 8192, 16384, 32768, 65536]) {
    const meta = metaOf(await readAt(handle, at, META_BYTES));
    if (meta && (at === 0 || at === meta.pageBytes)) metas.push(meta);
  }
  const newest = metas.toSorted((a, b) => (a.txid < b.txid ? 1 : -1))[0];
  if (!newest) throw new NotBoltError('it is no database of etcd');
  return newest;
}

function metaOf(page: Buffer): Meta | undefined {
  if (page.length < META_BYTES || page.readUInt32LE(HEADER_BYTES) !== MAGIC) return undefined;
  const summed = page.subarray(HEADER_BYTES, META_BYTES - 8);
  if (page.readBigUInt64LE(META_BYTES - 8) !== fnv64a(summed)) return undefined;
  return {
    pageBytes: page.readUInt32LE(24),
    root: page.readBigUInt64LE(32),
    pages: page.readBigUInt64LE(56),
    txid: page.readBigUInt64LE(64),
  };
}

function fnv64a(bytes: Buffer): bigint {
  let sum = 0xcbf29ce484222325n;
  for (const byte of bytes) sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * 0x100000001b3n);
  return sum;
}

interface Entry {
  flags: number;
  key: Buffer;
  value: Buffer;
}

/** All leaves below a page, in their order. A circle of pages ends as an error. */
async function entriesBelow(handle: FileHandle, meta: Meta, root: bigint): Promise<Entry[]> {
  const entries: Entry[] = [];
  const waiting = [root];
  for (let read = 0; waiting.length > 0; read++) {
    if (read > MOST_PAGES) throw new NotBoltError('its pages lead in a circle, or are too many');
    const page = await readPage(handle, meta, waiting.shift()!);
    if ((page.readUInt16LE(8) & LEAF) !== 0) entries.push(...leafEntries(page));
    else waiting.unshift(...branches(page));
  }
  return entries;
}

async function readPage(handle: FileHandle, { pageBytes, pages }: Meta, id: bigint): Promise<Buffer> {
  if (id < 2n || id >= pages) throw new NotBoltError(`it leads to a page that is none (${id})`);
  const at = Number(id) * pageBytes;
  const first = await readAt(handle, at, pageBytes);
  if (first.length < pageBytes) throw new NotBoltError(`it is cut short: page ${id} is missing`);
  const sizeBytes = (first.readUInt32LE(12) + 1) * pageBytes;
  const flags = first.readUInt16LE(8);
  if (first.readBigUInt64LE() !== id || (flags !== BRANCH && flags !== LEAF) || sizeBytes > MOST_PAGE_BYTES) {
    throw new NotBoltError(`its page ${id} is damaged`);
  }
  return sizeBytes === pageBytes ? first : await readAt(handle, at, sizeBytes);
}

function branches(page: Buffer): bigint[] {
  return elements(page, (at) => page.readBigUInt64LE(at + 8));
}

function leafEntries(page: Buffer): Entry[] {
  return elements(page, (at) => {
    const [flags, pos, keyBytes, valueBytes] = [0, 4, 8, 12].map((offset) => page.readUInt32LE(at + offset));
    const [key, value] = [at + pos!, at + pos! + keyBytes!];
    if (value + valueBytes! > page.length) throw new NotBoltError('a page of it is damaged');
    return { flags: flags!, key: page.subarray(key, value), value: page.subarray(value, value + valueBytes!) };
  });
}

function elements<T>(page: Buffer, read: (at: number) => T): T[] {
  const count = page.length < HEADER_BYTES ? 0 : page.readUInt16LE(10);
  if (HEADER_BYTES + count * ELEMENT_BYTES > page.length) throw new NotBoltError('a page of it is damaged');
  return Array.from({ length: count }, (_, index) => read(HEADER_BYTES + index * ELEMENT_BYTES));
}

async function readAt(handle: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, at);
  return buffer.subarray(0, bytesRead);
}
