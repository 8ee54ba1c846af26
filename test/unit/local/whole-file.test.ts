import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeMetrics } from '../../../src/etcd/backup/metrics.ts';
import { partName, writeWhole } from '../../../src/local/whole-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'whole-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('a file that is written whole has its text and mode, and nothing is left beside it', async () => {
  const file = join(folder, 'of', 'mine');
  await writeWhole(file, 'text', 0o640);
  expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual(['text', 0o640]);
  expect(readdirSync(join(folder, 'of'))).toEqual(['mine']);
  expect(partName(file)).not.toBe(partName(file));
});

it('a file that several write at once is that of one of them', async () => {
  const [file, figures] = [join(folder, 'state'), join(folder, 'backup.prom')];
  const texts = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(100_000));
  await Promise.all(texts.map((text) => writeWhole(file, text, 0o600)));
  expect(texts).toContain(readFileSync(file, 'utf8'));
  const said = { cluster: 'orders', finishedAt: new Date(), succeeded: true, verified: undefined };
  await Promise.all(texts.map(() => writeMetrics(figures, said)));
  expect(readFileSync(figures, 'utf8')).toContain('last_run_succeeded{cluster="orders"} 1');
  expect(readdirSync(folder).sort()).toEqual(['backup.prom', 'state']);
});

it('a file that cannot be written leaves nothing', async () => {
  const file = join(folder, 'state');
  await writeWhole(join(file, 'in the way'), '', 0o600);
  await expect(writeWhole(file, 'text', 0o600)).rejects.toThrow('EISDIR');
  expect([readdirSync(folder), existsSync(join(file, 'in the way'))]).toEqual([['state'], true]);
});
