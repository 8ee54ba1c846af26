import { describe, expect, it } from 'vitest';
import { unit } from '../../../src/resource/service.ts';
import { execWord, serviceText, type TimerWish, timer, timerText } from '../../../src/resource/timer.ts';
import { found, state } from './on-this-machine.ts';

const wish: TimerWish = {
  name: 'tidy',
  description: 'tidy up, 100 %',
  onCalendar: ['Mon..Fri 03:30', 'Sun 12:00'],
  command: ['/usr/bin/find', '/tmp', '-name', '*.old'],
};

describe('the units of a timer', () => {
  it('are a service that runs the command', () => {
    expect(serviceText({ ...wish, user: 'web', timeoutMs: 90_000 })).toBe(`[Unit]
Description=tidy up, 100 %%

[Service]
Type=oneshot
User=web
TimeoutStartSec=90000ms
ExecStart="/usr/bin/find" "/tmp" "-name" "*.old"
`);
  });

  it('are a timer that starts it', () => {
    expect(timerText({ ...wish, randomizedDelayMs: 60_000 })).toBe(`[Unit]
Description=tidy up, 100 %%

[Timer]
OnCalendar=Mon..Fri 03:30
OnCalendar=Sun 12:00
Persistent=true
RandomizedDelaySec=60000ms

[Install]
WantedBy=timers.target
`);
    expect(timerText({ ...wish, persistent: false })).not.toContain('Persistent');
  });

  it('are stopped before they are removed', () => {
    expect(timer({ ...wish, present: false }).map(({ kind, id }) => `${kind} ${id}`)).toEqual([
      'service tidy.timer',
      'unit tidy.timer',
      'unit tidy.service',
    ]);
  });

  it.each([
    ['plain', '"plain"'],
    ['', '""'],
    ['a "b"', '"a \\"b\\""'],
    ['$HOME', '"$$HOME"'],
    ['%h', '"%%h"'],
    ['a\\b', '"a\\\\b"'],
    ['a\nb\tc', '"a\\nb\\tc"'],
  ])('write the word %j as %s', (word, text) => {
    expect(execWord(word)).toBe(text);
  });

  it.each<[Partial<TimerWish>, string]>([
    [{ name: 'a b' }, 'a unit cannot be called'],
    [{ command: [] }, 'begins with an absolute path'],
    [{ command: ['find'] }, 'begins with an absolute path'],
    [{ user: '0' }, "a user cannot be called '0'"],
    [{ description: 'a\nb' }, 'cannot hold this in one line'],
    [{ description: 'a\\' }, 'cannot hold this in one line'],
    [{ onCalendar: 'daily\nx' }, 'cannot hold this in one line'],
  ])('are refused for %j', (wrong, words) => {
    expect(() => timer({ ...wish, ...wrong })).toThrow(words);
  });
});

describe('a unit that is not to be', () => {
  const path = '/etc/systemd/system/x.service';
  it.each([
    ['absent', undefined],
    ['file', 'no unit file'],
    ['link', 'no unit file'],
  ] as const)('where one finds %s is %s', (type, summary) => {
    const resource = unit({ name: 'x.service', present: false });
    expect(resource.compare(found({ [path]: state(type) }, {}, 'no'))?.summary).toBe(summary);
  });

  it('is another thing than one without content', () => {
    expect(() => unit({ name: 'x.service' })).toThrow('the unit x.service has no content');
    expect(() => unit({ name: 'x', content: 'x' })).toThrow('has its type in its name');
  });
});
