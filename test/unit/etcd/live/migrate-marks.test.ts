import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../../../src/connection/connection.ts';
import { lookForMarks } from '../../../../src/etcd/live/migrate-marks.ts';
import { markText } from '../../../../src/etcd/restore/mark.ts';
import type { EtcdSettings } from '../../../../src/etcd/variables.ts';
import { localShell } from '../../connection/local-shell.ts';

const S = '20261121T101500Z';
const MARK = markText({ stamp: S, members: 3, revision: 9n, file: 'etcd-v2_x.jsonl' });
const NAME = 'member/restored-from-backup';
let shell: Connection;
let folder = '';
beforeAll(async () => {
  shell = await localShell();
});
afterAll(() => {
  shell.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  folder = mkdtempSync(join(tmpdir(), 'some marks-'));
});

/** Puts a mark, or anything else, at these paths. */
async function lookAt(paths: readonly string[], walDir?: string) {
  for (const path of paths.map((one) => join(folder, one))) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, path.endsWith(NAME) ? `${MARK}\n` : '');
  }
  const settings = { dataDir: join(folder, 'data'), ...(walDir && { walDir: join(folder, walDir) }) } as EtcdSettings;
  const { inPlace, beside } = await lookForMarks(shell, settings);
  for (const mark of [inPlace, beside]) expect([undefined, S]).toContain(mark?.stamp);
  return [...(inPlace ? ['in place'] : []), ...(beside ? ['beside'] : [])].join(', ');
}

describe('what an earlier run has left', () => {
  it.each<[string, string[], string | undefined, string]>([
    ['nothing', ['data/member/wal/0.wal'], undefined, ''],
    ['data in place', [`data/${NAME}`, 'data/member/wal/0.wal'], undefined, 'in place'],
    ['data and log in place', [`data/${NAME}`, 'fast/wal/0.wal'], 'fast/wal', 'in place'],
    ['data in place, and no log yet', [`data/${NAME}`, `fast/wal.restore-${S}/0.wal`], 'fast/wal', 'beside'],
    ['data beside', [`data.restore-${S}/${NAME}`, 'data/member/wal/0.wal'], undefined, 'beside'],
    ['data beside, within', [`data/restore-${S}/${NAME}`, 'data/member/wal/0.wal'], undefined, 'beside'],
    ['data that went back', [`data.failed-${S}/${NAME}`, 'data/member/wal/0.wal'], undefined, ''],
    ['data on their way back', [`data.failed-${S}/${NAME}`, `data.bak-${S}/member/snap/db`], undefined, 'beside'],
    ['the same, within', [`data/failed-${S}/${NAME}`, `data/bak-${S}/member/snap/db`], undefined, 'beside'],
    [
      'data that went back, and no log yet',
      [`data.failed-${S}/${NAME}`, 'data/member/snap/db', `fast/wal.bak-${S}/0.wal`],
      'fast/wal',
      'beside',
    ],
  ])('%s', async (_, paths, walDir, found) => {
    expect(await lookAt(paths, walDir)).toBe(found);
  });
});
