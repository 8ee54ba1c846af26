import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemUser } from '../../../src/resource/account.ts';
import { blockInFile } from '../../../src/resource/block-in-file.ts';
import { command } from '../../../src/resource/command.ts';
import { copy } from '../../../src/resource/copy.ts';
import { copyTree } from '../../../src/resource/copy-tree.ts';
import { directory } from '../../../src/resource/directory.ts';
import { file } from '../../../src/resource/file.ts';
import { group } from '../../../src/resource/group.ts';
import { link } from '../../../src/resource/link.ts';
import type { Resource } from '../../../src/resource/resource.ts';
import { script } from '../../../src/resource/script.ts';
import { user } from '../../../src/resource/user.ts';
import { type HostContext, play, step, task } from '../../../src/runner/playbook.ts';
import { runHere } from './run-here.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'needs-'));
  mkdirSync(join(folder, 'real'));
  symlinkSync('real', join(folder, 'linked'));
  mkdirSync(join(folder, 'tree/below'), { recursive: true });
  for (const name of ['plain', 'tree/below/file']) writeFileSync(join(folder, name), 'x');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const at = (path: string) => join(folder, path);
const mode = 0o644;
const fileAt = (path: string, owner?: string) => file({ path: at(path), content: 'x', mode, ...(owner && { owner }) });
const madeAt = (path: string, owner?: string) => directory({ path: at(path), mode: 0o755, ...(owner && { owner }) });
const ghost = () => systemUser({ name: 'ghost-x', home: '/nonexistent', comment: '' });

/** How each resource, a task of its own, ends in check mode, and how many round trips it took. */
async function checked(resources: readonly Resource[], before: readonly ReturnType<typeof step>[] = []) {
  let roundTrips = 0;
  const count = step(
    'count',
    async ({ connect }: HostContext) => {
      roundTrips = (await connect()).roundTrips;
    },
    { check: 'run' },
  );
  const tasks = [...before, ...resources.map((one, index) => task(`t${index}`, () => one)), count];
  const { events } = await runHere([play('p', { hosts: ['a'], tasks })], { check: true });
  const told = events.flatMap((event) =>
    event.type === 'task-end' && /^t\d/.test(event.task) ? [{ status: event.status, summary: event.summary }] : [],
  );
  return { told, roundTrips };
}

describe('check mode', () => {
  it.each<[string, () => Resource, string]>([
    ['a file without its directory', () => fileAt('no/deep/file'), 'directory no/deep'],
    ['a file in a file', () => fileAt('plain/file'), 'directory plain'],
    ['a file of nobody', () => fileAt('f', 'ghost-x'), 'user ghost-x, no group ghost-x'],
    ['a file of no group', () => file({ path: at('f'), content: '', mode, group: 'ghost-x' }), 'group ghost-x'],
    ['a directory of nobody', () => madeAt('d', 'ghost-x'), 'user ghost-x, no group ghost-x'],
    ['a copy', () => copy({ source: at('plain'), path: at('no/copy'), mode }), 'directory no'],
    [
      'a tree of nobody',
      () => copyTree({ source: at('tree'), path: at('t'), mode, owner: 'ghost-x', group: 'root' }),
      'user ghost-x',
    ],
    ['a link', () => link({ path: at('no/link'), target: '/' }), 'directory no'],
    [
      'a block of a new file',
      () => blockInFile({ path: at('no/file'), name: 'b', lines: ['x'], create: { mode } }),
      'directory no',
    ],
    ['a user of no group', () => user({ name: 'new-x', group: 'ghost-x' }), 'group ghost-x'],
    ['a user in no group', () => user({ name: 'new-x', groups: ['root', 'ghost-x'] }), 'group ghost-x'],
    ['a command of nobody', () => command({ argv: ['x'], creates: '/no-x', user: 'ghost-x' }), 'user ghost-x'],
    ['a script that runs nowhere', () => script({ text: 'x', creates: '/no-x', cwd: at('no') }), 'directory no'],
  ])('says of %s that it is unknown, and why', async (_, resource, missing) => {
    const { told } = await checked([resource()]);
    expect(told).toEqual([{ status: 'unknown', summary: expect.any(String) }]);
    const words = missing.replace(/directory (.*)/, (_all, path: string) => `directory ${at(path)}`);
    expect(told[0]!.summary).toMatch(new RegExp(`, but there is no ${words} yet$`));
  });

  it.each<[string, () => Resource[]]>([
    ['a directory', () => [madeAt('n1'), fileAt('n1/f')]],
    ['a directory below it', () => [madeAt('n2/below'), fileAt('n2/f')]],
    ['a tree', () => [copyTree({ source: at('tree'), path: at('n3'), mode }), fileAt('n3/below/f')]],
    ['a user', () => [ghost(), fileAt('n4', 'ghost-x'), user({ name: 'new-x', groups: ['ghost-x'] })]],
    ['a user with a group of its name', () => [user({ name: 'ghost-x' }), fileAt('n5', 'ghost-x')]],
    ['a group', () => [group({ name: 'ghost-x' }), user({ name: 'new-x', group: 'ghost-x' })]],
    ['no change, since it is there', () => [fileAt('real/f'), fileAt('linked/f'), fileAt('real/g', 'daemon')]],
  ])('knows what is made before it by %s', async (_, resources) => {
    const { told } = await checked(resources());
    expect(told.map(({ status }) => status)).toEqual(told.map(() => 'would change'));
  });

  it('takes nothing for made that is unknown itself, is somewhere else, or is made after it', async () => {
    const { told } = await checked([madeAt('m', 'ghost-x'), fileAt('m/f'), fileAt('mm/f'), madeAt('mm')]);
    expect(told.map(({ status }) => status)).toEqual(['unknown', 'unknown', 'unknown', 'would change']);
  });

  it('does not guess what a step that is not done might make', async () => {
    const { told } = await checked([fileAt('stepped/f')], [step('makes it', () => undefined)]);
    expect(told).toEqual([
      { status: 'unknown', summary: expect.stringContaining(`no directory ${at('stepped')} yet`) },
    ]);
  });

  it('says so of what is wanted only where it is due, and needs no look of its own for it', async () => {
    writeFileSync(at('there'), 'x', { mode });
    const { told, roundTrips } = await checked([
      fileAt('there'),
      user({ name: 'root', groups: ['root'] }),
      user({ name: 'ghost-x', group: 'ghost-x', present: false }),
      fileAt('no/f', 'ghost-x'),
    ]);
    expect(told.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok', 'unknown']);
    // One to open the shell, one to look.
    expect(roundTrips).toBe(2);
  });
});
