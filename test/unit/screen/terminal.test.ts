import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PlayError } from '../../../src/errors.ts';
import type { RunEvent } from '../../../src/runner/events.ts';
import { terminalScreen } from '../../../src/screen/terminal.ts';
import { runEnd, taskEnd } from './events.ts';
import { Window } from './window.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setImmediate', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const begin = (hosts: string[], control = false): RunEvent[] => [
  { type: 'run-start', playbook: 'p', hosts, check: false, diff: false },
  { type: 'play-start', play: 'First', hosts, control },
];
const start = (host: string, task: string): RunEvent => ({ type: 'task-start', host, task });
const end: RunEvent = { type: 'play-end', play: 'First' };

function screenOn(window: Window, options: { diff?: boolean; verbosity?: number; colour?: boolean } = {}) {
  const out = window as unknown as NodeJS.WritableStream;
  const screen = terminalScreen({ out, colour: false, diff: false, verbosity: 0, ...options });
  const show = (events: readonly RunEvent[]) => {
    for (const event of events) screen.listener(event);
    vi.advanceTimersByTime(100);
    // The frame itself comes a moment after its time.
    vi.advanceTimersByTime(1);
  };
  return { show, done: screen.done };
}

const withoutTimes = (text: string) => text.replace(/[\d.]+ (ms|s)\b/g, 'T');

describe('a run on a terminal', () => {
  it('has a row for each host, which changes in its place, and all else above it', () => {
    const window = new Window(80, 24);
    const { show } = screenOn(window);
    show([...begin(['h1', 'h2']), start('h1', 'Look')]);
    expect(withoutTimes(window.text)).toBe('p on h1, h2\n\nFirst\n⠙ h1  Look  T\n· h2  waiting');
    expect(window.cursorVisible).toBe(false);
    show([{ type: 'message', level: 'warning', text: 'take care' }, taskEnd('h1', 'Look')]);
    expect(withoutTimes(window.text)).toBe('p on h1, h2\n\nFirst\nWARNING take care\n· h1  1 ok  T\n· h2  waiting');
    show([taskEnd('h2', 'Look'), end, runEnd({ h1: { ok: 1 }, h2: { ok: 1 } })]);
    expect(withoutTimes(window.text)).toBe(
      [
        'p on h1, h2\n\nFirst\nWARNING take care\n✔ h1  1 ok  T\n✔ h2  1 ok  T\n\nRECAP',
        'h1       : ok=1   changed=0   unreachable=0   failed=0   skipped=0',
        'h2       : ok=1   changed=0   unreachable=0   failed=0   skipped=0',
        'T in all',
      ].join('\n'),
    );
    expect(window.cursorVisible).toBe(true);
  });

  it('writes each frame at once, and nothing where nothing has changed', () => {
    const window = new Window(80, 24);
    const { show } = screenOn(window);
    show([...begin(['h1']), taskEnd('h1', 't')]);
    const before = window.writes.length;
    show([]);
    expect(window.writes.length).toBe(before);
    show([start('h1', 'u')]);
    expect(window.writes.length).toBe(before + 1);
    // Overwritten, not wiped first: a wiped line would be seen to blink.
    expect(window.writes.at(-1)!.indexOf('\u001b[J')).toBeGreaterThan(window.writes.at(-1)!.indexOf('h1'));
  });

  it.each([40, 80, 200])('breaks no row of its board in a window of %d columns', (columns) => {
    const window = new Window(columns, 24);
    const { show } = screenOn(window);
    const hosts = ['主机一', 'b', 'a-host-with-a-rather-long-name.example.com'];
    show([
      ...begin(hosts, true),
      ...hosts.map((host) => start(host, 'Wait for the 数据库 to come up, and be quite ready')),
    ]);
    show([...hosts.map((host) => taskEnd(host, 'Wait')), end]);
    expect(window.broken).toBe(false);
  });

  it('has a row for each task where hosts are many, and prints it for good when all have done it', () => {
    const window = new Window(60, 10);
    const { show } = screenOn(window);
    const hosts = Array.from({ length: 200 }, (_, n) => `web-${n}`);
    show([...begin(hosts), ...hosts.map((host) => start(host, 'A'))]);
    expect(withoutTimes(window.text)).toBe('p on 200 hosts\n\nFirst\n⠙ A  0/200  T');
    show([...hosts.map((host) => taskEnd(host, 'A', 'changed')), start('web-7', 'B')]);
    expect(withoutTimes(window.text)).toBe('p on 200 hosts\n\nFirst\n✔ A  200 changed  T\n⠹ B  0/200 · at web-7  T');
    for (let n = 0; n < 30; n++) show(hosts.map((host) => taskEnd(host, `C${n}`)));
    show([end]);
    // The window is full by now: what was printed went out at its top, each line once.
    const lines = withoutTimes(window.text).split('\n');
    expect(lines.filter((line) => line.startsWith('✔ C'))).toHaveLength(30);
    expect(window.cursorVisible).toBe(true);
  });

  it('shows a difference when it is known, under its host and task', () => {
    const window = new Window(80, 24);
    const { show } = screenOn(window, { diff: true });
    const diffs = [{ path: '/etc/x', before: 'a\n', after: 'b\n' }];
    show([...begin(['h1']), taskEnd('h1', 't', 'changed', { diffs }), start('h1', 'u')]);
    expect(withoutTimes(window.text)).toContain(
      '  changed: [h1] t\n--- /etc/x\n+++ /etc/x\n@@ -1,1 +1,1 @@\n-a\n+b\n⠙ h1  u',
    );
  });

  it('names for good what would change and what is unknown in check mode, above its board', () => {
    const window = new Window(80, 24);
    const { show } = screenOn(window);
    show([
      ...begin(['h1', 'h2']),
      taskEnd('h1', 'Is there', 'ok'),
      taskEnd('h1', 'Secret is there', 'would change', { summary: '/etc/x: new file' }),
      taskEnd('h2', 'Step is done', 'unknown', { summary: 'not done in check mode' }),
      taskEnd('h2', 'Not here', 'skipped'),
      end,
    ]);
    show([runEnd({ h1: { ok: 1, changed: 1 }, h2: { skipped: 1, unknown: 1 } })]);
    expect(withoutTimes(window.text)).toContain(
      [
        'First',
        '  would change: [h1] Secret is there (/etc/x: new file)',
        '  unknown: [h2] Step is done (not done in check mode)',
        '✔ h1  1 ok, 1 would change  T',
        '✔ h2  1 unknown, 1 skipped  T',
        '',
        'RECAP',
      ].join('\n'),
    );
  });

  it('names what was changed where differences are to be shown, also where there is no text to show', () => {
    const changed = taskEnd('h1', 'User is there', 'changed', { summary: 'me: new user' });
    const [shown, hidden] = [true, false].map((diff) => {
      const window = new Window(80, 24);
      const { show } = screenOn(window, { diff });
      show([...begin(['h1']), taskEnd('h1', 'Is there'), changed, end]);
      return withoutTimes(window.text);
    });
    expect(shown).toContain('First\n  changed: [h1] User is there (me: new user)\n✔ h1');
    expect(hidden).toContain('First\n✔ h1');
  });

  it.each([1, 200])('breaks no such line between signs in a narrow window, with %d hosts', (count) => {
    const window = new Window(40, 10);
    const { show } = screenOn(window);
    const hosts = Array.from({ length: count }, (_, n) => `node-${n}.example.com`);
    const name = 'Certificate of the member is there and fits';
    show([...begin(hosts), ...hosts.map((host) => taskEnd(host, name, 'would change', { summary: '/a/b: content' }))]);
    show([end, runEnd(Object.fromEntries(hosts.map((host) => [host, { changed: 1 }])))]);
    expect(window.broken).toBe(false);
    const words = window.text.replace(/\s+/g, ' ');
    for (const host of hosts) expect(words).toContain(`would change: [${host}] ${name} (/a/b: content)`);
  });

  it('has a line for each task with -v', () => {
    const window = new Window(80, 24);
    const { show } = screenOn(window, { verbosity: 1 });
    show([...begin(['h1']), taskEnd('h1', 't', 'changed', { summary: '/etc/x: content' }), end]);
    expect(window.text).toContain('First\n  changed: [h1] t (/etc/x: content) 1.2 s\n✔ h1  1 changed');
  });

  it('shows why a host failed in its row, and all of it in the recap', () => {
    const window = new Window(60, 24);
    const { show } = screenOn(window);
    const error = new PlayError('x failed with exit status 3', {
      host: 'h1',
      task: 't',
      details: ['a', 'b'],
      next: 'Do.',
    });
    show([...begin(['h1']), taskEnd('h1', 't', 'failed', { summary: 'x failed: b', error }), end]);
    show([runEnd({ h1: { failed: 1 } }, [error], 2)]);
    expect(withoutTimes(window.text)).toContain('✖ h1  t: x failed: b  T\n');
    expect(window.text).toContain('ERROR h1: [t] x failed with exit status 3\n    a\n    b\n  → Do.');
  });

  it('keeps a recap in a narrow window to what is not nothing', () => {
    const window = new Window(40, 24);
    const { show } = screenOn(window);
    const long = 'a-host-with-a-rather-long-name.example.com';
    show([...begin(['h1', long]), end, runEnd({ h1: { ok: 3, changed: 2 }, [long]: { ok: 1, failed: 1 } })]);
    expect(window.text).toContain(
      'RECAP\nh1       : ok=3 changed=2\na-host-with-a-rather-long-name.example.c\nom\n         : ok=1 failed=1\n',
    );
  });

  it('leaves the cursor to be seen also where it ends in the middle of a play', async () => {
    const window = new Window(40, 24);
    const { show, done } = screenOn(window);
    show([...begin(['h1']), start('h1', 't')]);
    expect(window.cursorVisible).toBe(false);
    await done();
    expect(window.cursorVisible).toBe(true);
  });
});
