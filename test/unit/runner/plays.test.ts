import { describe, expect, it } from 'vitest';
import { InputError, PlayError, UnreachableError } from '../../../src/errors.ts';
import { once, type Play, play, type RunContext, step } from '../../../src/runner/playbook.ts';
import { runHere } from './run-here.ts';

const ok = (name: string) => step(name, () => undefined);
const failing = (name: string, hosts: readonly string[], error: Error = new PlayError(`${name} failed`)) =>
  step(name, ({ host }) => {
    if (hosts.includes(host)) throw error;
  });

describe('plays from a generator', () => {
  it('are asked for one by one, and go by what was seen', async () => {
    const seen: string[] = [];
    const { ended, report } = await runHere(async function* () {
      yield play('look', { hosts: ['a', 'b'], tasks: [step('see', ({ host }) => void seen.push(host))] });
      for (const host of seen.toSorted()) yield play(`act on ${host}`, { hosts: [host], tasks: [ok(`act ${host}`)] });
      if (seen.includes('c')) yield play('never', { tasks: [ok('never')] });
    });
    expect(ended.slice(0, 2).toSorted()).toEqual(['a see ok', 'b see ok']);
    expect(ended.slice(2)).toEqual(['a act a ok', 'b act b ok']);
    expect(report.exitCode).toBe(0);
  });

  it('are ended where a play fails: what it had to put away is put away, and nothing more is asked for', async () => {
    const said: string[] = [];
    const { report } = await runHere(async function* () {
      try {
        yield play('fails', { tasks: [failing('t', ['b'])] });
        said.push('went on');
      } finally {
        said.push('put away');
      }
    });
    expect(said).toEqual(['put away']);
    expect(report.exitCode).toBe(2);
  });

  it('are ended where the run is stopped', async () => {
    const controller = new AbortController();
    let closed = false;
    const { report } = await runHere(
      async function* () {
        try {
          yield play('stops', { hosts: ['a'], tasks: [step('t', () => controller.abort())] });
          yield play('not begun', { tasks: [ok('u')] });
        } finally {
          closed = true;
        }
      },
      { signal: controller.signal },
    );
    expect(closed).toBe(true);
    expect(report.exitCode).toBe(130);
  });

  it('may refuse the input before the first play: nothing is said or touched', async () => {
    const listener = () => expect.unreachable();
    const plays = async function* (): AsyncGenerator<Play> {
      throw new InputError('no such snapshot');
      // biome-ignore lint/correctness/noUnreachable: it is what makes a generator of plays
      yield play('p', { tasks: [] });
    };
    await expect(runHere(plays, { listener })).rejects.toThrow('no such snapshot');
  });

  it('may fail between two plays: the run tells it, and what was done', async () => {
    const { report, ended } = await runHere(async function* () {
      yield play('p', { hosts: ['a'], tasks: [ok('t')] });
      throw new PlayError('two members disagree');
    });
    expect(ended).toEqual(['a t ok']);
    expect(report).toMatchObject({ exitCode: 2, errors: [{ message: 'two members disagree' }] });
  });

  it('that are not wanted are passed over, and the next one is asked for', async () => {
    const { ended } = await runHere(async function* () {
      yield play('p', { when: () => false, tasks: [ok('t')] });
      yield play('q', { hosts: ['a'], tasks: [ok('u')] });
    });
    expect(ended).toEqual(['a u ok']);
  });
});

describe('a word before what cannot be undone', () => {
  const asking = (run: RunContext) =>
    (async function* () {
      await run.confirm('all data of b will be gone', 'b');
      yield play('wipe', { hosts: ['b'], tasks: [ok('wiped')] });
    })();

  it('is asked for, with the question', async () => {
    const asked: string[][] = [];
    const confirm = async (question: string, word: string) => {
      asked.push([question, word]);
      return true;
    };
    const { ended } = await runHere(asking, { confirm });
    expect(asked).toEqual([['all data of b will be gone', 'b']]);
    expect(ended).toEqual(['b wiped ok']);
  });

  it.each<[string, undefined | (() => Promise<boolean>), string, string]>([
    ['is not typed', async () => false, 'not confirmed: b was not typed', 'Nothing more was done.'],
    ['cannot be asked for', undefined, 'not confirmed: all data of b will be gone', 'Without a terminal: add --yes.'],
  ])('that %s ends the run before anything is done', async (_, confirm, message, next) => {
    const { ended, report } = await runHere(asking, { confirm });
    expect(ended).toEqual([]);
    expect(report).toMatchObject({ exitCode: 2, errors: [{ message, next }] });
  });

  it('is not asked for in check mode', async () => {
    const confirm = () => expect.unreachable();
    expect((await runHere(asking, { confirm, check: true })).ended).toEqual(['b wiped unknown']);
  });
});

describe('a play in which one failure is not that of all', () => {
  const lenient = (rest: Partial<Play> & Pick<Play, 'tasks'>) => play('p', { anyErrorFatal: false, ...rest });

  it('leaves the host behind, in the plays that follow too, and goes on with the others', async () => {
    const { ended, report } = await runHere([
      lenient({ tasks: [failing('t', ['b']), ok('u')] }),
      play('q', { tasks: [ok('v')] }),
    ]);
    expect(ended.toSorted()).toEqual(['a t ok', 'a u ok', 'a v ok', 'b t failed', 'c t ok', 'c u ok', 'c v ok']);
    expect(report).toMatchObject({ exitCode: 2, errors: [{ host: 'b', message: 't failed' }] });
  });

  it('tells of the gravest failure by the exit code', async () => {
    const tasks = [failing('t', ['b']), failing('u', ['c'], new UnreachableError('gone'))];
    expect((await runHere([lenient({ tasks })])).report.exitCode).toBe(4);
  });

  it('ends the run where no host is left', async () => {
    const { ended } = await runHere([
      lenient({ tasks: [failing('t', ['a', 'b', 'c'])] }),
      play('q', { tasks: [once('together', () => undefined)] }),
    ]);
    expect(ended.toSorted()).toEqual(['a t failed', 'b t failed', 'c t failed']);
  });

  it('ends the run where the control machine failed', async () => {
    const broken = once('together', () => {
      throw new PlayError('no room here');
    });
    const { ended } = await runHere([lenient({ tasks: [broken] }), play('q', { tasks: [ok('v')] })]);
    expect(ended).toEqual(['control together failed']);
  });

  it('passes over a play whose hosts have all failed', async () => {
    const { ended } = await runHere([
      lenient({ tasks: [failing('t', ['b'])] }),
      play('q', { hosts: ['b'], tasks: [ok('u')] }),
      play('r', { hosts: ['a'], tasks: [ok('v')] }),
    ]);
    expect(ended.slice(3)).toEqual(['a v ok']);
  });

  it.each<[string, string[], string[]]>([
    ['goes on with the next group of serial', ['a'], ['a t failed', 'b t ok', 'c t ok']],
    ['begins no group after one that failed as a whole', ['a', 'b'], ['a t failed', 'b t failed']],
  ])('%s', async (_, hosts, wanted) => {
    const { ended } = await runHere([lenient({ serial: [2, 1], tasks: [failing('t', hosts)] })]);
    expect(ended.toSorted()).toEqual(wanted);
  });

  it('is not the default: one failure ends it for all', async () => {
    const { ended } = await runHere([
      play('p', { serial: 1, tasks: [failing('t', ['a'])] }),
      play('q', { tasks: [ok('u')] }),
    ]);
    expect(ended).toEqual(['a t failed']);
  });
});
