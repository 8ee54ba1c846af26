import { describe, expect, it } from 'vitest';
import { dataParts, foldersOf } from '../../../src/etcd/data-parts.ts';
import { RestorePlaces } from '../../../src/etcd/restore/places.ts';
import { readClusterSettings } from '../../../src/etcd/variables.ts';
import { given } from './given.ts';

const S = '20261121T101500Z';
const D = '/var/lib/etcd';
const settings = (vars: Record<string, unknown>) =>
  readClusterSettings([{ host: 'h1', vars: given({ ansible_host: '10.0.0.1', ...vars }) }], '/inv').get('h1')!;

type Row = [string, boolean, Record<string, unknown>, [string, string][], string[], string[]];

/** Directories of a member: whether they stay, what is moved and where to, where it is restored, where old data are to be found. */
describe('what a restore moves', () => {
  it.each<Row>([
    ['a plain directory', false, {}, [[D, `${D}.bak-${S}`]], [`${D}.restore-${S}`], [`${D}.bak-${S}`]],
    ['a mount point', true, {}, [[`${D}/member`, `${D}/bak-${S}/member`]], [`${D}/restore-${S}`], [`${D}/bak-${S}`]],
    [
      'a plain directory, and the log on a disk of its own',
      false,
      { ETCD_WAL_DIR: '/fast' },
      [
        [D, `${D}.bak-${S}`],
        ['/fast/wal', `/fast/wal.bak-${S}`],
      ],
      [`${D}.restore-${S}`, `/fast/wal.restore-${S}`],
      [`${D}.bak-${S}`, `/fast/wal.bak-${S}`],
    ],
    [
      'a mount point, and the log on a disk of its own',
      true,
      { ETCD_WAL_DIR: '/fast' },
      [
        [`${D}/member`, `${D}/bak-${S}/member`],
        ['/fast/wal', `/fast/wal.bak-${S}`],
      ],
      [`${D}/restore-${S}`, `/fast/wal.restore-${S}`],
      [`${D}/bak-${S}`, `/fast/wal.bak-${S}`],
    ],
    [
      'a plain directory with the log inside',
      false,
      { ETCD_WAL_DIR: `${D}/logs/wal` },
      [[D, `${D}.bak-${S}`]],
      [`${D}.restore-${S}`, `${D}.restore-${S}/logs/wal`],
      [`${D}.bak-${S}`],
    ],
    [
      'a mount point with the log inside',
      true,
      { ETCD_WAL_DIR: `${D}/logs/wal` },
      [
        [`${D}/member`, `${D}/bak-${S}/member`],
        [`${D}/logs`, `${D}/bak-${S}/logs`],
      ],
      [`${D}/restore-${S}`, `${D}/restore-${S}/logs/wal`],
      [`${D}/bak-${S}`],
    ],
  ])('%s', (_, isMount, vars, moves, restored, aside) => {
    const places = new RestorePlaces(settings(vars), S, isMount);
    expect(places.pairs.map(({ now, kept }) => [now, kept])).toEqual(moves);
    expect([places.dataDir, ...(places.walDir === undefined ? [] : [places.walDir])]).toEqual(restored);
    expect(places.aside).toEqual(aside);
    expect(places.snapshot).toBe(`${restored[0]}.db`);
    for (const { now, fresh, failed, kept } of places.pairs) {
      expect(new Set([now, fresh, failed, kept]).size).toBe(4);
      // What is restored, kept and failed is on the disk of what is in place.
      const disk = isMount && now.startsWith(`${D}/`) ? `${D}/` : now;
      for (const path of [fresh, failed, kept]) expect(path.startsWith(disk)).toBe(true);
    }
    expect(foldersOf(dataParts(settings(vars), isMount), `bak-${S}`)).toEqual(aside);
  });
});
