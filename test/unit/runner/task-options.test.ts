import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assembleInventory } from '../../../src/inventory/assemble.ts';
import { parseIni } from '../../../src/inventory/parse-ini.ts';
import { file } from '../../../src/resource/file.ts';
import type { RunEvent } from '../../../src/runner/events.ts';
import { once, type Play, play, playbook, step, task } from '../../../src/runner/playbook.ts';
import { runPlaybook } from '../../../src/runner/run.ts';
import { serialGroups } from '../../../src/runner/serial.ts';
import { chosen } from '../../../src/runner/tags.ts';
import { runHere } from './run-here.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'options-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs plays on a, b and c, which are all this machine, and gives what was seen: `host task status`. */
async function run(plays: Play[], more: { check?: boolean; tags?: string[]; skipTags?: string[] } = {}) {
  const text = '[all:vars]\nansible_connection=local\n[web]\na\nb\nc\n';
  const events: RunEvent[] = [];
  const report = await runPlaybook({
    playbook: playbook({ name: 'test', description: '', hosts: 'web', become: false, lock: false, plays: () => plays }),
    inventory: assembleInventory([parseIni(text, 'hosts.ini')]),
    inventoryDir: folder,
    limit: undefined,
    check: more.check ?? false,
    diff: false,
    templateDirs: [],
    signal: new AbortController().signal,
    listener: (event) => events.push(event),
    choice: { tags: more.tags ?? [], skipTags: more.skipTags ?? [] },
  });
  const seen = events.flatMap((e) => (e.type === 'task-end' ? [`${e.host} ${e.task} ${e.status}`] : []));
  const said = events.flatMap((e) => (e.type === 'message' ? [e.text] : []));
  return { report, seen, said };
}

const changes = (name: string, notify?: string | string[]) =>
  step(name, () => ({ changed: true }), notify ? { notify } : {});
const mode = 0o644;

describe('when', () => {
  it('skips a task where it is not wanted, with the reason', async () => {
    const { seen } = await run([
      play('p', { tasks: [step('odd', () => undefined, { when: ({ host }) => host !== 'b' || 'not on b' })] }),
    ]);
    expect(seen.toSorted()).toEqual(['a odd ok', 'b odd skipped', 'c odd ok']);
  });

  it('may go by what an earlier resource task did, although both are resources', async () => {
    const path = join(folder, 'first');
    const tasks = [
      task('first', () => file({ path, content: 'x', mode })),
      task('second', () => file({ path: `${path}.2`, content: 'y', mode }), {
        when: ({ result }) => result('first')?.changed ?? false,
      }),
    ];
    const only = (plays: Play[]) => run(plays.map((one) => ({ ...one, hosts: ['a'] })));
    expect((await only([play('p', { tasks })])).seen).toEqual(['a first changed', 'a second changed']);
    expect((await only([play('p', { tasks })])).seen).toEqual(['a first ok', 'a second skipped']);
  });
});

describe('handlers', () => {
  it('run once at the end of the play, on the hosts where a task changed something', async () => {
    const plan = play('p', {
      tasks: [
        step('one', ({ host }) => ({ changed: host !== 'c' }), { notify: 'restart' }),
        changes('two'),
        step('three', ({ host }) => ({ changed: host === 'a' }), { notify: ['restart'] }),
      ],
      handlers: [step('restart', () => ({ changed: true }))],
    });
    const { seen } = await run([plan]);
    expect(seen.filter((line) => line.includes('restart')).toSorted()).toEqual([
      'a restart changed',
      'b restart changed',
    ]);
    expect(seen.findIndex((line) => line.includes('restart'))).toBeGreaterThan(
      seen.findLastIndex((l) => l.includes('three')),
    );
  });

  it('run on the other hosts when one has failed, and what is left undone is said', async () => {
    const fails = step('fails', ({ host }) => {
      if (host === 'b') throw new Error('no');
    });
    const plan = play('p', { tasks: [changes('one', 'restart'), fails], handlers: [changes('restart')] });
    const { seen, said, report } = await run([plan]);
    expect(report.exitCode).toBe(2);
    expect(seen.filter((line) => line.includes('restart')).toSorted()).toEqual([
      'a restart changed',
      'c restart changed',
    ]);
    expect(said).toEqual(['b: not done, although notified: restart']);
  });

  it('may notify each other, in their order', async () => {
    const plan = play('p', {
      hosts: ['a'],
      tasks: [changes('one', 'first')],
      handlers: [changes('first', 'third'), changes('second'), changes('third', 'last'), step('last', () => undefined)],
    });
    expect((await run([plan])).seen).toEqual(['a one changed', 'a first changed', 'a third changed', 'a last ok']);
    expect((await run([plan], { check: true })).seen).toEqual(
      ['one', 'first', 'third', 'last'].map((name) => `a ${name} unknown`),
    );
  });

  it('that notify each other are left undone together where one fails', async () => {
    const fails = step('fails', () => {
      throw new Error('no');
    });
    const plan = play('p', {
      hosts: ['a'],
      tasks: [changes('one', ['first', 'fails', 'last'])],
      handlers: [changes('first', 'then'), fails, changes('then'), changes('last'), changes('never')],
    });
    expect((await run([plan])).said).toEqual(['a: not done, although notified: then, last']);
  });

  it.each<[string, string, Play['handlers']]>([
    ['before it', "Put 'first' behind it", [changes('first'), changes('second', 'first')]],
    ['itself', 'It cannot notify itself', [changes('first', 'first')]],
    ['nobody', 'handlers are: first', [changes('first', 'elsewhere')]],
  ])('cannot notify %s: it is refused before anything is done', async (_, next, handlers) => {
    const { report, seen } = await run([play('p', { tasks: [changes('one')], handlers: handlers! })]);
    expect(seen).toEqual([]);
    expect(report.errors[0]?.next).toContain(next);
    expect(report.errors[0]?.file).toContain('task-options.test');
  });

  it('must exist: a name that nobody answers to is an error, not silence', async () => {
    const { report } = await run([play('p', { tasks: [changes('one', 'restrat')], handlers: [changes('restart')] })]);
    expect(report.errors[0]?.message).toContain("notifies 'restrat'");
    expect(report.errors[0]?.next).toContain('restart');
  });
});

describe('retries', () => {
  it('try again until the step does not throw', async () => {
    let tries = 0;
    const flaky = step(
      'flaky',
      () => {
        if (++tries < 3) throw new Error('not yet');
      },
      { retries: { times: 5, delayMs: 1 } },
    );
    const { seen } = await run([play('p', { hosts: ['a'], tasks: [flaky] })]);
    expect(seen).toEqual(['a flaky ok']);
    expect(tries).toBe(3);
  });

  it('end with an error that says how often it was tried', async () => {
    const never = step('never', () => ({ value: 1 }), { retries: { times: 2, delayMs: 1, until: () => false } });
    const { report } = await run([play('p', { hosts: ['a'], tasks: [never] })]);
    expect(report.errors[0]?.message).toBe('not as wanted after 3 tries');
  });
});

describe('serial', () => {
  it.each([
    [undefined, [['a', 'b', 'c', 'd', 'e']]],
    [2, [['a', 'b'], ['c', 'd'], ['e']]],
    ['40%', [['a', 'b'], ['c', 'd'], ['e']]],
    ['1%', [['a'], ['b'], ['c'], ['d'], ['e']]],
    [
      [1, '50%'],
      [['a'], ['b', 'c'], ['d', 'e']],
    ],
    [
      [1, 10],
      [['a'], ['b', 'c', 'd', 'e']],
    ],
  ] as const)('%j makes the groups %j', (serial, groups) => {
    expect(serialGroups(['a', 'b', 'c', 'd', 'e'], serial)).toEqual(groups);
  });

  it.each([0, -1, 1.5, 'x%'])('of %s is refused', (serial) => {
    expect(() => serialGroups(['a'], serial as number)).toThrow('serial is');
  });

  it('finishes one group before the next, and does not begin the next after a failure', async () => {
    const plan = (fail: string) =>
      play('p', {
        serial: 1,
        tasks: [
          step('one', ({ host }) => {
            if (host === fail) throw new Error('no');
          }),
          step('two', () => undefined),
        ],
      });
    expect((await run([plan('')])).seen).toEqual([
      'a one ok',
      'a two ok',
      'b one ok',
      'b two ok',
      'c one ok',
      'c two ok',
    ]);
    expect((await run([plan('b')])).seen).toEqual(['a one ok', 'a two ok', 'b one failed']);
  });
});

describe('delegation', () => {
  it('uses the connection of another host, and reports for its own', async () => {
    const where = step('where', async ({ connect }) => ({ summary: (await connect()).host }), {
      delegateTo: () => 'c',
    });
    const hosts: string[] = [];
    const ask = step('ask', async ({ connect }) => void hosts.push((await connect()).host), { delegateTo: () => 'c' });
    const { seen } = await run([play('p', { hosts: ['a', 'b'], tasks: [where, ask] })]);
    expect(seen.toSorted()).toEqual(['a ask ok', 'a where ok', 'b ask ok', 'b where ok']);
    expect(hosts).toEqual(['c', 'c']);
  });

  it('to localhost is to this machine, also where the inventory does not name it', async () => {
    const inventoryText = '[web]\nfar ansible_host=192.0.2.1\n';
    const here = step('here', async ({ connect }) => void (await (await connect()).run(':')), {
      delegateTo: () => 'localhost',
    });
    const { ended } = await runHere([play('p', { tasks: [here] })], { inventoryText });
    expect(ended).toEqual(['far here ok']);
  });
});

describe('tags', () => {
  const tasks = [
    step('plain', () => undefined),
    step('conf', () => undefined, { tags: ['conf'] }),
    step('always', () => undefined, { tags: ['always'] }),
    step('never', () => undefined, { tags: ['never', 'danger'] }),
    once('once', () => undefined, { tags: ['conf', 'slow'] }),
  ];
  it.each([
    [[], [], ['plain', 'conf', 'always', 'once']],
    [['conf'], [], ['conf', 'always', 'once']],
    [['conf'], ['slow'], ['conf', 'always']],
    [['danger'], [], ['always', 'never']],
    [['all'], [], ['plain', 'conf', 'always', 'once']],
    [['tagged'], [], ['conf', 'always', 'never', 'once']],
    [['untagged'], [], ['plain', 'always']],
    [[], ['conf'], ['plain', 'always']],
    [[], ['always'], ['plain', 'conf', 'once']],
  ])('%j without %j choose %j', (tags, skipTags, names) => {
    expect(chosen(tasks, [], { tags, skipTags }).map(({ name }) => name)).toEqual(names);
  });

  it('of a play hold for its tasks', async () => {
    const plays = [
      play('p', { tags: ['p'], tasks: [step('one', () => undefined)] }),
      play('q', { tasks: [step('two', () => undefined)] }),
    ];
    expect((await run(plays, { tags: ['p'] })).seen.toSorted()).toEqual(['a one ok', 'b one ok', 'c one ok']);
  });
});

describe('check mode', () => {
  it('runs no step that does something, and no handler either', async () => {
    const path = join(folder, 'checked');
    const plan = play('p', {
      hosts: ['a'],
      tasks: [task('conf', () => file({ path, content: 'x', mode }), { notify: 'restart' }), changes('act')],
      handlers: [changes('restart')],
    });
    const { seen } = await run([plan], { check: true });
    expect(seen).toEqual(['a conf would change', 'a act unknown', 'a restart unknown']);
    expect(() => readFileSync(path)).toThrow('ENOENT');
  });

  it.each<['run' | 'skip' | undefined, string]>([
    ['run', 'a act changed'],
    ['skip', 'a act skipped'],
    [undefined, 'a act unknown'],
  ])('goes by what a step says of itself: %s', async (check, ended) => {
    const act = step('act', () => ({ changed: true }), check ? { check } : {});
    const { seen } = await run([play('p', { hosts: ['a'], tasks: [act] })], { check: true });
    expect(seen).toEqual([ended.replace('changed', 'would change')]);
  });

  it('does not claim to know what depends on the unknown', async () => {
    const plan = play('p', {
      hosts: ['a'],
      tasks: [
        step('act', () => undefined, { notify: ['restart', 'tell'] }),
        step('only after', () => undefined, { when: ({ result }) => result('act')?.changed ?? false, check: 'run' }),
        task('file', () => undefined, { when: ({ result }) => result('act')?.changed ?? false }),
        step('for another reason', () => undefined, { when: () => 'no need' }),
        step('known', () => ({ changed: true }), { check: 'run', notify: 'tell' }),
      ],
      handlers: [changes('restart'), changes('tell'), changes('never')],
    });
    const { seen } = await run([plan], { check: true });
    expect(seen).toEqual([
      'a act unknown',
      'a only after unknown',
      'a file unknown',
      'a for another reason skipped',
      'a known would change',
      'a restart unknown',
      'a tell unknown',
    ]);
    expect((await run([plan])).seen).toContain('a only after skipped');
  });
});
