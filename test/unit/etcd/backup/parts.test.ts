import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bech32, bytesOfBech32 } from '../../../../src/etcd/backup/age/bech32.ts';
import { identitiesIn, newKeyPair, recipientOf } from '../../../../src/etcd/backup/age/keys.ts';
import { findBackups } from '../../../../src/etcd/backup/catalogue.ts';
import { differences, oddMembers } from '../../../../src/etcd/backup/compare.ts';
import { age, backupTable } from '../../../../src/etcd/backup/listing.ts';
import type { Manifest } from '../../../../src/etcd/backup/manifest.ts';
import { metricsText } from '../../../../src/etcd/backup/metrics.ts';
import { backupFileName, parseBackupFileName } from '../../../../src/etcd/backup/naming.ts';
import { recipientKind } from '../../../../src/etcd/backup/recipients.ts';
import { SnapshotFrames } from '../../../../src/etcd/backup/snapshot-frames.ts';
import { sumSnapshot } from '../../../../src/etcd/backup/snapshot-sum.ts';
import { fieldsOf, message } from '../../../../src/etcd/grpc/protobuf.ts';

describe('the name of a backup', () => {
  it.each([
    ['etcd_orders_20260801T030000Z_r1234.db', true],
    ['etcd_orders_20260801T030000Z_r1234.db.gz', true],
    ['etcd_orders_20260801T030000Z_r1234.db.zst.age', true],
    ['etcd_or_ders_20260801T030000Z_r1.db.age', true],
    ['etcd_snapshot.db', false],
    ['etcd_orders_20260801T030000Z_r1234.db.json', false],
    ['etcd_orders_20260801T030000Z_r1234.db.part', false],
    ['etcd_orders_20260801T030000Z_r1234.db.age.gz', false],
    ['etcd_orders_20261301T030000Z_r1.db', false],
    ['etcd_orders_20260801T030000Z_r01.db', false],
    ['etcd_../x_20260801T030000Z_r1.db', false],
    ['my etcd_orders_20260801T030000Z_r1.db', false],
  ])('%s is one: %s', (name, isOne) => {
    const parsed = parseBackupFileName(name);
    expect(parsed !== undefined).toBe(isOne);
    if (parsed) expect(backupFileName(parsed)).toBe(name);
  });
});

describe('keys of age', () => {
  it('are read from what they are written as, and no slip is taken', () => {
    const { identity, recipient } = newKeyPair();
    expect(identitiesIn(`# created\n\n${identity.reveal()}\n`)![0]!.recipient).toEqual(recipientOf(recipient));
    for (let at = 4; at < recipient.length; at++) {
      const slip = `${recipient.slice(0, at)}${recipient[at] === 'q' ? 'p' : 'q'}${recipient.slice(at + 1)}`;
      expect(recipientOf(slip), slip).toBeUndefined();
    }
    expect(bytesOfBech32(bech32('age', Buffer.alloc(32, 7)), 'age')).toEqual(Buffer.alloc(32, 7));
  });

  it('are refused where a private one stands in place of a public one', () => {
    const { identity, recipient } = newKeyPair();
    expect(recipientKind.read(`${recipient}, ${recipient}`)).toMatchObject({ ok: true });
    expect(recipientKind.read(identity.reveal())).toMatchObject({
      ok: false,
      problem: expect.stringContaining('private'),
    });
    expect(recipientKind.read('age1xyz')).toMatchObject({ ok: false });
  });
});

describe('the sums of a snapshot', () => {
  const content = randomBytes(512 * 3);
  const trailed = (bytes: Buffer) => Buffer.concat([bytes, createHash('sha256').update(bytes).digest()]);

  it.each([
    ['right', trailed(content)],
    ['right', trailed(randomBytes(40 << 20))],
    ['none', content],
    ['wrong', Buffer.concat([content, Buffer.alloc(32)])],
    ['none', Buffer.alloc(0)],
    ['none', Buffer.alloc(31)],
    ['wrong', Buffer.alloc(32)],
  ] as const)('say that the trailer is: %s', async (trailer, bytes) => {
    const folder = mkdtempSync(join(tmpdir(), 'snapshot-'));
    try {
      const path = join(folder, 'snapshot');
      writeFileSync(path, bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      expect(await sumSnapshot(path)).toEqual({ sha256, sizeBytes: bytes.length, trailer });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the messages of a snapshot', () => {
  const frame = (fields: Parameters<typeof message>[0]) => {
    const body = message(fields);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    return Buffer.concat([head, body]);
  };
  const blobs = [randomBytes(300), randomBytes(1), randomBytes(70_000)];
  const wire = Buffer.concat([
    frame({ 1: message({ 1: 5n }), 2: 70_001, 3: blobs[0]! }),
    frame({ 2: 70_000, 3: blobs[1]! }),
    frame({ 3: blobs[2]!, 4: Buffer.from('3.6.0') }),
  ]);

  it.each([1, 2, 3, 5, 6, 299, 4096, wire.length])('are read whole, cut every %i bytes', (size) => {
    const got: Buffer[] = [];
    const frames = new SnapshotFrames((piece) => got.push(Buffer.from(piece)));
    for (let at = 0; at < wire.length; at += size) frames.push(wire.subarray(at, at + size));
    expect(Buffer.concat(got)).toEqual(Buffer.concat(blobs));
    expect([frames.isBetweenMessages, frames.remainingBytes]).toEqual([true, 0]);
  });

  it('that end in the middle are known to', () => {
    const frames = new SnapshotFrames(() => undefined);
    frames.push(wire.subarray(0, wire.length - 1));
    expect(frames.isBetweenMessages).toBe(false);
  });

  it.each([
    ['compressed', Buffer.from([1, 0, 0, 0, 1, 0])],
    ['a field longer than its message', Buffer.from([0, 0, 0, 0, 2, 0x1a, 9])],
    ['an unknown wire type', Buffer.from([0, 0, 0, 0, 2, 0x1d, 0])],
  ])('are refused: %s', (_, bytes) => {
    expect(() => new SnapshotFrames(() => undefined).push(bytes)).toThrow(RangeError);
  });
});

describe('a protocol buffer', () => {
  it('is read as it was written', () => {
    const fields = [...fieldsOf(message({ 1: 2n ** 63n, 2: true, 3: Buffer.from('x'), 4: 0, 16: 300 }))];
    expect(fields.map(({ number, value }) => [number, value])).toEqual([
      [1, 2n ** 63n],
      [2, 1n],
      [3, 0n],
      [16, 300n],
    ]);
  });

  it.each([[Buffer.from([0x0a, 5, 1])], [Buffer.from([0x0b])], [Buffer.alloc(12, 0xff)], [Buffer.from([0x08])]])(
    '%o is none',
    (bytes) => {
      expect(() => [...fieldsOf(bytes)]).toThrow(RangeError);
    },
  );
});

describe('members that differ', () => {
  const word = (host: string, hash: number | undefined, compactRevision = -1n) => ({
    host,
    hash: hash === undefined ? undefined : { hash, compactRevision },
  });
  it.each([
    ['none', [word('h1', 1), word('h2', 1), word('h3', 1)], []],
    ['one of three', [word('h1', 1), word('h2', 2), word('h3', 1)], ['h2']],
    ['both of two: nobody can tell', [word('h1', 1), word('h2', 2)], ['h1', 'h2']],
    ['none behind another compaction', [word('h1', 1), word('h2', 2, 5n), word('h3', 1)], []],
    ['none that says nothing', [word('h1', 1), word('h2', undefined)], []],
  ])('%s', (_, words, odd) => {
    expect(oddMembers(words).toSorted()).toEqual(odd);
  });

  it('are told from what a copy says', () => {
    const hash = { hash: 1, compactRevision: -1n };
    const copy = { ...hash, revision: 5n, keyCount: 2n };
    expect(differences(copy, { revision: 5n, keyCount: 2n, hash })).toEqual([]);
    expect(differences(copy, { revision: 6n, keyCount: 3n, hash: { ...hash, hash: 2 } })).toEqual([
      "its revision is 5, the member's 6",
      "its number of keys is 2, the member's 3",
      "its hash is 1, the member's 2",
    ]);
  });
});

describe('figures of a backup', () => {
  const finishedAt = new Date('2026-08-01T03:00:09Z');
  const verified = { takenAt: new Date('2026-08-01T03:00:00Z'), sizeBytes: 99, revision: 7n, durationMs: 1500 };

  it('keep what the last good run said when one fails', () => {
    const good = metricsText({ cluster: 'orders', finishedAt, succeeded: true, verified });
    const later = new Date('2026-08-02T03:00:00Z');
    const bad = metricsText({ cluster: 'orders', finishedAt: later, succeeded: false, verified: undefined }, good);
    expect(bad.match(/^etcd.*$/gm)).toEqual([
      'etcd_play_backup_last_run_timestamp_seconds{cluster="orders"} 1785639600',
      'etcd_play_backup_last_run_succeeded{cluster="orders"} 0',
      'etcd_play_backup_last_verified_timestamp_seconds{cluster="orders"} 1785553200',
      'etcd_play_backup_last_verified_size_bytes{cluster="orders"} 99',
      'etcd_play_backup_last_verified_revision{cluster="orders"} 7',
      'etcd_play_backup_last_verified_duration_seconds{cluster="orders"} 1.5',
    ]);
  });
});

describe('the backups in a folder', () => {
  let folder: string;
  const name = (hour: number) => `etcd_orders_20260801T0${hour}0000Z_r${hour}.db`;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'backups-'));
    const manifest = (of: string, proof: object): Partial<Manifest> & object => ({
      format: 1,
      cluster: { name: 'orders', id: 'ab' },
      takenAt: '2026-08-01T01:00:00Z',
      revision: '1',
      from: { host: 'h1', name: 'h1', id: '1', version: '3.5.16', raftTerm: '1', raftIndex: '1' },
      members: [],
      snapshot: { sizeBytes: 5, sha256: 'a'.repeat(64) },
      file: { name: of, sizeBytes: 5, sha256: 'a'.repeat(64), compression: 'none', encryption: 'none' },
      proof: proof as Manifest['proof'],
    });
    const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
    for (const hour of [1, 2, 3, 4, 5, 6]) write(name(hour), 'hello');
    const database = { tool: 'etcdutl 3.5.16', hash: 'a', revision: '1', keys: 1 };
    write(`${name(1)}.json`, JSON.stringify(manifest(name(1), { database, restored: { etcd: '3.5.16' } })));
    write(`${name(2)}.json`, JSON.stringify(manifest(name(2), { database })));
    write(`${name(3)}.json`, JSON.stringify(manifest(name(3), {})));
    write(`${name(4)}.json`, '{"format": 1, "clu');
    write(`${name(5)}.json`, JSON.stringify(manifest(name(1), { database })));
    write(name(2), 'hell');
    write('notes.txt', 'x');
    write('etcd_snapshot.db', 'x');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are listed newest first, with what is wrong with each', async () => {
    const found = await findBackups(folder);
    expect(found.map(({ name: one, verified, fault }) => [one, verified, fault.replace(folder, '')])).toEqual([
      [name(6), 'no', 'it has no manifest'],
      [name(5), 'no', `its manifest is that of ${name(1)}`],
      [name(4), 'no', 'it is no JSON: this is no manifest of a backup'],
      [name(3), 'no', ''],
      [name(2), 'no', 'it has 4 bytes, not 5'],
      [name(1), 'restored', ''],
    ]);
    expect(backupTable(found, new Date('2026-08-03T01:00:00Z'))).toMatchInlineSnapshot(`
      "+------------------------------------+------+----------+-------+--------+----------------------------------------------------------------+
      | BACKUP                             | AGE  | REVISION | SIZE  | ETCD   | VERIFIED                                                       |
      +------------------------------------+------+----------+-------+--------+----------------------------------------------------------------+
      | etcd_orders_20260801T060000Z_r6.db | 43 h | 6        | 1 KiB | ?      | no: it has no manifest                                         |
      | etcd_orders_20260801T050000Z_r5.db | 44 h | 5        | 1 KiB | ?      | no: its manifest is that of etcd_orders_20260801T010000Z_r1.db |
      | etcd_orders_20260801T040000Z_r4.db | 45 h | 4        | 1 KiB | ?      | no: it is no JSON: this is no manifest of a backup             |
      | etcd_orders_20260801T030000Z_r3.db | 46 h | 3        | 1 KiB | 3.5.16 | no                                                             |
      | etcd_orders_20260801T020000Z_r2.db | 47 h | 2        | 1 KiB | ?      | no: it has 4 bytes, not 5                                      |
      | etcd_orders_20260801T010000Z_r1.db | 2 d  | 1        | 1 KiB | 3.5.16 | yes, restored                                                  |
      +------------------------------------+------+----------+-------+--------+----------------------------------------------------------------+"
    `);
    expect(await findBackups(join(folder, 'nothing'))).toEqual([]);
    expect(readFileSync(join(folder, 'notes.txt'), 'utf8')).toBe('x');
  });

  it.each([
    [5_000, '5 s'],
    [119_000, '119 s'],
    [121_000, '2 min'],
    [3 * 3_600_000, '3 h'],
    [49 * 3_600_000, '2 d'],
    [-5, '0 s'],
    [-49 * 3_600_000, 'in 2 d'],
  ])('are %i ms old: %s', (ms, words) => {
    expect(age(ms)).toBe(words);
  });
});
