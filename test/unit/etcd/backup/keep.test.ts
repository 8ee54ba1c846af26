import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findBackups } from '../../../../src/etcd/backup/catalogue.ts';
import { copyBackup, keepFile, linkLatest, removeExpired } from '../../../../src/etcd/backup/keep.ts';
import { makeWorkFolder } from '../../../../src/etcd/backup/work-folder.ts';
import { backupChoice } from '../../../../src/etcd/recover/backup.ts';
import { identityOf, identityText } from '../../../../src/local/process-identity.ts';
import { type Made, madeIn, sumOf } from './made.ts';

/** Some file systems know no second name of a file; and what another run does just before a file gets its name. */
const disk = vi.hoisted(() => ({ knowsLinks: true, beforeRename: async (_to: string) => {} }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const refusal = Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' });
  return {
    ...real,
    link: (...of: [string, string]) => (disk.knowsLinks ? real.link(...of) : Promise.reject(refusal)),
    rename: async (from: string, to: string) => {
      await disk.beforeRename(to);
      await real.rename(from, to);
    },
  };
});

const { signal } = new AbortController();
let folder: string;
let work: string;
beforeEach(() => {
  Object.assign(disk, { knowsLinks: true, beforeRename: async () => {} });
  folder = mkdtempSync(join(tmpdir(), 'keep-'));
  work = join(folder, '.work');
  mkdirSync(work);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function kept(made: Made, into = folder): Promise<string> {
  const { file, manifest, v2 } = madeIn(work, made);
  return basename((await keepFile(file, into, manifest, v2)).path);
}

describe('the backup that was made last is the newest', () => {
  const DAY = '2026-08-01T';
  it.each<[string, Made[]]>([
    ['in the order of time', [{ at: `${DAY}10:00:00Z` }, { at: `${DAY}11:00:00Z`, revision: 6 }]],
    ['with the clock set back an hour', [{ at: `${DAY}10:00:00Z` }, { at: `${DAY}09:00:00Z`, revision: 6 }]],
    [
      'with a clock that was ahead for days',
      [{ at: '2026-08-11T10:00:00Z' }, { at: `${DAY}11:00:00Z`, revision: 6 }, { at: `${DAY}12:00:00Z`, revision: 7 }],
    ],
    [
      'in the same second',
      [
        { at: `${DAY}10:00:00Z`, revision: 999 },
        { at: `${DAY}10:00:00Z`, revision: 1000 },
      ],
    ],
    [
      'of the same hosts made anew, which have the same ID',
      [
        { at: `${DAY}10:00:00Z`, revision: 5000 },
        { at: `${DAY}09:00:00Z`, revision: 3 },
      ],
    ],
    [
      'after a restore',
      [
        { at: `${DAY}10:00:00Z`, clusterId: 'def' },
        { at: `${DAY}09:00:00Z`, revision: 3 },
      ],
    ],
  ])('%s', async (_, all) => {
    for (const made of all) {
      const name = await kept(made);
      await linkLatest(folder, work);
      expect((await findBackups(folder))[0]?.name).toBe(name);
      expect(readlinkSync(join(folder, 'etcd_snapshot.db'))).toBe(name);
      expect((await backupChoice(folder, undefined, 'orders'))?.name).toBe(name);
    }
    const now = new Date(all.at(-1)!.at);
    for (const policy of [{ daily: 7 }, { last: 1 }]) await removeExpired(folder, 'abc', policy, now);
    expect((await findBackups(folder)).map(({ revision }) => Number(revision))).toEqual([all.at(-1)!.revision ?? 5]);
  });

  it('in a second folder too, where other machines keep theirs', async () => {
    const away = join(folder, 'away');
    mkdirSync(away);
    await kept({ at: '2026-08-11T10:00:00Z' }, away);
    const { file, manifest } = madeIn(work, { at: '2026-08-01T10:00:00Z', revision: 6 });
    const { path } = await keepFile(file, folder, manifest);
    const copy = await copyBackup(path, work, away, manifest, signal);
    expect((await findBackups(away))[0]?.path).toBe(copy.path);
  });

  it('and the link leads to it, also where another run has kept it while the link was made', async () => {
    await kept({ at: '2026-08-01T10:00:00Z' });
    disk.beforeRename = async (to) => {
      if (!to.endsWith('etcd_snapshot.db')) return;
      disk.beforeRename = async () => {};
      const theirs = join(work, 'theirs');
      mkdirSync(theirs);
      await kept({ at: '2026-08-01T11:00:00Z', revision: 6 });
      await linkLatest(folder, theirs);
    };
    await linkLatest(folder, work);
    expect(readlinkSync(join(folder, 'etcd_snapshot.db'))).toBe('etcd_orders_20260801T110000Z_r6.db');
  });

  it('says in its manifest when it counts as taken, only where that is not its own time', async () => {
    await kept({ at: '2026-08-01T10:00:00Z' });
    await kept({ at: '2026-08-01T09:00:00Z', revision: 6 });
    const said = (await findBackups(folder)).map(({ manifest }) => [manifest?.takenAt, manifest?.rankedAt]);
    expect(said).toEqual([
      ['2026-08-01T09:00:00Z', '2026-08-01T10:00:00.001Z'],
      ['2026-08-01T10:00:00Z', undefined],
    ]);
  });

  it('does not count where that time is none', async () => {
    const name = await kept({ at: '2026-08-01T10:00:00Z' });
    const [found] = await findBackups(folder);
    writeFileSync(join(folder, `${name}.json`), JSON.stringify({ ...found!.manifest, rankedAt: 'soon' }));
    expect((await findBackups(folder))[0]).toMatchObject({ verified: 'no', fault: expect.stringContaining('no time') });
  });
});

/** What each backup holds, by its manifest's sum; a fault fails the test. */
async function contents(of = folder): Promise<string[]> {
  return (await findBackups(of)).map(({ path, manifest, fault }) => {
    expect(fault).toBe('');
    const text = readFileSync(path, 'utf8');
    expect(manifest!.file.sha256).toBe(sumOf(text));
    if (manifest!.v2) expect(manifest!.v2.sha256).toBe(sumOf(readFileSync(join(of, manifest!.v2.name), 'utf8')));
    return text;
  });
}

describe('backups of one second and revision', () => {
  const at = '2026-08-01T10:00:00.500Z';
  const letters = ['a', 'b', 'c', 'd'];

  it.each([
    ['', true],
    [', also where files have one name only', false],
  ])(
    'that several runs keep at once are all there, each with its own manifest and v2 data%s',
    async (_, knowsLinks) => {
      disk.knowsLinks = knowsLinks;
      const packed = ['none', 'gzip'] as const;
      const names = await Promise.all(
        letters.map((bytes, index) => kept({ at, bytes, v2: `v2 ${bytes}`, compression: packed[index % 2]! })),
      );
      expect(new Set(names).size).toBe(4);
      expect((await contents()).toSorted()).toEqual(letters);
      for (const { name, takenAt, manifest } of await findBackups(folder)) {
        const seconds = (Date.parse(manifest!.takenAt) - Date.parse(at)) / 1000;
        expect([0, 1, 2, 3], name).toContain(seconds);
        expect(takenAt.getTime() + 500).toBe(Date.parse(manifest!.takenAt));
      }
      expect(readdirSync(work)).toEqual([]);
    },
  );

  it('leave a file alone that has lost its manifest', async () => {
    const name = await kept({ at, bytes: 'first' });
    rmSync(join(folder, `${name}.json`));
    const other = await kept({ at, bytes: 'second' });
    expect([readFileSync(join(folder, name), 'utf8'), existsSync(join(folder, `${name}.json`))]).toEqual([
      'first',
      false,
    ]);
    expect(other).toBe('etcd_orders_20260801T100001Z_r5.db');
  });

  it('are copied as of the next second, where a second folder has another of that name', async () => {
    const away = join(folder, 'away');
    mkdirSync(away);
    await kept({ at, bytes: 'theirs' }, away);
    const { file, manifest } = madeIn(work, { at, bytes: 'ours' });
    const { path } = await keepFile(file, folder, manifest);
    await copyBackup(path, work, away, manifest, signal);
    expect(await contents(away)).toEqual(['ours', 'theirs']);
  });

  it('are there once, where the second folder is the first', async () => {
    const { file, manifest, v2 } = madeIn(work, { at, bytes: 'ours', v2: 'v2' });
    const made = await keepFile(file, folder, manifest, v2);
    expect(await copyBackup(made.path, work, folder, made.manifest, signal)).toEqual(made);
    expect(await contents()).toEqual(['ours']);
  });

  it('go without what the other has of the v2 API', async () => {
    await kept({ at, compression: 'gzip' });
    await kept({ at, v2: 'v2' });
    expect(await removeExpired(folder, 'abc', { last: 1 }, new Date(at))).toHaveLength(1);
    expect(await contents()).toEqual(['snap']);
  });
});

it('a copy of what another run has removed meanwhile says so', async () => {
  const { file, manifest } = madeIn(work, { at: '2026-08-01T10:00:00Z' });
  const { path } = await keepFile(file, folder, manifest);
  const away = join(folder, 'away');
  mkdirSync(away);
  rmSync(path);
  await expect(copyBackup(path, work, away, manifest, signal)).rejects.toThrow('another run has removed it');
});

it('a manifest without its backup is left to a run that may be at it, and goes when none is', async () => {
  const [lost, old] = [join(folder, 'etcd_orders_20260801T100000Z_r5.db.json'), new Date('2026-08-01T10:00:00Z')];
  writeFileSync(lost, '{}');
  utimesSync(lost, old, old);
  await makeWorkFolder(folder);
  const other = spawn('sleep', ['1000']);
  mkdirSync(join(folder, `.play-work~${identityText(identityOf(other.pid))}~0badcafe`));
  await removeExpired(folder, 'abc', {}, new Date());
  expect(existsSync(lost)).toBe(true);
  other.kill('SIGKILL');
  await once(other, 'close');
  await removeExpired(folder, 'abc', {}, new Date());
  expect(existsSync(lost)).toBe(false);
});
