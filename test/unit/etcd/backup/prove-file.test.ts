import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identitiesIn, newKeyPair, recipientOf } from '../../../../src/etcd/backup/age/keys.ts';
import { packFile } from '../../../../src/etcd/backup/packing.ts';
import { newerThan, type ProvenFile, proveFile } from '../../../../src/etcd/backup/prove-file.ts';
import type { EtcdTools } from '../../../../src/etcd/backup/tools.ts';
import { readWriting } from '../../../../src/etcd/backup/writing.ts';
import { realSnapshot, toolsOf } from './real-etcd.ts';

const VERSION = '3.5.16';
const { signal } = new AbortController();
const [own, other] = [newKeyPair(), newKeyPair()];
const keysOf = (pair: typeof own) => identitiesIn(pair.identity.reveal())!;

let folder: string;
let good: Buffer;
let bare: string;
let tools: EtcdTools;
let count = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'prove-'));
  tools = await toolsOf(VERSION);
  const puts = Array.from({ length: 12 }, (_, i) => `put key-${i} value-${i}`);
  const made = await realSnapshot(VERSION, join(folder, 'etcd'), [...puts, 'del key-0', 'put key-1 again']);
  good = readFileSync(made.snapshot);
  bare = made.database;
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(content: Buffer | string): string {
  const path = join(folder, `file-${++count}.db`);
  writeFileSync(path, content);
  return path;
}

async function packed(compression: 'none' | 'gzip' | 'zstd', encrypted: boolean): Promise<Buffer> {
  const target = join(folder, `packed-${++count}`);
  const recipients = encrypted ? [recipientOf(own.recipient)!] : [];
  await packFile(fileOf(good), target, { compression, recipients }, signal);
  return readFileSync(target);
}

async function proven(path: string, identities = keysOf(own), withTrial = false): Promise<ProvenFile> {
  const work = join(folder, `work-${++count}`);
  mkdirSync(work);
  return proveFile({ path, identities, folder: work, toolsFor: async () => tools, withTrial, signal });
}

const reason = (path: string, identities = keysOf(own)) =>
  proven(path, identities).then(
    () => 'it was taken for good',
    (error: Error) => error.message.replace(path, 'FILE'),
  );

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = copy[at]! ^ 0x40;
  return copy;
}

describe('a snapshot of real etcd', () => {
  it.each([
    ['as it came', 'none', false],
    ['gzip', 'gzip', false],
    ['zstd', 'zstd', false],
    ['encrypted', 'none', true],
    ['gzip, encrypted', 'gzip', true],
    ['zstd, encrypted', 'zstd', true],
  ] as const)('is proven by a trial restore: %s', async (_, compression, isEncrypted) => {
    const path = fileOf(await packed(compression, isEncrypted));
    const found = await proven(path, undefined, true);
    expect(found).toMatchObject({ compression, isEncrypted, isBare: false });
    expect(found.restored).toMatchObject({ revision: 15n, keyCount: 11n });
    expect(readFileSync(found.plain)).toEqual(good);
    expect(found.writing.clusterVersion).toBe('3.5.0');
  });

  it('is proven through a link, and a copied database file by what it is', async () => {
    const link = join(folder, 'etcd_snapshot.db');
    symlinkSync(fileOf(good), link);
    expect((await proven(link)).isBare).toBe(false);
    const copy = join(folder, 'db');
    copyFileSync(bare, copy);
    const found = await proven(copy, undefined, true);
    expect(found.isBare).toBe(true);
    expect(found.restored).toMatchObject({ keyCount: 11n });
  });
});

describe('a damaged backup is refused with its reason', () => {
  it('that is empty, a directory, not there, a device', async () => {
    expect(await reason(fileOf(''))).toBe('FILE: it is empty');
    expect(await reason(folder)).toBe('FILE is a directory');
    expect(await reason(join(folder, 'nothing'))).toBe('FILE is not there');
    expect(await reason('/dev/null')).toBe('FILE: it is no file');
  });

  it('that is something else', async () => {
    expect(await reason(fileOf('hello\n'.repeat(1000)))).toBe('FILE: it is no database of etcd');
    expect(await reason(tools.etcd)).toBe('FILE: it is no database of etcd');
  });

  it('that was cut at every kind of place', async () => {
    const cut = (bytes: number) => reason(fileOf(good.subarray(0, bytes)));
    const short = (bytes: number) => `FILE: it is cut short: ${bytes} bytes of ${good.length}`;
    expect(await cut(1)).toBe('FILE: it is no database of etcd');
    expect(await cut(60)).toBe('FILE: it is no database of etcd');
    for (const bytes of [good.length - 32 - 4096, good.length - 32 - 1, good.length - 32 - 4096 + 32]) {
      expect(await cut(bytes), String(bytes)).toBe(short(bytes));
    }
    for (const bytes of [good.length - 1, good.length - 31]) {
      expect(await cut(bytes), String(bytes)).toBe('FILE: it is cut short: the sum at its end is not whole');
    }
    // Without its whole sum it is what a copied database file is: that is said, not hidden.
    expect((await proven(fileOf(good.subarray(0, good.length - 32)))).isBare).toBe(true);
  });

  it('in which a byte was flipped: in the header, in the middle, in the sum at its end', async () => {
    for (const at of [
      20,
      60,
      4096 + 20,
      Math.floor(good.length / 2),
      good.length - 33,
      good.length - 32,
      good.length - 1,
    ]) {
      const said = await reason(fileOf(flipped(good, at)));
      expect(said, String(at)).toMatch(
        /^FILE: (its content is not what the sum at its end says|its page \d+ is damaged|it )/,
      );
    }
    expect(await reason(fileOf(flipped(good, good.length - 1)))).toBe(
      'FILE: its content is not what the sum at its end says: a byte of it was changed',
    );
  });

  it('that was packed, then cut or changed', async () => {
    for (const compression of ['gzip', 'zstd'] as const) {
      const whole = await packed(compression, false);
      for (const bytes of [12, Math.floor(whole.length / 2), whole.length - 1]) {
        expect(await reason(fileOf(whole.subarray(0, bytes))), `${compression} ${bytes}`).toMatch(
          /damaged, or cut short/,
        );
      }
      expect(await reason(fileOf(flipped(whole, Math.floor(whole.length / 2))))).toMatch(
        /damaged|no database|changed|cut short/,
      );
    }
    const sealed = await packed('none', true);
    for (const bytes of [30, 150, 300, sealed.length - 1]) {
      expect(await reason(fileOf(sealed.subarray(0, bytes))), `age ${bytes}`).toMatch(/damaged, or cut short/);
    }
    for (const at of [sealed.length - 1, sealed.length >> 1, 240]) {
      expect(await reason(fileOf(flipped(sealed, at))), `age at ${at}`).toMatch(/damaged, or cut short/);
    }
  });

  it('that is encrypted to another key, or for which no key was given', async () => {
    const path = fileOf(await packed('zstd', true));
    expect(await reason(path, keysOf(other))).toBe('FILE: it is encrypted to another key');
    expect(await reason(path, [])).toBe('FILE is encrypted, and no key was given');
    await expect(proven(path, [...keysOf(other), ...keysOf(own)])).resolves.toMatchObject({ isEncrypted: true });
  });

  it.each([
    ['3.6.0', '3.5.30', 'it was written by etcd 3.6, and etcd 3.5.30 cannot read what a newer version wrote'],
    ['3.5.0', '3.4.23', 'it was written by etcd 3.5, and etcd 3.4.23 cannot read what a newer version wrote'],
    ['3.5.0', '3.5.16', undefined],
    ['3.4.0', '3.5.16', undefined],
    [undefined, '3.5.16', undefined],
  ])('data of %s are not for %s: %s', (written, version, said) => {
    expect(newerThan(written, version)).toBe(said);
  });

  it('of a newer version, by real etcd', async () => {
    const path = fileOf(good);
    const older = await toolsOf('3.4.23');
    const request = { path, folder, toolsFor: async () => older, withTrial: false, signal };
    await expect(proveFile(request)).rejects.toThrow('etcd 3.4.23 cannot read what a newer version wrote');
  });
});

describe('what a snapshot says of itself', () => {
  it('is the version of its cluster, and whether users must log in', async () => {
    const guarded = ['user add root:secret', 'user grant-role root root', 'auth enable'];
    const [old, shut] = await Promise.all([
      realSnapshot('3.4.23', join(folder, 'old'), ['put a b']),
      realSnapshot('3.5.30', join(folder, 'shut'), ['put a b'], guarded),
    ]);
    expect(await readWriting(old.snapshot)).toMatchObject({ clusterVersion: '3.4.0', isGuarded: false });
    expect(await readWriting(shut.database)).toMatchObject({ clusterVersion: '3.5.0', isGuarded: true });
  });
});
