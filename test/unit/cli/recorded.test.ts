import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PlayArguments } from '../../../src/cli/arguments.ts';
import { runPlay } from '../../../src/cli/play.ts';
import { readRuns } from '../../../src/screen/audit.ts';

const PLAYBOOK = `
import { play, playbook, step, variable } from 'etcd-play';
export default playbook({ name: 'site', description: '', hosts: 'all', become: false, lock: false,
  variables: { app_pin: variable.secret('A PIN.'), app_name: variable.text('A name.') },
  plays: () => [play('p', { tasks: [step('t', () => ({ changed: true }))] })] });
`;

let folder: string;
const argv = process.argv;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'recorded-'));
  writeFileSync(join(folder, 'site.ts'), PLAYBOOK);
  writeFileSync(join(folder, 'hosts'), 'here ansible_connection=local\n');
  vi.stubEnv('XDG_STATE_HOME', join(folder, 'state'));
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
});
afterEach(() => {
  process.argv = argv;
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

it.each([
  ['app_pin=1234567 app_name=web', 'app_pin=*** app_name=web'],
  ['{"app_pin": "1234567"}', '***'],
])('the record of a run holds no secret that the playbook declared: -e %s', async (given, kept) => {
  const [playbook, inventory] = [join(folder, 'site.ts'), join(folder, 'hosts')];
  process.argv = ['node', 'play', playbook, '-i', inventory, '-e', given];
  const lists = { inventory: [inventory], extraVars: [given], tags: [], skipTags: [], vaultPasswordFile: [] };
  const code = await runPlay({ playbook, output: 'lines', verbose: 0, ...lists } as unknown as PlayArguments);
  const runs = join(folder, 'state', 'etcd-play', 'runs');
  expect([code, readRuns(runs)[0]?.words]).toEqual([0, [playbook, '-i', inventory, '-e', kept]]);
  expect(
    readdirSync(runs)
      .map((name) => readFileSync(join(runs, name), 'utf8'))
      .join(),
  ).not.toContain('1234567');
});
