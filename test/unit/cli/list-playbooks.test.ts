import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { listPlaybooks } from '../../../src/cli/list.ts';

let folder: string;
const playbooks: Record<string, string> = {
  aaa: 'broken(',
  bbb: "throw new Error('no luck');",
  web: "export default { name: 'web', description: 'a web server', hosts: 'all', plays: () => [] };",
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'list-'));
  mkdirSync(join(folder, 'playbooks'));
  for (const [name, text] of Object.entries(playbooks)) writeFileSync(join(folder, 'playbooks', `${name}.mjs`), text);
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
  vi.spyOn(process, 'cwd').mockReturnValue(folder);
});
afterEach(() => vi.mocked(process.stdout.write).mockRestore());
afterAll(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

async function list(output: 'auto' | 'json') {
  let text = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((piece) => {
    text += piece;
    return true;
  });
  const error: unknown = await listPlaybooks({ output }).catch((thrown) => thrown);
  return { lines: text.trim().split('\n'), error };
}

it('a playbook that cannot be loaded stands in the list as such, beside all others, and is an error at the end', async () => {
  const { lines, error } = await list('auto');
  expect(lines.find((line) => line.startsWith('aaa'))).toMatch(/^aaa +cannot be loaded: /);
  expect(lines.find((line) => line.startsWith('bbb'))).toMatch(/^bbb +cannot be loaded: no luck/);
  expect(lines.find((line) => line.startsWith('web'))).toMatch(/^web +a web server$/);
  expect(error).toMatchObject({ exitCode: 1, errors: [{}, { message: 'no luck' }] });
});

it('so it does for programs', async () => {
  const { lines } = await list('json');
  const listed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(listed).toContainEqual({ type: 'playbook', name: 'bbb', error: 'no luck' });
  expect(listed).toContainEqual({ type: 'playbook', name: 'web', description: 'a web server' });
});
