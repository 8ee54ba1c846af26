import { describe, expect, it } from 'vitest';
import { PlayError } from '../../../src/errors.ts';
import type { RunEvent } from '../../../src/runner/events.ts';
import { PlayBoard } from '../../../src/screen/play-board.ts';
import { plain } from '../../../src/screen/words.ts';
import { taskEnd } from './events.ts';

const start = (host: string, task: string): RunEvent => ({ type: 'task-start', host, task });
const progress = (done: number, total: number): RunEvent => ({ type: 'progress', host: 'h1', task: 't', done, total });
const end: RunEvent = { type: 'play-end', play: 'p' };

/** The rows after some events; times, which run on, are left out. */
function rows(hosts: string[], events: RunEvent[], control = false): string[] {
  const board = new PlayBoard(hosts, control, plain);
  for (const event of events) board.note(event);
  return board.rows.map((row) => row.title().replace(/ {2}[\d.]+ (ms|s)$/, ''));
}

describe('a board', () => {
  it.each<[string, RunEvent[], string]>([
    ['waits before its first task', [], 'h1  waiting'],
    ['shows the task that is under way', [start('h1', 't')], 'h1  t'],
    ['shows how far it is', [start('h1', 't'), progress(1, 3)], 'h1  t 33 %'],
    ['shows nothing of a way whose length is not known', [start('h1', 't'), progress(1, 0)], 'h1  t '],
    ['forgets how far it was with the next task', [start('h1', 't'), progress(1, 2), start('h1', 'u')], 'h1  u'],
    [
      'counts what was done when it is over',
      [taskEnd('h1', 't'), taskEnd('h1', 'u', 'changed'), taskEnd('h1', 'v'), end],
      'h1  2 ok, 1 changed',
    ],
    ['says so where nothing was done', [end], 'h1  nothing to do'],
    [
      'keeps the failure, whatever comes after it',
      [taskEnd('h1', 't', 'failed', { error: new PlayError('no room') }), taskEnd('h1', 'u'), end],
      'h1  t: no room',
    ],
  ])('%s', (_, events, title) => {
    expect(rows(['h1'], events)).toEqual([title]);
  });

  it('has a row for each host, their names in one column, and one for the control machine where it has a part', () => {
    expect(rows(['h1', 'a-long-name'], [start('control', 'Plan is made')], true)).toEqual([
      'h1           waiting',
      'a-long-name  waiting',
      'control      Plan is made',
    ]);
  });

  it('has one row for many hosts, which names the last that began something', () => {
    const many = Array.from({ length: 30 }, (_, n) => `h${n}`);
    expect(rows(many, [])).toEqual(['30 hosts  waiting']);
    expect(
      rows(
        many,
        ['h1', 'h2', 'h3', 'h4'].map((host) => start(host, 't')),
      ),
    ).toEqual(['30 hosts  h2: t · h3: t · h4: t']);
  });

  it('takes no notice of hosts that it does not show', () => {
    expect(rows(['h1'], [start('h2', 't'), taskEnd('h2', 't')])).toEqual(['h1  waiting']);
  });

  it('tells by its rows that the play is over, and which had nothing to do or failed', async () => {
    const board = new PlayBoard(['h1', 'h2', 'h3'], false, plain);
    board.note(taskEnd('h1', 't'));
    board.note(taskEnd('h2', 't', 'failed', { error: new PlayError('x') }));
    board.note(end);
    await Promise.all(board.rows.map(({ ended }) => ended));
    expect(board.rows.map(({ idle, failed }) => [idle, failed])).toEqual([
      [false, false],
      [false, true],
      [true, false],
    ]);
  });

  it('may have no rows at all', () => {
    expect(rows([], [end])).toEqual([]);
  });
});
