import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { file } from '../../../src/resource/file.ts';
import { ProbeError, type Resource } from '../../../src/resource/resource.ts';
import { type HostContext, play, step, task } from '../../../src/runner/playbook.ts';
import { recap } from '../../../src/screen/words.ts';
import { runHere } from './run-here.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'follows-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

/** Adds a word to a file, after what it finds there: two of them are only right when the second looks again. */
const adds = (name: string, word: string): Resource => ({
  kind: 'word',
  id: word,
  follows: true,
  probe: `cat ${at(name)} 2>/dev/null || echo missing`,
  compare: ({ stdout }) => {
    if (stdout.includes('missing')) throw new ProbeError(`there is no ${name}`);
    return stdout.includes(word)
      ? undefined
      : { summary: 'word', apply: `printf %s '${stdout}${word}' >${at(name)}`, unknown: word === 'riddle' };
  },
  remark: () => 'it said so already',
});
const there = (name: string) =>
  task('there', () => file({ path: at(name), content: 'a ', owner: 'root', mode: 0o644 }));
const words = (name: string, ...all: string[]) => task('words', () => all.map((word) => adds(name, word)));

async function onOne(tasks: Parameters<typeof play>[1]['tasks'], rest = {}) {
  let roundTrips = 0;
  const note = async ({ connect }: HostContext) => {
    roundTrips = (await connect()).roundTrips;
  };
  const count = step('count', note, { check: 'run' });
  const made = typeof tasks === 'function' ? await tasks() : tasks;
  const seen = await runHere([play('p', { hosts: ['a'], tasks: [...made, count] })], rest);
  return { ...seen, roundTrips };
}

describe('a resource that follows what comes before it', () => {
  it('sees what was made just now', async () => {
    const { ended } = await onOne([there('made'), words('made', 'b', 'c')]);
    expect(ended.slice(0, 2)).toEqual(['a there changed', 'a words changed']);
    expect(readFileSync(at('made'), 'utf8')).toBe('a bc');
  });

  it('costs no round trip where nothing before it was due', async () => {
    const content = 'a bc';
    const tasks = [task('t', () => file({ path: at('same'), content, mode: 0o644 })), words('same', 'b', 'c')];
    const first = await onOne(tasks);
    const second = await onOne(tasks);
    expect(second.ended.slice(0, 2)).toEqual(['a t ok', 'a words ok']);
    expect(second.roundTrips).toBeLessThan(first.roundTrips);
    const without = await onOne([]);
    expect(second.roundTrips - without.roundTrips).toBe(1);
  });

  it('fails the host where it cannot see what it needs', async () => {
    const { ended, report } = await onOne([words('nowhere', 'b')]);
    expect(ended[0]).toBe('a words failed');
    expect(report.errors[0]?.message).toBe('there is no nowhere');
  });

  it('is unknown in check mode where what it needs might have been made before it', async () => {
    const { ended, events, report } = await onOne([there('later'), words('later', 'b')], { check: true });
    expect(ended.slice(0, 2)).toEqual(['a there would change', 'a words unknown']);
    expect(report.tallies.get('a')).toMatchObject({ changed: 1, unknown: 1, failed: 0 });
    const end = events.find((event) => event.type === 'run-end')!;
    expect(recap(end, (_, text) => text)).toMatch(/skipped=0\s+unknown=1/);
  });

  it('is unknown in check mode after a step that was not done', async () => {
    const { ended } = await onOne([step('makes it', () => undefined), words('never', 'b')], { check: true });
    expect(ended.slice(0, 2)).toEqual(['a makes it unknown', 'a words unknown']);
  });

  it('says what there is to say where nothing is due', async () => {
    const { events } = await onOne([there('said'), words('said', 'a')]);
    const end = events.find((event) => event.type === 'task-end' && event.task === 'words');
    expect(end).toMatchObject({ status: 'ok', summary: 'it said so already' });
  });
});

describe('a change whose effect nobody knows', () => {
  it('is unknown in check mode, and changed when it is done', async () => {
    await onOne([there('r')]);
    expect((await onOne([words('r', 'riddle')], { check: true })).ended[0]).toBe('a words unknown');
    expect((await onOne([words('r', 'riddle')])).ended[0]).toBe('a words changed');
  });
});
