import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findBackups } from '../../../../src/etcd/backup/catalogue.ts';
import { copyBackup, keepFile, linkLatest, removeExpired } from '../../../../src/etcd/backup/keep.ts';
import { backupChoice } from '../../../../src/etcd/recover/backup.ts';
import { type Made, madeIn } from './made.ts';

const { signal } = new AbortController();
let folder: string;
let work: string;
beforeEach(() => {
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
