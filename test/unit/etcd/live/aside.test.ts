import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Connection } from '../../../../src/connection/connection.ts';
import { freeTime } from '../../../../src/etcd/live/aside.ts';
import { localShell } from '../../connection/local-shell.ts';

const NOW = new Date('2026-11-21T10:59:59.900Z');
let folder = '';
let connection: Connection;
beforeAll(async () => {
  connection = await localShell();
});
afterAll(() => connection.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'a time-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const free = (...hosts: { dataDir: string; walDir?: string }[]) =>
  freeTime(
    hosts.map(({ dataDir, walDir }) => ({
      connection,
      settings: { dataDir: join(folder, dataDir), walDir: walDir && join(folder, walDir) },
    })),
    NOW,
  );
const lie = (...names: string[]) => {
  for (const name of names) mkdirSync(join(folder, name), { recursive: true });
};

it('is this second where it names nothing yet, and where nothing is there at all', async () => {
  expect(await free({ dataDir: 'data' })).toBe('20261121T105959Z');
  lie('data.bak-20261121T105958Z', 'data.bak-20261121T110000Z', 'other.bak-20261121T105959Z', 'data/member');
  expect(await free({ dataDir: 'data' })).toBe('20261121T105959Z');
});

it.each([
  'data.bak-20261121T105959Z',
  'data.aside-20261121T105959Z',
  '.data.restore-20261121T105959Z.db.etcd-play-new',
  'data/failed-20261121T105959Z',
  'data/.restore-20261121T105959Z.db',
  'wal.bak-20261121T105959Z',
])('is the next one where an earlier run has used it: %s', async (name) => {
  lie(name);
  expect(await free({ dataDir: 'data', walDir: 'wal' })).toBe('20261121T110000Z');
});

it('is free on all hosts', async () => {
  lie('data.bak-20261121T105959Z', 'more.restore-20261121T110000Z', 'more.restore-20261121T110002Z');
  expect(await free({ dataDir: 'data' }, { dataDir: 'more' })).toBe('20261121T110001Z');
});
