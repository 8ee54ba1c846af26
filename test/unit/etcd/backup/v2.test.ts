import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBackups } from '../../../../src/etcd/backup/catalogue.ts';
import { copyBackup, keepFile, removeExpired } from '../../../../src/etcd/backup/keep.ts';
import type { Manifest } from '../../../../src/etcd/backup/manifest.ts';
import { v2NameBeside } from '../../../../src/etcd/backup/naming.ts';
import { type V2Node, v2Facts, v2Missing, v2Writes } from '../../../../src/etcd/backup/v2/keys.ts';
import { v2State, v2Tree } from '../../../../src/etcd/backup/v2/look.ts';
import { otherFacts } from '../../../../src/etcd/backup/v2/open.ts';
import { refuseV2 } from '../../../../src/etcd/plan/restore.ts';
import { servesV2 } from '../../../../src/etcd/restore/v2.ts';

const soon = '2026-11-21T16:00:00Z';
const dir = (key: string, nodes: V2Node[], expiration?: string): V2Node => ({
  key,
  dir: true,
  nodes,
  ...(expiration && { expiration }),
});
const root = (...nodes: V2Node[]) => dir('/', nodes);
const top: V2Node = { key: '/top', value: 'x' };
const tree = root(
  dir('/app', [{ key: '/app/a', value: 'one' }]),
  dir('/empty', []),
  { key: '/brief', value: 'y', expiration: soon },
  dir('/lease', [{ key: '/lease/k', value: 'z' }], soon),
  top,
);

describe('what the v2 API holds', () => {
  it('is counted, and compared by what lasts', () => {
    const facts = v2Facts(tree);
    expect(facts).toMatchObject({ keys: 4, expiring: 2 });
    const without = root(dir('/app', [{ key: '/app/a', value: 'one' }]), top);
    expect(v2Facts(without)).toEqual({ keys: 2, expiring: 0, sum: facts.sum });
    expect(v2Facts(root(top, dir('/app', [{ key: '/app/a', value: 'one' }]))).sum).toBe(facts.sum);
    expect(v2Facts(root(dir('/app', [{ key: '/app/a', value: 'two' }]), top)).sum).not.toBe(facts.sum);
    expect(v2Facts(root())).toMatchObject({ keys: 0, expiring: 0 });
  });

  it('is the same where keys that were made in order have other numbers, in the same order', () => {
    const queue = (...pairs: [number, string][]) =>
      v2Facts(
        root(
          dir(
            '/q',
            pairs.map(([at, value]) => ({ key: `/q/${String(at).padStart(20, '0')}`, value })),
          ),
        ),
      );
    const facts = queue([18, 'one'], [20, 'two']);
    expect(facts).toMatchObject({ keys: 2, inOrder: 2 });
    expect(queue([12, 'one'], [14, 'two'])).toEqual(facts);
    expect(queue([12, 'two'], [14, 'one']).sum).not.toBe(facts.sum);
    expect(queue([12, 'one']).sum).not.toBe(facts.sum);
  });

  it('is written anew with the directories that nothing else would make', () => {
    expect(v2Writes(tree).map(({ key, value, expiration }) => [key, value, expiration])).toEqual(
      [
        ['/app/a', 'one', undefined],
        ['/empty', undefined, undefined],
        ['/brief', 'y', soon],
        ['/lease', undefined, soon],
        ['/lease/k', 'z', undefined],
      ].concat([['/top', 'x', undefined]]),
    );
  });

  it('lacks nothing where what lasts is there', () => {
    expect(v2Missing(tree, root(top, { key: '/app/a', value: 'changed' }))).toEqual([]);
    expect(v2Missing(tree, root(top))).toEqual(['/app/a']);
  });

  it.each([
    ['nothing', 200, '{"action":"get","node":{"dir":true}}', 'empty'],
    ['a key', 200, '{"action":"get","node":{"dir":true,"nodes":[{"key":"/a","value":"b"}]}}', 'content'],
    ['behind a log-in', 401, '{"errorCode":110}', 'locked'],
    ['where it is not served', 404, '404 page not found', 'off'],
  ])('is told by an answer: %s', async (_, status, body, state) => {
    const get = async () => ({ status, body });
    expect(await v2State(get)).toBe(state);
    if (state === 'off') await expect(v2Tree(get)).rejects.toThrow('is not served');
    else expect((await v2Tree(get)) === undefined).toBe(state === 'locked');
  });

  it.each<[string, object, boolean]>([
    ['the same', {}, true],
    ['keys that went by themselves', { keys: 2 }, true],
    ['more keys', { keys: 5 }, false],
    ['other content', { sum: 'other' }, false],
  ])('is, started on trial later, %s', (_, change, isGood) => {
    const was = v2Facts(tree);
    expect(otherFacts({ ...was, ...change }, was) === undefined).toBe(isGood);
  });

  it.each([
    ['3.3.25', undefined, true],
    ['3.3.25', false, false],
    ['3.4.23', undefined, false],
    ['3.4.23', true, true],
    ['3.5.30', true, true],
    ['3.6.5', true, false],
  ])('is served by etcd %s, told %s: %s', (version, told, serves) => {
    expect(servesV2(version, told)).toBe(serves);
  });

  it.each([
    ['it is served', { keys: 3, isServed: true, isWanted: true }, '3.3.25', undefined],
    ['nobody wants it', { keys: 3, isServed: false, isWanted: false }, '3.6.5', undefined],
    [
      'it is not served',
      { keys: 1, isServed: false, isWanted: true },
      '3.4.23',
      /has 1 key of the v2 API.*unless it is told to/,
    ],
    ['there is no v2 any more', { keys: 3, isServed: false, isWanted: true }, '3.6.5', /etcd 3.6.5 has none/],
    ['users must log in', { keys: undefined, isServed: true, isWanted: true }, '3.3.25', /must log in/],
  ])('is put back, or not: %s', (_, sight, version, words) => {
    const [refusal] = refuseV2(sight, version);
    expect(refusal === undefined).toBe(words === undefined);
    if (words) expect(refusal!.reason).toMatch(words);
  });
});

describe('the file with it', () => {
  let folder: string;
  const sum = '0'.repeat(64);
  const { signal } = new AbortController();
  const nameOf = (day: number) => `etcd_orders_2026080${day}T030000Z_r${day}.db`;
  const manifestOf = (day: number): Manifest => {
    const name = nameOf(day);
    return {
      format: 1,
      cluster: { name: 'orders', id: 'abc' },
      takenAt: `2026-08-0${day}T03:00:00.000Z`,
      takenOn: 'here',
      revision: String(day),
      from: { host: 'h1', name: 'etcd-h1', id: '1', version: '3.3.25', raftTerm: '2', raftIndex: '9' },
      members: [],
      versions: {},
      snapshot: { sizeBytes: 4, sha256: sum },
      file: {
        name,
        sizeBytes: 4,
        sha256: sum,
        compression: 'none',
        encryption: 'none',
      },
      v2: { name: v2NameBeside(name)!, sizeBytes: 3, sha256: sum },
      proof: {
        trailer: true,
        database: { tool: 'etcdctl', hash: '1', revision: '1', keys: 1 },
        restored: undefined,
        agree: [],
        at: '',
      },
    };
  };
  const keep = async (day: number) => {
    const work = join(folder, '.work');
    mkdirSync(work, { recursive: true });
    writeFileSync(join(work, 'snapshot.db'), 'snap');
    writeFileSync(join(work, 'v2'), 'tar');
    await keepFile(join(work, 'snapshot.db'), folder, manifestOf(day), join(work, 'v2'));
    rmSync(work, { recursive: true });
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'v2-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('bears the name of its snapshot', () => {
    expect(v2NameBeside('etcd_or_ders_20260801T030000Z_r1.db.zst.age')).toBe(
      'etcd_or_ders_20260801T030000Z_r1.v2.tar.gz.age',
    );
    expect(v2NameBeside('etcd_snapshot.db')).toBeUndefined();
  });

  it('goes with its snapshot, and a backup without it does not count', async () => {
    for (const day of [1, 2, 3]) await keep(day);
    expect((await findBackups(folder)).map(({ verified }) => verified)).toEqual(['checked', 'checked', 'checked']);
    const removed = await removeExpired(folder, 'abc', { last: 1 }, new Date('2026-08-04T00:00:00Z'));
    expect(removed).toEqual([nameOf(1), nameOf(2)]);
    expect(readdirSync(folder).sort()).toEqual([nameOf(3), `${nameOf(3)}.json`, v2NameBeside(nameOf(3))!].sort());
    writeFileSync(join(folder, v2NameBeside(nameOf(3))!), 'other');
    expect((await findBackups(folder))[0]).toMatchObject({ verified: 'no', fault: 'its v2 data have 5 bytes, not 3' });
    rmSync(join(folder, v2NameBeside(nameOf(3))!));
    expect((await findBackups(folder))[0]).toMatchObject({
      verified: 'no',
      fault: expect.stringContaining('are not there'),
    });
  });

  it('is taken away where its snapshot never came, an hour later', async () => {
    const lost = join(folder, v2NameBeside(nameOf(5))!);
    writeFileSync(lost, 'tar');
    await removeExpired(folder, 'abc', {}, new Date());
    expect(existsSync(lost)).toBe(true);
    utimesSync(lost, 1, 1);
    await removeExpired(folder, 'abc', {}, new Date());
    expect(existsSync(lost)).toBe(false);
  });

  it('is no copy where it came over changed', async () => {
    await keep(4);
    const away = join(folder, 'away');
    mkdirSync(join(away, 'work'), { recursive: true });
    const path = join(folder, nameOf(4));
    await expect(copyBackup(path, join(away, 'work'), away, manifestOf(4), signal)).rejects.toThrow(
      'is not what was written',
    );
    expect(readdirSync(away)).toEqual(['work']);
  });
});
