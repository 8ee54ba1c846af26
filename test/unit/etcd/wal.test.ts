import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crc32c } from '../../../src/etcd/crc32c.ts';
import { type LogFacts, LogReader } from '../../../src/etcd/wal.ts';
import { realSnapshot } from './backup/real-etcd.ts';

const VERSIONS = ['3.3.25', '3.4.23', '3.5.16'];
const PUTS = 30;
let folder: string;
const logs = new Map<string, { name: string; bytes: Buffer }>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wal-'));
  const puts = Array.from({ length: PUTS }, (_, n) => `put key-${n} ${'v'.repeat(n * 40)}`);
  for (const version of VERSIONS) {
    const { database } = await realSnapshot(version, join(folder, version), puts);
    const dir = join(database, '..', '..', 'wal');
    const name = readdirSync(dir)
      .filter((one) => one.endsWith('.wal'))
      .sort()
      .at(-1)!;
    logs.set(version, { name, bytes: readFileSync(join(dir, name)) });
  }
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(name: string, bytes: Buffer, size = bytes.length): LogFacts {
  const reader = new LogReader(name);
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
  return reader.facts;
}
/** How far it is written: the rest was made beforehand. */
const written = (bytes: Buffer) => bytes.findLastIndex((byte) => byte !== 0) + 1;

describe.each(VERSIONS)('the log of a member of etcd %s', (version) => {
  it('tells who it is, and how far it has come', () => {
    const { name, bytes } = logs.get(version)!;
    const facts = read(name, bytes);
    expect(facts.fault).toBeUndefined();
    expect(facts.memberId).toMatch(/^[0-9a-f]{8,16}$/);
    expect(facts.clusterId).toMatch(/^[0-9a-f]{8,16}$/);
    expect(facts.term).toBe(2n);
    // Beside the puts: the member itself, its first election, its attributes, the version of the cluster.
    expect(facts.index).toBeGreaterThanOrEqual(BigInt(PUTS + 3));
    expect(facts.committed).toBe(facts.index);
  });

  it('is read in pieces of any size', () => {
    const { name, bytes } = logs.get(version)!;
    const begin = bytes.subarray(0, written(bytes) + 64);
    for (const size of [1, 7, 8, 512, 100_000]) expect(read(name, begin, size)).toEqual(read(name, bytes));
  });

  it('is damaged where a byte in the middle was flipped', () => {
    const { name, bytes } = logs.get(version)!;
    const bad = Buffer.from(bytes);
    bad[written(bytes) >> 1]! ^= 0x01;
    expect(read(name, bad).fault).toMatch(/^its log is damaged at byte \d+ of its newest file$/);
  });

  it('has lost nothing but its last records where its end was never written', () => {
    const { name, bytes } = logs.get(version)!;
    const end = written(bytes);
    for (const cut of [5, 40, 600]) {
      const facts = read(name, Buffer.concat([bytes.subarray(0, end - cut), Buffer.alloc(4096)]));
      expect(facts.index, `${cut}`).toBeGreaterThan(0n);
      expect(facts.index, `${cut}`).toBeLessThanOrEqual(read(name, bytes).index);
      expect(read(name, bytes.subarray(0, end - cut)).fault, `${cut}`).toBeUndefined();
    }
  });
});

/** What etcd makes a log with: a sum, who it is, and a snapshot of nothing. */
function asMade(bytes: Buffer): Buffer {
  let end = 0;
  for (let record = 0; record < 3; record++) {
    const high = bytes.readUInt8(end + 7);
    end += 8 + bytes.readUIntLE(end, 6) + (high & 0x80 ? high & 0x07 : 0);
  }
  return bytes.subarray(0, end);
}

describe.each(VERSIONS)('a log of etcd %s without a record', (version) => {
  const isBlank = (bytes: Buffer) => {
    const reader = new LogReader(logs.get(version)!.name);
    reader.push(bytes);
    return reader.isBlank;
  };

  it('is told from one that has a record, by its first 512 bytes', () => {
    const { bytes } = logs.get(version)!;
    const made = asMade(bytes);
    expect(isBlank(Buffer.concat([made, Buffer.alloc(512 - made.length)]))).toBe(true);
    expect(isBlank(bytes.subarray(0, 512))).toBe(false);
    expect(isBlank(bytes)).toBe(false);
  });

  it('is none where it cannot be read to its end, or is damaged', () => {
    const made = asMade(logs.get(version)!.bytes);
    expect(isBlank(made)).toBe(false);
    expect(isBlank(Buffer.alloc(512))).toBe(false);
    expect(isBlank(Buffer.alloc(0))).toBe(false);
    const bad = Buffer.concat([made, Buffer.alloc(64)]);
    bad[40]! ^= 0x01;
    expect(isBlank(bad)).toBe(false);
  });
});

it.each([
  ['0000000000000000-0000000000000000.wal', 0n],
  ['0000000000000003-00000000000000ff.wal', 254n],
])('a file that was just begun goes on behind the one before it: %s', (name, index) => {
  expect(read(name, Buffer.alloc(4096)).index).toBe(index);
});

it.each([
  ['123456789', 0xe3069283],
  ['', 0],
  ['\0'.repeat(32), 0x8a9136aa],
])('the sum of %j is as RFC 3720 has it', (text, sum) => {
  expect(crc32c(Buffer.from(text))).toBe(sum);
  expect(crc32c(Buffer.from(text.slice(4)), crc32c(Buffer.from(text.slice(0, 4))))).toBe(sum);
});
