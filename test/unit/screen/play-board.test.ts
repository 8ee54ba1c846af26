import { describe, expect, it, vi } from 'vitest';
import { PlayError } from '../../../src/errors.ts';
import type { RunEvent, TaskStatus } from '../../../src/runner/events.ts';
import { PlayBoard } from '../../../src/screen/play-board.ts';
import { textWidth } from '../../../src/screen/width.ts';
import { plain } from '../../../src/screen/words.ts';
import { taskEnd } from './events.ts';

const start = (host: string, task: string): RunEvent => ({ type: 'task-start', host, task });
const progress = (done: number, total: number): RunEvent => ({ type: 'progress', host: 'h1', task: 't', done, total });
const failed = (host: string, task: string, summary: string) =>
  taskEnd(host, task, 'failed', { summary, error: new PlayError(summary) });
const end: RunEvent = { type: 'play-end', play: 'p' };
const many = Array.from({ length: 30 }, (_, n) => `h${n}`);

function boardOf(hosts: string[], events: RunEvent[], control = false): PlayBoard {
  const board = new PlayBoard(hosts, control, plain);
  for (const event of events) board.note(event);
  return board;
}

/** The rows after some events; times, which run on, are left out. */
function rows(hosts: string[], events: RunEvent[], control = false, columns = 100): string[] {
  const withoutTime = (row: string) => row.replace(/ {2}[\d.]+ (ms|s)$/, '');
  return boardOf(hosts, events, control).lines(columns, 50, '*').map(withoutTime);
}

describe('the row of a host', () => {
  it.each<[string, RunEvent[], string]>([
    ['waits before its first task', [], '· h1  waiting'],
    ['shows the task that is under way', [start('h1', 't')], '* h1  t'],
    ['shows how far it is', [start('h1', 't'), progress(1, 3)], '* h1  t 33 %'],
    ['shows nothing of a way whose length is not known', [start('h1', 't'), progress(1, 0)], '* h1  t'],
    ['forgets how far it was with the next task', [start('h1', 't'), progress(1, 2), start('h1', 'u')], '* h1  u'],
    ['counts what is done while it waits for others', [taskEnd('h1', 't'), taskEnd('h1', 'u')], '· h1  2 ok'],
    [
      'counts what was done when the play is over',
      [taskEnd('h1', 'u', 'changed'), taskEnd('h1', 't'), taskEnd('h1', 'v'), end],
      '✔ h1  2 ok, 1 changed',
    ],
    ['tells what is unknown', [taskEnd('h1', 't', 'unknown'), end], '✔ h1  1 unknown'],
    ['says so where nothing was done', [end], '· h1  nothing to do'],
    [
      'keeps the failure, whatever comes after it',
      [failed('h1', 't', 'no room'), taskEnd('h1', 'u'), end],
      '✖ h1  t: no room',
    ],
  ])('%s', (_, events, row) => {
    expect(rows(['h1'], events)).toEqual([row]);
  });

  it('shows a bar after a second, and never cuts off how far it is', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const board = boardOf(['h1'], [start('h1', 'Release is installed and checked')]);
      board.note(progress(1, 2));
      vi.advanceTimersByTime(1_500);
      expect(board.lines(80, 9, '*')).toEqual(['* h1  Release is installed and checked █████░░░░░ 50 %  1.5 s']);
      expect(board.lines(40, 9, '*')).toEqual(['* h1  Release is installed… 50 %  1.5 s']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('counts time once for tasks that were done together', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const board = boardOf(['h1'], [start('h1', 't')]);
      vi.advanceTimersByTime(2_000);
      for (const name of ['t', 'u', 'v']) board.note(taskEnd('h1', name));
      vi.advanceTimersByTime(5_000);
      for (const event of [start('h1', 'w'), taskEnd('h1', 'w'), end]) board.note(event);
      expect(board.lines(80, 9)).toEqual(['✔ h1  4 ok  2.0 s']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('says for how long its task has been under way', () => {
    expect(boardOf(['h1'], [start('h1', 't')]).lines(80, 9, '*')[0]).toMatch(/^\* h1 {2}t {2}\d+ ms$/);
  });

  it('stands among others with all names in one column, and the control machine last where it has a part', () => {
    expect(rows(['h1', '主机一'], [start('control', 'Plan is made')], true)).toEqual([
      '· h1       waiting',
      '· 主机一   waiting',
      '* control  Plan is made',
    ]);
  });

  it('leaves the task the larger part of a narrow window', () => {
    const hosts = ['a-host-with-a-long-name-01', 'a-host-with-a-long-name-02'];
    const begun = hosts.map((host) => start(host, 'Configuration is there'));
    expect(
      boardOf(hosts, begun)
        .lines(39, 9, '*')
        .map((row) => row.slice(0, 26)),
    ).toEqual(['* a-host…ame-01  Configura', '* a-host…ame-02  Configura']);
  });

  it.each([60, 79])(
    'keeps names different from each other in %d columns, where they differ in the middle',
    (columns) => {
      const hosts = Array.from({ length: 10 }, (_, n) => `very-long-host-name-number-00${n}.example.com`);
      const lines = boardOf(hosts, [end]).lines(columns, 20);
      expect(new Set(lines).size).toBe(hosts.length);
      for (const line of lines) {
        expect(line).toContain('  nothing to do');
        expect(textWidth(line)).toBeLessThanOrEqual(columns);
      }
    },
  );
});

describe('the rows of tasks, where hosts are many', () => {
  const ends = (task: string, hosts: string[], status: TaskStatus = 'ok') =>
    hosts.map((host) => taskEnd(host, task, status));

  it.each<[string, RunEvent[], string[]]>([
    ['are none before the first', [], []],
    [
      'say how many have done it, and where it is late',
      [start('h1', 't'), start('h2', 't')],
      ['* t  0/30 · at h1, h2'],
    ],
    [
      'count how they ended',
      [
        ...ends('t', many.slice(0, 20), 'changed'),
        ...ends('t', many.slice(20, 25)),
        ...many.slice(25).map((h) => start(h, 't')),
      ],
      ['* t  25/30 · 5 ok, 20 changed'],
    ],
    [
      'name who failed',
      [...ends('t', many.slice(2)), failed('h0', 't', 'x'), failed('h1', 't', 'x')],
      ['✖ t  28 ok, 2 failed: h0, h1'],
    ],
    ['are one for each task', [...ends('t', many), start('h3', 'u')], ['✔ t  30 ok', '* u  0/30 · at h3']],
    ['hold those of the control machine too', [taskEnd('control', 'Plan is made')], ['✔ Plan is made  1 ok']],
    ['say what was done of them when the play is over', [...ends('t', many.slice(0, 9)), end], ['✔ t  9 ok']],
  ])('%s', (_, events, expected) => {
    expect(rows(many, events, true)).toEqual(expected);
  });

  it('are taken away as they are done, in their order, and printed for good', () => {
    const board = boardOf(many, [...many.map((h) => start(h, 't')), ...ends('u', many)]);
    expect(board.takeSettled(80)).toEqual([]);
    for (const event of ends('t', many)) board.note(event);
    expect(board.takeSettled(80).map((row) => row.slice(0, 3))).toEqual(['✔ t', '✔ u']);
    expect(board.lines(80, 9)).toEqual([]);
  });

  it('are never more than there is room for', () => {
    const tasks = Array.from({ length: 40 }, (_, n) => start('h1', `task ${n}`));
    expect(
      boardOf(many, tasks)
        .lines(80, 5)
        .map((row) => row.slice(2, 9)),
    ).toEqual([35, 36, 37, 38, 39].map((n) => `task ${n}`));
  });
});

describe('any board', () => {
  it.each([20, 39, 79, 199])('fits into %d columns', (columns) => {
    const hosts = ['主机一', 'b', 'a-host-with-a-rather-long-name.example.com'];
    const events = hosts.flatMap((host) => [
      taskEnd(host, 't'),
      start(host, 'Wait for the 数据库 to come up and be ready'),
    ]);
    for (const board of [boardOf(hosts, events, true), boardOf([...many, ...hosts], events, true)]) {
      board.note(failed('b', 'Fails', 'for a reason that takes a good many words to tell, 主机一 and all'));
      for (const line of board.lines(columns, 50, '*')) expect(textWidth(line)).toBeLessThanOrEqual(columns);
    }
  });

  it('takes no notice of hosts that it does not show, and may have no rows at all', () => {
    expect(rows(['h1'], [start('h2', 't'), taskEnd('h2', 't')])).toEqual(['· h1  waiting']);
    expect(rows([], [end])).toEqual([]);
  });
});
