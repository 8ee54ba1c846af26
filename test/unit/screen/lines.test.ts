import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../../src/runner/events.ts';
import { linesScreen } from '../../../src/screen/lines.ts';
import { runEnd, sink, taskEnd } from './events.ts';

const diffs = [{ path: '/etc/x', before: 'a\n', after: 'b\n' }];

async function shown(events: RunEvent[], options: { diff?: boolean; verbosity?: number; colour?: boolean } = {}) {
  const { out, text } = sink();
  const screen = linesScreen({ out, colour: false, diff: false, verbosity: 0, ...options });
  for (const event of events) screen.listener(event);
  await screen.done();
  return text();
}

describe('a run in lines', () => {
  it('has a line for each task of each host, under the name of its play', async () => {
    const text = await shown([
      { type: 'run-start', playbook: 'create_etcd', hosts: ['h1', 'h2'], check: false, diff: false },
      { type: 'play-start', play: 'Look', hosts: ['h1'], control: false },
      { type: 'task-start', host: 'h1', task: 't' },
      { type: 'progress', host: 'h1', task: 't', done: 1, total: 2 },
      taskEnd('h1', 't', 'changed', { summary: '/etc/x: content' }),
      taskEnd('h2', 't'),
      { type: 'play-end', play: 'Look' },
      { type: 'message', level: 'info', text: 'PLAN' },
      { type: 'message', level: 'warning', text: 'take care' },
      runEnd({ h1: { changed: 1 } }),
    ]);
    expect(text.split('\n')).toEqual([
      'create_etcd on h1, h2',
      '',
      'Look',
      '  changed: [h1] t (/etc/x: content)',
      '  ok: [h2] t',
      'PLAN',
      'WARNING take care',
      '',
      'RECAP',
      'h1       : ok=0   changed=1   unreachable=0   failed=0   skipped=0',
      '2.3 s in all',
      '',
    ]);
  });

  it('says when it is only a check', async () => {
    expect(await shown([{ type: 'run-start', playbook: 'p', hosts: ['h'], check: true, diff: false }])).toBe(
      'p on h (check mode)\n',
    );
  });

  it('shows differences, times and colours only where they are asked for', async () => {
    const event = taskEnd('h1', 't', 'changed', { diffs });
    expect(await shown([event])).toBe('  changed: [h1] t\n');
    expect(await shown([event], { diff: true })).toContain('-a\n+b\n');
    expect(await shown([event], { verbosity: 1 })).toContain('1.2 s');
    expect(await shown([event], { colour: true })).toContain('\u001b[33mchanged:');
  });

  // `play … | head` closes the pipe.
  it('goes on when nobody reads it any more', async () => {
    const { out } = sink();
    const { listener } = linesScreen({ out, colour: false, diff: false, verbosity: 0 });
    listener(taskEnd('h1', 't'));
    out.destroy(new Error('EPIPE'));
    listener(taskEnd('h2', 't'));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(out.destroyed).toBe(true);
  });
});
