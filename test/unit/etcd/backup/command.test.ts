import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runHere } from '../../../../src/etcd/backup/command.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'command-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('a program ends with the run, and is gone when that is said', async () => {
  const file = join(folder, 'pid');
  const run = new AbortController();
  const ended = runHere(
    'sh',
    ['-c', 'echo $$ >"$1.part" && mv "$1.part" "$1"; exec sleep 1000', 'sh', file],
    run.signal,
  );
  ended.catch(() => undefined);
  await expect.poll(() => existsSync(file)).toBe(true);
  const pid = readFileSync(file, 'utf8').trim();
  run.abort();
  await expect(ended).rejects.toThrow('the run was ended');
  expect(existsSync(`/proc/${pid}`)).toBe(false);
});

it('a program that is not there is named, also when the run has ended before', async () => {
  const none = join(folder, 'none');
  await expect(runHere(none, [], new AbortController().signal)).rejects.toThrow(`${none} cannot be run`);
  await expect(runHere(none, [], AbortSignal.abort())).rejects.toThrow('the run was ended');
  await expect(runHere('sleep', ['1000'], AbortSignal.abort())).rejects.toThrow('the run was ended');
});
