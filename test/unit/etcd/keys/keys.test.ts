import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KeyValue } from '../../../../src/etcd/grpc/keys.ts';
import { prefixEnd, rangeOf } from '../../../../src/etcd/grpc/keys.ts';
import { alarmsOf } from '../../../../src/etcd/grpc/member.ts';
import { message } from '../../../../src/etcd/grpc/protobuf.ts';
import { batches } from '../../../../src/etcd/keys/batches.ts';
import { deleteSaved } from '../../../../src/etcd/keys/delete.ts';
import { checkSaved, readSaved, saveKeys } from '../../../../src/etcd/keys/saved.ts';
import { asText, readBytes, spell } from '../../../../src/etcd/keys/spelling.ts';
import { keysRecord, keyText, listText } from '../../../../src/etcd/keys/text.ts';
import { lookForUndo, undo } from '../../../../src/etcd/keys/undo.ts';
import { pageSize, walkKeys } from '../../../../src/etcd/keys/walk.ts';
import { compactedUpTo } from '../../../../src/etcd/live/space.ts';
import { inOnePage, OwnEtcd } from './own-etcd.ts';

const folder = mkdtempSync(join(tmpdir(), 'keys-'));
let etcd: OwnEtcd;
beforeAll(async () => {
  etcd = await OwnEtcd.start();
}, 60_000);
beforeEach(() => etcd.clear(), 30_000);
afterAll(async () => {
  await etcd?.stop();
  rmSync(folder, { recursive: true });
});
const bytes = (...all: number[]) => Buffer.from(all);

it.each([
  ['a', 'b'],
  ['/registry/', '/registry0'],
  ['a\x7f', 'a\x80'],
])('keys that begin with %j end before %j', (prefix, end) => {
  expect(prefixEnd(Buffer.from(prefix, 'latin1'))).toEqual(Buffer.from(end, 'latin1'));
});

it.each([
  [bytes(0x61, 0xff), bytes(0x62)],
  [bytes(0xff, 0xff), bytes(0)],
  [bytes(), bytes(0)],
])('bytes that cannot grow are left out of the end: %j', (prefix, end) => {
  expect(prefixEnd(prefix)).toEqual(end);
});

describe('what etcd says', () => {
  it('is read with keys and values that are any bytes', () => {
    const kv = message({ 1: bytes(0, 255), 2: 5, 3: 9, 4: 2, 5: bytes(1, 0), 6: 2n ** 62n });
    const answer = Buffer.concat([message({ 1: message({ 3: 12 }) }), message({ 2: kv }), message({ 3: true, 4: 7 })]);
    expect(rangeOf(answer)).toEqual({
      revision: 12n,
      more: true,
      count: 7n,
      keys: [
        { key: bytes(0, 255), value: bytes(1, 0), createRevision: 5n, modRevision: 9n, version: 2n, lease: 2n ** 62n },
      ],
    });
  });

  it('is read where it is alarms', () => {
    const one = (id: bigint, kind: number) => message({ 2: message({ 1: id, 2: kind }) });
    expect(alarmsOf(Buffer.concat([message({ 1: message({ 3: 1 }) }), one(255n, 1), one(2n ** 63n, 2)]))).toEqual([
      { memberId: 'ff', kind: 'NOSPACE' },
      { memberId: '8000000000000000', kind: 'CORRUPT' },
    ]);
  });
});

describe('how bytes are written', () => {
  it.each([
    ['plain', 'plain'],
    ['süß 世界', 'süß 世界'],
    ['a\0b\x1b[1m', 'a\\x00b\\x1b[1m'],
  ])('%j as text', (text, shown) => {
    expect(spell(Buffer.from(text), 'text')).toBe(shown);
  });

  it('by number, where they are no text', () => {
    expect(spell(bytes(0x61, 0xff), 'text')).toBe('a\\xff');
    expect(asText(bytes(0xff))).toBeUndefined();
  });

  it.each(['hex', 'base64'] as const)('and read again as %s', (encoding) => {
    const any = bytes(0, 1, 254, 255, 10);
    expect(readBytes(spell(any, encoding), encoding, 'key')).toEqual(any);
    expect(() => readBytes('no such thing!', encoding, 'key')).toThrow(`key is no ${encoding}`);
  });
});

describe('pages', () => {
  it('of many keys are all of them, in their order', async () => {
    const named = (n: number) => Buffer.from(`/a/${String(n).padStart(5, '0')}`);
    for (let n = 0; n < 3_000; n += 100) {
      const some = Array.from({ length: 100 }, (_, i) => ({ put: named(n + i), value: Buffer.alloc((n + i) % 700) }));
      await etcd.keys.change(some);
    }
    await etcd.put('/b', 'other');
    etcd.calls = 0;
    const found: string[] = [];
    for await (const page of walkKeys(etcd.keys, { prefix: Buffer.from('/a/'), revision: 0n })) {
      found.push(...page.map(({ key }) => key.toString()));
    }
    expect(found).toHaveLength(3_000);
    expect(found).toEqual(found.toSorted());
    expect(etcd.calls).toBeLessThan(8);
  });

  it.each([
    [100, 10, 400],
    [5000, 10, 5000],
    [100, 1_000_000, 4],
    [10, 8_000_000, 1],
  ])('of %d keys with %d bytes are followed by one of %d', (count, size, next) => {
    const page = Array.from({ length: count }, () => ({ key: bytes(1), value: { length: size } as Buffer }));
    expect(pageSize(page)).toBe(next);
  });

  it('are cut so that they fit into transactions', () => {
    expect(batches([1, 2, 3], () => 500_000).map((one) => one.length)).toEqual([2, 1]);
    expect(batches([1, 2, 3], () => 5_000_000).map((one) => one.length)).toEqual([1, 1, 1]);
    expect(batches(Array(250).fill(1), () => 1).map((one) => one.length)).toEqual([100, 100, 50]);
    expect(batches([], () => 1)).toEqual([]);
  });
});

const head = {
  format: 1,
  kind: 'etcd keys',
  cluster: { name: 'orders', id: 'cafe' },
  revision: '12',
  takenAt: '2026-08-01T03:00:00.000Z',
} as const;

describe('keys that are saved', () => {
  const one = (key: Buffer, value: Buffer, n: bigint, lease = 0n): KeyValue => {
    return { key, value, createRevision: n, modRevision: n, version: 1n, lease };
  };
  const all = [
    one(Buffer.from('/a'), Buffer.from('1'), 2n),
    one(Buffer.from('/b'), Buffer.from('b\0\n'), 3n),
    one(bytes(0xff, 0), bytes(0, 0xfe), 4n, 77n),
  ];

  it('are in a file of their owner alone, whole, and come back as they were', async () => {
    const { path, count } = await saveKeys(folder, head, inOnePage(all));
    expect([count, statSync(path).mode & 0o777]).toEqual([3, 0o600]);
    expect(readdirSync(folder)).toEqual(['etcd-keys_orders_20260801T030000Z_r12.jsonl']);
    expect(await checkSaved(path)).toEqual({ ...head, count: 3 });
    const found = [];
    for await (const page of readSaved(path)) found.push(...page);
    expect(found).toEqual(all);
  });

  it('never take the place of those that another run saved at the same moment', async () => {
    const own = mkdtempSync(join(folder, 'apart-'));
    const runs = await Promise.all(all.map((key) => saveKeys(own, head, inOnePage([key]))));
    const found = [];
    for (const { path } of runs) for await (const page of readSaved(path)) found.push(...page);
    expect(found).toEqual(all);
    const name = 'etcd-keys_orders_20260801T030000Z_r12';
    expect(readdirSync(own).sort()).toEqual([`${name}-2.jsonl`, `${name}-3.jsonl`, `${name}.jsonl`]);
  });

  it.each<[string, (file: string) => void, string]>([
    [
      'was cut short',
      (file) => writeFileSync(file, readFileSync(file, 'utf8').replace(/\{"keys".*\n$/, '')),
      'ends before its last line',
    ],
    [
      'was changed',
      (file) => writeFileSync(file, readFileSync(file, 'utf8').replace('"mod":"3"', '"mod":"4"')),
      'its sum differs',
    ],
    [
      'has lost a line',
      (file) => writeFileSync(file, readFileSync(file, 'utf8').replace(/\n.*\n/, '\n')),
      'its sum differs',
    ],
    ['has more behind its end', (file) => appendFileSync(file, 'x\n'), 'no JSON'],
    ['is another', (file) => writeFileSync(file, '{"a":1}\n'), 'no saved keys'],
    ['is empty', (file) => writeFileSync(file, ''), 'no saved keys'],
  ])('are not believed where the file %s', async (_, spoil, reason) => {
    const { path } = await saveKeys(folder, head, inOnePage(all));
    spoil(path);
    await expect(checkSaved(path)).rejects.toThrow(reason);
  });

  it('leave nothing that looks like them where that fails', async () => {
    const empty = mkdtempSync(join(folder, 'fails-'));
    const failing = async function* () {
      yield all;
      throw new Error('lost');
    };
    await expect(saveKeys(empty, head, failing())).rejects.toThrow('lost');
    expect(readdirSync(empty)).toEqual([]);
  });
});

describe('deleting what was saved', () => {
  it('takes many at a time', async () => {
    const some = Array.from({ length: 100 }, (_, n) => ({ put: Buffer.from(`k${n}`), value: bytes(n) }));
    await etcd.keys.change(some);
    await etcd.keys.change(some.map(({ put, value }) => ({ put: Buffer.concat([put, bytes(0xff)]), value })));
    const saved = await etcd.all();
    etcd.calls = 0;
    const result = await deleteSaved(etcd.keys, inOnePage(saved), () => {});
    expect(result).toEqual({ deleted: 200, gone: 0, changed: [] });
    expect([etcd.calls, await etcd.values()]).toEqual([2, {}]);
  });

  it('leaves what was written since, and bears with what is gone', async () => {
    const saved = await etcd.fill({ a: '1', b: '2', c: '3', d: '4' });
    await etcd.put('b', 'new');
    await etcd.keys.change([{ remove: Buffer.from('c') }]);
    const result = await deleteSaved(etcd.keys, inOnePage(saved), () => {});
    expect(result).toEqual({ deleted: 2, gone: 1, changed: [Buffer.from('b')] });
    expect(await etcd.values()).toEqual({ b: 'new' });
  });
});

describe('putting back', () => {
  /** Keys that were there, one of them under a lease that lives and one under one that has ended. */
  const saved = async () => {
    await etcd.lease(7n).catch(() => undefined);
    await etcd.fill({ a: '1', b: '2' });
    await etcd.put('leased', '3', 7n);
    const all = await etcd.all();
    await etcd.clear();
    return [...all, { ...all[0]!, key: Buffer.from('ended'), value: Buffer.from('4'), lease: 8n }];
  };
  const options = { leases: new Set([7n]), overwrite: false, onProgress: () => {} };

  it('brings what is missing, under its lease where that lives', async () => {
    const all = await saved();
    await etcd.put('a', '1');
    const counts = await lookForUndo(etcd.keys, inOnePage(all));
    expect(counts).toEqual({ missing: 3, same: 1, other: [], leases: new Set([7n]), endedLeases: new Set([8n]) });
    expect(await undo(etcd.keys, inOnePage(all), options)).toBe(3);
    expect(await etcd.values()).toEqual({ a: '1', b: '2', leased: '3', ended: '4' });
    const found = await etcd.all();
    expect(found.map(({ key, lease }) => [String(key), lease])).toEqual([
      ['a', 0n],
      ['b', 0n],
      ['ended', 0n],
      ['leased', 7n],
    ]);
    expect(await undo(etcd.keys, inOnePage(all), options)).toBe(0);
  });

  it('leaves another value alone, unless it is to be overwritten', async () => {
    const all = await saved();
    await etcd.put('a', 'new');
    expect((await lookForUndo(etcd.keys, inOnePage(all))).other).toEqual([Buffer.from('a')]);
    expect(await undo(etcd.keys, inOnePage(all), options)).toBe(3);
    expect((await etcd.values()).a).toBe('new');
    expect(await undo(etcd.keys, inOnePage(all), { ...options, overwrite: true })).toBe(1);
    expect((await etcd.values()).a).toBe('1');
  });
});

describe('one member', () => {
  it('tells what is compacted, gives room back, and refuses nothing that was done already', async () => {
    const value = Buffer.alloc(200_000, 'x');
    for (let n = 0; n < 20; n++) await etcd.put('big', value);
    const { revision } = await etcd.member.status();
    const asked = (at: bigint) => etcd.member.isCompacted(at);
    expect(await compactedUpTo(revision, asked)).toBe(0n);
    await etcd.member.compactWholly(revision - 1n);
    await etcd.member.compactWholly(revision - 1n);
    expect(await compactedUpTo(revision, asked)).toBe(revision - 1n);
    // Pages that were freed count as free with one of the transactions behind it.
    const isFree = async () => {
      await etcd.put('small', Buffer.alloc(1));
      const { dbInUseBytes, dbSizeBytes } = await etcd.member.status();
      return dbInUseBytes < dbSizeBytes / 2;
    };
    await expect.poll(isFree, { interval: 150 }).toBe(true);
    const before = await etcd.member.status();
    await etcd.member.defragment();
    const after = await etcd.member.status();
    expect(after.dbSizeBytes).toBeLessThan(before.dbSizeBytes / 2);
  });

  it('has no alarm, and is disarmed all the same', async () => {
    expect(await etcd.member.alarms()).toEqual([]);
    await etcd.member.disarm({ memberId: 'ff', kind: 'NOSPACE' });
  });
});

describe('what is shown', () => {
  const made = { createRevision: 2n, modRevision: 2n, version: 1n, lease: 0n };
  const all: KeyValue[] = [
    { ...made, key: Buffer.from('/a'), value: Buffer.from('one\ntwo') },
    { ...made, key: bytes(0xff), value: bytes(0xfe), createRevision: 3n, modRevision: 3n, lease: 0x1fn },
  ];

  it('is one key with all that is known of it', () => {
    expect(keyText(all[0]!, 'text', undefined)).toBe(
      '\n/a\nmade at revision 2, never written again; lease: none; 7 bytes\none\ntwo',
    );
    expect(keyText(all[1]!, 'hex', 12)).toBe(
      '\nff\nmade at revision 3, never written again; lease: 1f (12 s left); 1 byte\nfe',
    );
    expect(keyText(all[1]!, 'hex', undefined)).toContain('lease: 1f (ended)');
  });

  it('is a line for each key of a list, and how many there are', () => {
    expect(listText(all, { encoding: 'text', withValues: false, count: 2n })).toBe(
      '\n/a\n\\xff\n2 keys\n1 of them are no text and are shown with \\x: name one with -e encoding=hex',
    );
    expect(listText(all.slice(0, 1), { encoding: 'text', withValues: true, count: 9n })).toBe(
      '\n/a\n  one\n  two\n9 keys, of which the first 1 are shown (-e limit=9)',
    );
  });

  it('is the same for programs, byte by byte', () => {
    expect(keysRecord(all.slice(1), 2n, 3n, true)).toEqual({
      kind: 'keys',
      count: 2,
      revision: '3',
      keys: [
        {
          key: '/w==',
          text: null,
          value: '/g==',
          valueText: null,
          createRevision: '3',
          modRevision: '3',
          version: '1',
          lease: '1f',
        },
      ],
    });
  });
});
