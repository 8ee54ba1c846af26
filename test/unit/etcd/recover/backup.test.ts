import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { backupChoice } from '../../../../src/etcd/recover/backup.ts';

const ours = (day: number) => `etcd_orders_2026080${day}T030000Z_r${day}00.db`;
const other = 'etcd_bills_20260809T030000Z_r9.db';
let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'choice-'));
  const sum = '0'.repeat(64);
  const write = (name: string, cluster: string, proof: object) => {
    writeFileSync(at(name), 'x'.repeat(64));
    const manifest = {
      format: 1,
      cluster: { name: cluster, id: 'abc' },
      takenAt: '2026-08-01T03:00:00.000Z',
      takenOn: 'here',
      revision: '100',
      from: { host: 'h1', name: 'etcd-h1', id: '1', version: '3.5.16', raftTerm: '2', raftIndex: '9' },
      members: [],
      versions: {},
      snapshot: { sizeBytes: 4096, sha256: sum },
      file: { name, sizeBytes: 64, sha256: sum, compression: 'none', encryption: 'none' },
      proof: { trailer: true, agree: [], at: '', ...proof },
    };
    writeFileSync(at(`${name}.json`), JSON.stringify(manifest));
  };
  const proven = { database: { tool: 'etcdutl', hash: '1', revision: '100', keys: 1 } };
  write(ours(1), 'orders', proven);
  write(ours(2), 'orders', proven);
  write(ours(3), 'orders', {});
  write(other, 'bills', proven);
  writeFileSync(at('copy.db'), 'x'.repeat(10));
  symlinkSync(ours(2), at('etcd_snapshot.db'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each<[string, string | undefined, object]>([
  [
    'the newest verified one of the cluster',
    undefined,
    { file: ours(2), revision: 200n, sizeBytes: 4096, clusterId: 'abc', isNamed: false },
  ],
  ['the one that is named', ours(1), { file: ours(1), revision: 100n, isNamed: true }],
  [
    'a link to one',
    'etcd_snapshot.db',
    { file: 'etcd_snapshot.db', name: ours(2), revision: 200n, sizeBytes: 4096, isNamed: true },
  ],
  [
    'a file that says nothing of itself',
    'copy.db',
    { file: 'copy.db', revision: undefined, sizeBytes: 10, isNamed: true },
  ],
])('a backup to go on with: %s', async (_, named, wanted) => {
  const found = await backupChoice(folder, named && at(named), 'orders');
  expect({ ...found, file: found?.file.replace(`${folder}/`, '') }).toMatchObject(wanted);
});

it('is none where there is none, and an error where a named one is missing', async () => {
  expect(await backupChoice(folder, undefined, 'letters')).toBeUndefined();
  expect(await backupChoice(at('nowhere'), undefined, 'orders')).toBeUndefined();
  await expect(backupChoice(folder, at('nothing.db'), 'orders')).rejects.toThrow('there is no backup');
});
