import { describe, expect, it } from 'vitest';
import { describeError, ManyErrors, PlayError, UnreachableError } from '../../../src/errors.ts';
import type { RunEvent } from '../../../src/runner/events.ts';
import { eventLine } from '../../../src/screen/json.ts';
import { legible, legibleName } from '../../../src/screen/legible.ts';
import { veiled } from '../../../src/screen/veil.ts';

function seen(event: RunEvent): RunEvent {
  const events: RunEvent[] = [];
  const screen = { listener: (one: RunEvent) => void events.push(one), done: async () => undefined };
  veiled(screen, (text) => text.replaceAll('hunter2', '***')).listener(event);
  return events[0]!;
}

const error = () =>
  new UnreachableError('said hunter2', { host: 'h1', task: 'hunter2', file: '/hunter2', line: 3, next: 'not hunter2' });

describe('behind a veil', () => {
  it.each<[string, RunEvent]>([
    ['a message', { type: 'message', level: 'info', text: 'a hunter2 b' }],
    [
      'the record of a message',
      { type: 'message', level: 'info', text: '', data: { a: 'hunter2', b: [{ c: ['hunter2', 1, null] }], d: true } },
    ],
    ['a play', { type: 'play-start', play: 'hunter2', hosts: ['h1'], control: false }],
    ['a task', { type: 'task-start', host: 'h1', task: 'hunter2' }],
    ['progress', { type: 'progress', host: 'h1', task: 'hunter2', done: 1, total: 2 }],
    [
      'the end of a task',
      {
        type: 'task-end',
        host: 'h1',
        task: 'hunter2',
        status: 'failed',
        summary: 'hunter2',
        diffs: [{ path: '/hunter2', before: 'a hunter2', after: 'hunter2 b' }],
        durationMs: 1,
        error: error(),
      },
    ],
    ['the end of a run', { type: 'run-end', tallies: new Map(), errors: [error()], exitCode: 4, durationMs: 1 }],
    [
      'many errors',
      {
        type: 'run-end',
        tallies: new Map(),
        errors: [new ManyErrors('hunter2', [error()])],
        exitCode: 4,
        durationMs: 1,
      },
    ],
  ])('%s has no secret', (_, event) => {
    expect(eventLine(event)).toContain('hunter2');
    expect(eventLine(seen(event))).not.toContain('hunter2');
    expect(eventLine(seen(event))).toContain('***');
  });

  it('names of hosts are changed where that is asked for', () => {
    const events: RunEvent[] = [];
    const screen = { listener: (one: RunEvent) => void events.push(one), done: async () => undefined };
    const { listener } = veiled(screen, (text) => text, legibleName);
    const failure = new ManyErrors('m', [new PlayError('x', { host: 'a\nb' })]);
    failure.host = 'a\nb';
    const tally = { ok: 1, changed: 0, skipped: 0, failed: 0, unreachable: 0 };
    const host = 'a\nb';
    const ended = { status: 'failed', summary: '', diffs: [], durationMs: 1, error: failure } as const;
    listener({ type: 'run-start', playbook: 'p', hosts: [host], check: false, diff: false });
    listener({ type: 'play-start', play: 'p', hosts: [host], control: false });
    listener({ type: 'task-start', host, task: 't' });
    listener({ type: 'progress', host, task: 't', done: 1, total: 2 });
    listener({ type: 'task-end', host, task: 't', ...ended });
    listener({ type: 'play-end', play: 'p' });
    listener({ type: 'run-end', tallies: new Map([[host, tally]]), errors: [failure], exitCode: 2, durationMs: 1 });
    const text = events.map((event) => eventLine(event)).join();
    expect(text).not.toContain('a\\nb');
    expect(text.match(/a\\\\x0ab/g)).toHaveLength(10);
  });

  it('an error stays what it is', () => {
    const shown = seen({ type: 'run-end', tallies: new Map(), errors: [error()], exitCode: 4, durationMs: 1 });
    const [first] = (shown as Extract<RunEvent, { type: 'run-end' }>).errors;
    expect(first).toBeInstanceOf(UnreachableError);
    expect(first).toMatchObject({ exitCode: 4, host: 'h1', line: 3 });
    expect(describeError(first)).toBe('h1: [***] /***:3: said ***\n  → not ***');
    expect(describeError(new PlayError('x'))).toBe('x');
  });
});

describe('a text for a terminal', () => {
  it.each([
    ['a\tb\nc', 'a\tb\nc'],
    ['as on Windows\r\nb', 'as on Windows\nb'],
    ['over\rwritten', 'over\\x0dwritten'],
    ['\u001b[2J\u001b]0;title\u0007', '\\x1b[2J\\x1b]0;title\\x07'],
    ['\u009b31m', '\\x9b31m'],
    ['right \u202eto left', 'right \\u202eto left'],
    ['grüße ✓ 数据', 'grüße ✓ 数据'],
  ])('%j is shown as %j', (text, shown) => {
    expect(legible(text)).toBe(shown);
  });
});
