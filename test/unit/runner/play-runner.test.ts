import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UnreachableError } from '../../../src/errors.ts';
import { directory } from '../../../src/resource/directory.ts';
import { file } from '../../../src/resource/file.ts';
import { ProbeError, type Resource } from '../../../src/resource/resource.ts';
import { type HostContext, once, play, step, type Task, task } from '../../../src/runner/playbook.ts';
import { runHere } from './run-here.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'play-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const at = (...names: string[]) => join(folder, ...names);
const mode = 0o644;
/** A thing that is due always, and whose snippet is what is given. */
const does = (id: string, apply: string): Resource => ({
  kind: 'thing',
  id,
  compare: () => ({ summary: 'due', apply }),
});
const text = (name: string, content = 'x') =>
  task(name, ({ host }) => file({ path: at(`${host}-${name}`), content, mode }));
/** Runs tasks on one host, and gives the round trips that its connection has carried at the end too. */
async function onOne(tasks: readonly Task[], rest = {}) {
  let roundTrips = 0;
  const note = async ({ connect }: HostContext) => {
    roundTrips = (await connect()).roundTrips;
  };
  const count = step('count', note, { check: 'run' });
  const seen = await runHere([play('p', { hosts: ['a'], tasks: [...tasks, count] })], rest);
  return { ...seen, roundTrips };
}

describe('the tasks of a play', () => {
  it('are done in their order on each host', async () => {
    const order: string[] = [];
    const note = (name: string) => step(name, ({ host }) => void order.push(`${host}${name}`));
    await runHere([play('p', { tasks: [note('1'), note('2'), note('3')] })]);
    for (const host of ['a', 'b', 'c']) {
      expect(order.filter((one) => one.startsWith(host))).toEqual(['1', '2', '3'].map((n) => host + n));
    }
  });

  it('do not wait for other hosts, but where something is done once', async () => {
    const order: string[] = [];
    const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    await runHere([
      play('p', {
        tasks: [
          step('slow', async ({ host }) => {
            await wait(host === 'a' ? 60 : 0);
            order.push(`slow ${host}`);
          }),
          step('next', ({ host }) => void order.push(`next ${host}`)),
          once('together', () => void order.push('together')),
          step('last', ({ host }) => void order.push(`last ${host}`)),
        ],
      }),
    ]);
    expect(order.indexOf('next b')).toBeLessThan(order.indexOf('slow a'));
    expect(order.indexOf('together')).toBe(6);
    expect(order.slice(7).toSorted()).toEqual(['last a', 'last b', 'last c']);
  });

  it('that are done once are done once, also with no hosts', async () => {
    let times = 0;
    const tasks = [once('together', () => void times++)];
    const { ended } = await runHere([play('p', { tasks }), play('q', { hosts: [], tasks })]);
    expect([times, ended]).toEqual([2, ['control together ok', 'control together ok']]);
  });

  it('that say which state they want are ended by their own names, in their order', async () => {
    mkdirSync(at('states'));
    const tasks = [
      task('one', () => [
        file({ path: at('states/1'), content: 'x', mode }),
        file({ path: at('states/2'), content: 'x', mode }),
      ]),
      task('none', () => undefined),
      task('empty', () => []),
      task('two', () => directory({ path: at('states'), mode: 0o755 })),
    ];
    const first = await onOne(tasks);
    expect(first.ended).toEqual(['a one changed', 'a none skipped', 'a empty skipped', 'a two ok', 'a count ok']);
    expect(first.events).toContainEqual(
      expect.objectContaining({ task: 'one', summary: `${at('states/1')}: new file; ${at('states/2')}: new file` }),
    );
    expect((await onOne(tasks)).ended).toEqual([
      'a one ok',
      'a none skipped',
      'a empty skipped',
      'a two ok',
      'a count ok',
    ]);
  });
});

describe('round trips', () => {
  const many = (count: number) => Array.from({ length: count }, (_, n) => text(`many-${n}`));

  it('of a converged play do not grow with its tasks', async () => {
    await onOne(many(60));
    const few = await onOne(many(2));
    const all = await onOne(many(60));
    // One to open the shell, one to look.
    expect([few.roundTrips, all.roundTrips]).toEqual([2, 2]);
  });

  it('of a play in which much is due are one more', async () => {
    expect((await onOne(Array.from({ length: 60 }, (_, n) => text(`due-${n}`)))).roundTrips).toBe(3);
  });

  it('are parted by tasks that do something', async () => {
    const nothing = step('nothing', () => undefined);
    expect((await onOne([text('parted-1'), nothing, text('parted-2')])).roundTrips).toBe(5);
    expect((await onOne([text('parted-1'), nothing, text('parted-2')])).roundTrips).toBe(3);
  });

  it('for differences are made only where they are to be shown', async () => {
    writeFileSync(at('a-shown'), 'before\n');
    const shown = await onOne([text('shown', 'after\n')], { diff: true, check: true });
    const diff = { path: at('a-shown'), before: 'before\n', after: 'after\n' };
    expect(shown.events).toContainEqual(expect.objectContaining({ task: 'shown', diffs: [diff] }));
    expect(shown.roundTrips).toBe(3);
    const hidden = await onOne([text('shown', 'after\n')], { check: true });
    expect(hidden.events).toContainEqual(expect.objectContaining({ task: 'shown', diffs: [] }));
    expect(hidden.roundTrips).toBe(2);
  });
});

describe('check mode', () => {
  it('says what would change and changes nothing', async () => {
    mkdirSync(at('check'));
    const { ended, report } = await onOne(
      [
        task('file', () => file({ path: at('check/f'), content: 'x', mode })),
        task('snippet', () => does('s', `touch ${at('check/touched')}`)),
        task('sent', () => ({
          ...does('archive', `cat >${at('check/sent')}`),
          compare: () => ({ summary: '', apply: '', input: { sizeBytes: 1, open: () => Readable.from(['x']) } }),
        })),
        step('step', () => void writeFileSync(at('check/stepped'), '')),
        step('look', () => ({ summary: 'seen' }), { check: 'run' }),
        once('together', () => void writeFileSync(at('check/once'), '')),
      ],
      { check: true },
    );
    expect(readdirSync(at('check'))).toEqual([]);
    expect(ended).toEqual([
      'a file would change',
      'a snippet would change',
      'a sent would change',
      'a step unknown',
      'a look ok',
      'control together unknown',
      'a count ok',
    ]);
    expect(report).toMatchObject({ exitCode: 0 });
    expect(report.tallies.get('a')).toMatchObject({ changed: 3, unknown: 1 });
  });
});

describe('a failure', () => {
  const failing = (name: string, where = 'b') =>
    step(name, ({ host }) => {
      if (host === where) throw new Error('no');
    });
  const later = step('later', () => undefined);
  const slow = step('slow', ({ host }) => new Promise((resolve) => setTimeout(resolve, host === 'b' ? 0 : 40)));

  it('stops the other hosts at their next task, and the plays after it', async () => {
    const { ended } = await runHere([
      play('p', { tasks: [failing('first'), slow, later] }),
      play('q', { tasks: [later] }),
    ]);
    expect(ended).toContain('b first failed');
    expect(ended.join()).not.toContain('later');
  });

  it('is told to the tasks of other hosts that are under way, unless it is gathered', async () => {
    const waiting = step('waits', async ({ host, signal }) => {
      if (host === 'b') throw new Error('no');
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve());
        setTimeout(resolve, 200);
      });
      return { summary: signal.aborted ? 'told' : 'not told' };
    });
    const summaries = async (gather: boolean) =>
      (await runHere([play('p', { gather, tasks: [waiting] })])).events.flatMap((event) =>
        event.type === 'task-end' && event.status === 'ok' ? [event.summary] : [],
      );
    expect(new Set(await summaries(false))).toEqual(new Set(['told']));
    expect(new Set(await summaries(true))).toEqual(new Set(['not told']));
  });

  it('is gathered where all complaints are wanted: the others go on to the end of the play, and no further', async () => {
    const { ended } = await runHere([
      play('p', { gather: true, tasks: [failing('first'), later, failing('second', 'c')] }),
      play('q', { tasks: [step('never', () => undefined)] }),
    ]);
    expect(ended.filter((line) => line.includes('later')).toSorted()).toEqual(['a later ok', 'c later ok']);
    expect(ended).toContain('c second failed');
    expect(ended.join()).not.toContain('never');
  });

  it('is told in the order of the hosts, with host and task', async () => {
    const all = step('all', async ({ host }) => {
      await new Promise((resolve) => setTimeout(resolve, host === 'a' ? 20 : 0));
      throw new UnreachableError(`lost ${host}`);
    });
    const { report } = await runHere([play('p', { gather: true, tasks: [all] })]);
    expect(report.errors.map(({ host, task: name, message }) => [host, name, message])).toEqual(
      ['a', 'b', 'c'].map((host) => [host, 'all', `lost ${host}`]),
    );
    expect(report.exitCode).toBe(4);
  });

  it('on the control machine has no host, and stops all', async () => {
    const tasks = [
      once('decide', () => {
        throw new Error('no');
      }),
      later,
    ];
    const { report, ended } = await runHere([play('p', { tasks })]);
    expect(ended).toEqual(['control decide failed']);
    expect(report.errors[0]).toMatchObject({ host: undefined, task: 'decide', exitCode: 2 });
  });

  it('in a row of resources names the one that failed; what was done before it is told, what came after is not', async () => {
    const { ended, report } = await onOne([
      task('done', () => does('1', ':')),
      task('ok', () => directory({ path: '/', mode: 0o755, onlyCreate: true })),
      task('fails', () => [does('2', ':'), does('3', 'echo out of luck >&2; exit 5')]),
      task('after', () => does('4', ':')),
    ]);
    expect(ended).toEqual(['a done changed', 'a ok ok', 'a fails failed']);
    expect(report.tallies.get('a')).toMatchObject({ ok: 1, changed: 1, failed: 1 });
    expect(report.errors[0]).toMatchObject({ host: 'a', task: 'fails' });
    expect(report.errors[0]?.message).toBe('thing 3 failed with exit status 5: out of luck');
    expect(report.errors[0]?.next).toContain('run again');
  });

  describe('in a row of resources', () => {
    const ok = task('ok', () => directory({ path: '/', mode: 0o755, onlyCreate: true }));
    const due = task('due', () => does('1', ':'));
    const blind: Resource = {
      kind: 'thing',
      id: 'blind',
      compare: () => {
        throw new ProbeError('it cannot be seen');
      },
    };
    const fails = task('fails', () => does('2', 'exit 5'));
    const sees = task('sees', () => blind);
    const looksAgain = task('looks again', () => ({ ...does('3', ':'), follows: true }));
    it.each<[string, Task[], object, string[]]>([
      ['with nothing due before it', [ok, ok, fails, ok], {}, ['ok ok', 'ok ok', 'fails failed']],
      [
        'that looks again',
        [ok, due, looksAgain, fails],
        {},
        ['ok ok', 'due changed', 'looks again changed', 'fails failed'],
      ],
      ['before what looks again', [ok, fails, looksAgain], {}, ['ok ok', 'fails failed']],
      ['of a look, by which nothing is due yet', [ok, ok, sees, due], {}, ['ok ok', 'ok ok', 'sees failed']],
      ['of a look, when what was due is not done yet', [ok, due, ok, sees], {}, ['ok ok', 'sees failed']],
      ['of a look in check mode', [ok, sees, due], { check: true }, ['ok ok', 'sees failed']],
      [
        'with a task before it that wants nothing',
        [task('none', () => []), fails],
        {},
        ['none skipped', 'fails failed'],
      ],
    ])('%s has told all that was found and done before it, in order', async (_, tasks, rest, expected) => {
      const { ended, report } = await onOne(tasks, rest);
      expect(ended).toEqual(expected.map((line) => `a ${line}`));
      const counted = (status: string) => expected.filter((line) => line.endsWith(status)).length;
      expect(report.tallies.get('a')).toMatchObject({ ok: counted(' ok'), changed: counted('changed'), failed: 1 });
    });
  });

  it.each([
    ['No space left on device', 'Make room'],
    ['Read-only file system', 'read-only'],
  ])('that says %j gives the advice that fits', async (words, advice) => {
    const { report } = await onOne([task('t', () => does('x', `echo '${words}'; exit 1`))]);
    expect(report.errors[0]?.next).toContain(advice);
  });

  it('to look says that nothing was changed', async () => {
    mkdirSync(at('in-the-way'));
    const { report } = await onOne([task('t', () => file({ path: at('in-the-way'), content: 'x', mode }))]);
    expect(report.errors[0]?.message).toContain('is there but is no file (directory)');
    expect(report.errors[0]?.next).toContain('Nothing was changed there');
  });

  it('of the code that makes the resources is that of its task and host', async () => {
    const broken = task('broken', () => {
      throw new Error('oops');
    });
    const { report, ended } = await onOne([text('before-broken'), broken]);
    expect(ended).toEqual(['a broken failed']);
    expect(report.errors[0]).toMatchObject({ host: 'a', task: 'broken' });
    expect(existsSync(at('a-before-broken'))).toBe(false);
  });

  it('of the code that says whether a task is wanted is that of its task and host, and the others are waited for', async () => {
    const order: string[] = [];
    const { report, events } = await runHere([
      play('p', {
        gather: true,
        tasks: [
          step('when', () => undefined, {
            when: ({ host }) => {
              if (host === 'b') throw new Error('oops');
              return true;
            },
          }),
          step('slow', async ({ host }) => {
            await new Promise((resolve) => setTimeout(resolve, 20));
            order.push(host);
          }),
        ],
      }),
    ]);
    expect(report.errors.map(({ host, task: name }) => [host, name])).toEqual([['b', 'when']]);
    expect(order.toSorted()).toEqual(['a', 'c']);
    expect(events.map(({ type }) => type)).toContain('play-end');
  });

  it('of the connection is that of the first task that needs it', async () => {
    const inventoryText = '[web]\na ansible_host=127.0.0.1 ansible_port=1 ansible_password=x\n';
    const { report, ended } = await runHere([play('p', { tasks: [text('t'), text('u')] })], { inventoryText });
    expect(ended).toEqual(['a t unreachable']);
    expect(report).toMatchObject({ exitCode: 4 });
    expect(report.errors[0]).toMatchObject({ host: 'a', task: 't' });
    expect(report.tallies.get('a')).toMatchObject({ unreachable: 1, failed: 0 });
  });
});

describe('a run that is told to stop', () => {
  it('ends the tasks that are under way and begins no more', async () => {
    const controller = new AbortController();
    const finished: string[] = [];
    const { report, ended } = await runHere(
      [
        play('p', {
          tasks: [
            step('under way', async ({ host }) => {
              controller.abort();
              await new Promise((resolve) => setTimeout(resolve, 20));
              finished.push(host);
            }),
            step('never', () => undefined),
            once('never once', () => undefined),
          ],
        }),
        play('q', { tasks: [step('never', () => undefined)] }),
      ],
      { signal: controller.signal },
    );
    expect(finished.length).toBeGreaterThan(0);
    expect(ended.every((line) => line.includes('under way'))).toBe(true);
    expect(report.exitCode).toBe(130);
  });

  it('does not go on trying what it waits for', async () => {
    const controller = new AbortController();
    let tries = 0;
    const until = step(
      'until',
      () => {
        if (++tries === 2) controller.abort();
      },
      { retries: { times: 1_000, delayMs: 1, until: () => false } },
    );
    const { report } = await runHere([play('p', { hosts: ['a'], tasks: [until] })], { signal: controller.signal });
    expect([tries, report.exitCode]).toEqual([2, 130]);
  });
});

describe('what a task is told and tells', () => {
  it('is its host, its variables and how far it is', async () => {
    const inventoryText = '[web]\na colour=red\nb colour=blue\n[all:vars]\nansible_connection=local\n';
    const told: unknown[] = [];
    const { events } = await runHere(
      [
        play('p', {
          tasks: [
            step('t', ({ host, vars, progress }) => {
              told.push([host, vars.get('colour')?.value]);
              progress(1, 2);
              return { summary: 'half', skipped: host === 'b' };
            }),
          ],
        }),
      ],
      { inventoryText },
    );
    expect(told).toEqual([
      ['a', 'red'],
      ['b', 'blue'],
    ]);
    expect(events).toContainEqual({ type: 'progress', host: 'a', task: 't', done: 1, total: 2 });
    expect(events).toContainEqual(expect.objectContaining({ host: 'b', status: 'skipped', summary: 'half' }));
  });

  it('is each task of a row that something is due for, when its turn comes', async () => {
    const { events } = await onOne([text('row-1'), text('row-2'), task('row-3', () => undefined)]);
    const starts = events.flatMap((event) => (event.type === 'task-start' ? [event.task] : []));
    expect(starts).toEqual(['row-1', 'row-2', 'count']);
  });

  it('is the text before only of files that can be read as text', async () => {
    writeFileSync(at('a-mode'), 'x');
    chmodSync(at('a-mode'), 0o600);
    const { events } = await onOne([text('mode')], { diff: true });
    expect(events).toContainEqual(
      expect.objectContaining({ task: 'mode', summary: `${at('a-mode')}: mode 0600 → 0644`, diffs: [] }),
    );
    expect(readFileSync(at('a-mode'), 'utf8')).toBe('x');
  });
});
