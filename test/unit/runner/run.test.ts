import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { InputError, PlayError, UnreachableError } from '../../../src/errors.ts';
import { directory } from '../../../src/resource/directory.ts';
import type { RunEvent } from '../../../src/runner/events.ts';
import { fetch } from '../../../src/runner/fetch.ts';
import { once, type Play, play, step, task } from '../../../src/runner/playbook.ts';
import { isAlive } from '../connection/alive.ts';
import { runHere } from './run-here.ts';

const ok = step('ok', () => undefined);
const failing = (error: Error, where = ['a']) =>
  step('fails', ({ host }) => {
    if (where.includes(host)) throw error;
  });

describe('a run', () => {
  it('says when it begins and ends, and each play of it', async () => {
    const { events } = await runHere([
      play('p', { hosts: ['a'], tasks: [ok] }),
      play('q', { hosts: ['a'], tasks: [] }),
    ]);
    expect(events.map(({ type }) => type)).toEqual([
      'run-start',
      'play-start',
      'task-start',
      'task-end',
      'play-end',
      'run-end',
    ]);
    expect(events[0]).toEqual({
      type: 'run-start',
      playbook: 'test',
      hosts: ['a', 'b', 'c'],
      check: false,
      diff: false,
    });
  });

  it('acts on the hosts that the limit leaves, and lets a playbook see all', async () => {
    let all: readonly string[] = [];
    const { ended } = await runHere(
      ({ allHosts, hosts }) => {
        all = [...allHosts, '|', ...hosts];
        return [play('p', { tasks: [ok] })];
      },
      { limit: 'b' },
    );
    expect(all).toEqual(['a', 'b', 'c', '|', 'b']);
    expect(ended).toEqual(['b ok ok']);
  });

  it('makes tasks and hosts of a play when the play begins', async () => {
    const hosts: string[] = [];
    const { ended } = await runHere([
      play('look', { tasks: [once('decide', () => void hosts.push('c'))] }),
      play('act', { hosts: () => hosts, tasks: async () => hosts.map((host) => step(`for ${host}`, () => undefined)) }),
    ]);
    expect(ended).toEqual(['control decide ok', 'c for c ok']);
  });

  it('passes over plays that are not wanted in silence', async () => {
    const { events } = await runHere([play('p', { when: () => false, tasks: [ok] })]);
    expect(events.map(({ type }) => type)).toEqual(['run-start', 'run-end']);
  });

  it('says of a play whether the control machine has a part in it, and which hosts have', async () => {
    const { events } = await runHere([
      play('p', { tasks: [once('o', () => undefined)] }),
      play('q', { hosts: ['b'], tasks: [ok] }),
    ]);
    expect(events.filter(({ type }) => type === 'play-start')).toEqual([
      { type: 'play-start', play: 'p', hosts: [], control: true },
      { type: 'play-start', play: 'q', hosts: ['b'], control: false },
    ]);
  });

  it('opens one connection for each host, whatever asks for it', async () => {
    const shells = new Set<string>();
    const shell = step('shell', async ({ host, connect }) => {
      const { stdout } = await (await connect()).run('echo $PPID $$');
      shells.add(`${host} ${stdout.split(' ')[1]}`);
    });
    await runHere([play('p', { tasks: [shell, shell] }), play('q', { tasks: [shell] })]);
    expect(shells.size).toBe(3);
  });

  it('says texts of its own', async () => {
    const { events } = await runHere((run) => {
      run.say('hello');
      run.say('take care', 'warning');
      return [];
    });
    expect(events.slice(0, 2)).toEqual([
      { type: 'message', level: 'info', text: 'hello' },
      { type: 'message', level: 'warning', text: 'take care' },
    ]);
  });
});

describe('the exit code', () => {
  it.each<[string, Error, number]>([
    ['2 where a task failed', new PlayError('x'), 2],
    ['2 where the code of a playbook failed', new TypeError('x'), 2],
    ['4 where a host is unreachable', new UnreachableError('x'), 4],
    ['1 where it was the input', new InputError('x'), 1],
  ])('is %s', async (_, error, code) => {
    expect((await runHere([play('p', { tasks: [failing(error)] })])).report.exitCode).toBe(code);
  });

  it('is that of the gravest of several errors', async () => {
    const tasks = [failing(new PlayError('x'), ['a']), failing(new UnreachableError('y'), ['b'])];
    expect((await runHere([play('p', { gather: true, tasks })])).report.exitCode).toBe(4);
  });

  it('is 0 where all is well', async () => {
    expect((await runHere([play('p', { tasks: [ok] })])).report).toMatchObject({ exitCode: 0, errors: [] });
  });

  it('is 130 where the run was stopped, whatever else went wrong', async () => {
    const controller = new AbortController();
    const tasks = [
      step('t', () => {
        controller.abort();
        throw new UnreachableError('x');
      }),
    ];
    expect((await runHere([play('p', { tasks })], { signal: controller.signal })).report.exitCode).toBe(130);
  });
});

describe('the tallies', () => {
  it('count each task of each host by how it ended', async () => {
    const tasks = [
      ok,
      step('changes', () => ({ changed: true })),
      step('skips', () => ({ skipped: true })),
      once('together', () => ({ changed: true })),
      failing(new UnreachableError('x'), ['b']),
      failing(new PlayError('x'), ['c']),
    ];
    const { report } = await runHere([play('p', { gather: true, tasks })]);
    const nothing = { ok: 0, changed: 0, skipped: 0, failed: 0, unreachable: 0 };
    expect(Object.fromEntries(report.tallies)).toEqual({
      a: { ...nothing, ok: 3, changed: 1, skipped: 1 },
      b: { ...nothing, ok: 1, changed: 1, skipped: 1, unreachable: 1 },
      c: { ...nothing, ok: 2, changed: 1, skipped: 1, failed: 1 },
      control: { ...nothing, changed: 1 },
    });
  });

  it('are there for hosts that nothing was done on', async () => {
    const { report } = await runHere([play('p', { tasks: [ok] })], { limit: 'a' });
    expect([...report.tallies.keys()]).toEqual(['a', 'b', 'c']);
  });
});

describe('bad input', () => {
  it('is thrown before anything is said or touched', async () => {
    const events: RunEvent[] = [];
    const listener = (event: RunEvent) => events.push(event);
    const bad = () => {
      throw new InputError('a bad port');
    };
    await expect(runHere(bad, { listener })).rejects.toThrow('a bad port');
    await expect(runHere([], { listener, limit: 'nobody' })).rejects.toThrow(InputError);
    await expect(runHere([], { listener, hosts: 'etcd' })).rejects.toThrow("test is for the hosts of 'etcd'");
    expect(events).toEqual([]);
  });
});

describe('a playbook that no compiler has looked at', () => {
  it.each<[string, unknown, string]>([
    ['gives no plays', () => undefined, 'plays(run) of the playbook must give a list of plays'],
    ['gives a play alone', () => play('p', { tasks: [] }), 'plays(run) of the playbook must give a list of plays'],
    ['gives what is no play', () => [undefined], 'plays(run) of the playbook gives what is no play'],
  ])('and %s is an error of the input', async (_, plays, message) => {
    await expect(runHere(plays as never)).rejects.toMatchObject({ name: 'InputError', message });
  });

  it('and has what is no task fails before any of its tasks is run', async () => {
    const { report, ended } = await runHere([play('p', { tasks: [ok, undefined as never] })]);
    expect(report.errors[0]?.message).toBe("the play 'p' has what is no task");
    expect(ended).toEqual([]);
  });

  it.each<[string, () => unknown]>([
    ['no task', () => play('p', { tasks: [5 as never] })],
    ['no handler', () => play('p', { tasks: [ok], handlers: [once('h', () => undefined) as never] })],
    ["has no option 'taskss'", () => play('p', { taskss: [] } as never)],
    ["has no option 'handler'", () => play('p', { tasks: [], handler: [] } as never)],
    ['serial must be a number, a percentage', () => play('p', { tasks: [], serial: 'x%' as never })],
    ["tags must be a list of texts, not 'web'", () => play('p', { tasks: [], tags: 'web' as never })],
    ["has no option 'notfy'", () => play('p', { tasks: [task('t', () => [], { notfy: 'h' } as never)] })],
    ['resources must be a function', () => play('p', { tasks: [task('t', {} as never)] })],
    ['run must be a function', () => play('p', { tasks: [step('t', undefined as never)] })],
    [
      'retries.delayMs must be a number, and is not given',
      () => play('p', { tasks: [step('t', () => undefined, { retries: { times: 2 } as never })] }),
    ],
    ["has no option 'notify'", () => play('p', { tasks: [once('t', () => undefined, { notify: 'h' } as never)] })],
    ['no such handler', () => play('p', { tasks: [step('t', () => undefined, { notify: 'h' })] })],
  ])('is told with its own line: %s', async (message, make) => {
    const { report } = await runHere(() => [make() as Play]);
    expect(report.errors[0]?.message).toContain(message);
    expect(report.errors[0]).toMatchObject({
      file: fileURLToPath(import.meta.url),
      code: expect.stringMatching(/play\(|task\(|step\(|once\(/),
    });
  });

  it.each<[message: string, next: string, resources: () => unknown]>([
    ['this one gives a promise', 'Leave out async', async () => directory({ path: '/tmp', mode: 0o1777 })],
    ['this one gives a promise', 'Leave out async', () => Promise.reject(new Error('nobody waits for it'))],
    ["this one has 'text'", 'Return what file()', () => 'text'],
    [
      'this one has undefined in its list',
      'Leave it out',
      () => [directory({ path: '/tmp', mode: 0o1777 }), undefined],
    ],
    ['this one has false in its list', 'Leave it out', () => [false]],
    ['this one has a list in its list', 'Put its elements there', () => [[directory({ path: '/tmp', mode: 0o1777 })]]],
  ])('is told where a task was made that gives no resources: %s', async (message, next, resources) => {
    const { report, ended } = await runHere([
      play('p', { hosts: ['a'], tasks: [task('told here', resources as never)] }),
    ]);
    expect(ended).toEqual(['a told here failed']);
    expect(report.errors[0]?.message).toContain(message);
    expect(report.errors[0]?.next).toContain(next);
    expect(report.errors[0]?.code).toContain("task('told here'");
  });

  it('is told where a file is fetched that has no place here', async () => {
    const tasks = [fetch('log', () => ({ path: '/etc/hostname', to: '/tmp/x' }) as never)];
    const { report } = await runHere([play('p', { hosts: ['a'], tasks })]);
    expect(report.errors[0]).toMatchObject({
      message: "fetch has no option 'to'",
      file: fileURLToPath(import.meta.url),
    });
  });

  it('and returns nothing where it has a list is passed over with the reason', async () => {
    const tasks = [
      task('forgot to return', () => void directory({ path: '/tmp', mode: 0o1777 }) as never),
      task('wants nothing', () => []),
    ];
    const { events } = await runHere([play('p', { hosts: ['a'], tasks })]);
    const told = events.flatMap((event) => (event.type === 'task-end' ? [[event.status, event.summary]] : []));
    expect(told).toEqual([
      ['skipped', 'it returned nothing'],
      ['skipped', ''],
    ]);
  });
});

describe('an error of a resource that cannot be', () => {
  it('names the line that asks for it', async () => {
    const { report } = await runHere([
      play('p', { hosts: ['a'], tasks: [task('t', () => directory({ path: 'relative', mode: 0o755 }))] }),
    ]);
    expect(report.errors[0]).toMatchObject({ file: fileURLToPath(import.meta.url), task: 't', host: 'a' });
    expect(report.errors[0]?.code).toContain("directory({ path: 'relative'");
  });
});

describe('a run that is stopped because of an error', () => {
  it('ends with it, and does not say that it was interrupted', async () => {
    const controller = new AbortController();
    const stray = step('t', () => controller.abort(new PlayError('nobody waited for me')));
    const { report } = await runHere([play('p', { tasks: [stray] }), play('q', { tasks: [ok] })], {
      signal: controller.signal,
    });
    expect(report.errors.map(({ message }) => message)).toEqual(['nobody waited for me']);
    expect(report.exitCode).toBe(2);
  });
});

describe('what a playbook opened', () => {
  it.each<[string, Error | undefined]>([
    ['when all is well', undefined],
    ['when a task fails', new PlayError('x')],
  ])('is closed while the connections are still open, %s', async (_, error) => {
    const closed: string[] = [];
    await runHere((run) => {
      run.onEnd(() => {
        throw new Error('a closer that fails does not keep the others from closing');
      });
      run.onEnd(async () => {
        const { stdout } = await (await run.connect('a')).run('echo open');
        closed.push(stdout);
      });
      return [play('p', { tasks: error ? [failing(error)] : [ok] })];
    });
    expect(closed).toEqual(['open\n']);
  });

  it('is closed also when the playbook itself fails, and the error is told as its fault', async () => {
    let closed = false;
    const { report, events } = await runHere((run) => {
      run.onEnd(() => {
        closed = true;
      });
      const tasks = () => {
        throw new TypeError('undefined is not a function');
      };
      return [play('p', { tasks })];
    });
    expect(closed).toBe(true);
    expect(report.errors[0]?.message).toContain('undefined is not a function');
    expect(report.errors[0]?.next).toBe('This is a fault of the playbook: put it right there.');
    expect(events.at(-1)?.type).toBe('run-end');
  });

  it('leaves no shell behind', async () => {
    const pids: string[] = [];
    const shell = step('shell', async ({ connect }) => void pids.push((await (await connect()).run('echo $$')).stdout));
    await runHere([play('p', { tasks: [shell] })]);
    await expect.poll(() => pids.filter((pid) => isAlive(Number(pid)))).toEqual([]);
  });
});
