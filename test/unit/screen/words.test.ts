import { describe, expect, it } from 'vitest';
import { ManyErrors, PlayError, UnreachableError } from '../../../src/errors.ts';
import { coloured, errorText, formatDuration, plain, recap, STATUS_STYLE } from '../../../src/screen/words.ts';
import { runEnd } from './events.ts';

describe('a duration', () => {
  it.each([
    [0, '0 ms'],
    [0.4, '0 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [1000, '1.0 s'],
    [59_940, '59.9 s'],
    [59_970, '1 min 0 s'],
    [60_000, '1 min 0 s'],
    [119_600, '2 min 0 s'],
    [3_725_000, '62 min 5 s'],
  ])('of %d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('the recap', () => {
  it('has a line for each host that something was done on, in columns, and the time', () => {
    const text = recap(runEnd({ h1: { ok: 12, changed: 3 }, 'a-long-name': { failed: 1 }, idle: {} }), plain);
    expect(text.split('\n')).toEqual([
      'RECAP',
      'h1          : ok=12  changed=3   unreachable=0   failed=0   skipped=0',
      'a-long-name : ok=0   changed=0   unreachable=0   failed=1   skipped=0',
      '2.3 s in all',
    ]);
  });

  it('has no head where nothing was done', () => {
    expect(recap(runEnd({ h1: {} }), plain)).toBe('2.3 s in all');
  });

  it('tells all errors after the hosts, and how to go on after an interruption', () => {
    const errors = [new PlayError('a failed', { host: 'h1', next: 'Do this.' }), new UnreachableError('b is lost')];
    const lines = recap(runEnd({ h1: { failed: 1 } }, errors, 130), plain).split('\n');
    expect(lines.slice(2)).toEqual([
      'ERROR h1: a failed',
      '  → Do this.',
      'ERROR b is lost',
      'Interrupted. Run the same command again to go on.',
      '2.3 s in all',
    ]);
  });

  it('marks hosts by the worst that happened to them', () => {
    const text = recap(
      runEnd({ good: { ok: 1 }, new: { ok: 1, changed: 1 }, bad: { changed: 1, failed: 1 }, gone: { unreachable: 1 } }),
      (style, words) => `<${style}>${words}`,
    );
    for (const [name, style] of Object.entries({ good: 'green', new: 'yellow', bad: 'red', gone: 'red' })) {
      expect(text).toContain(`<${style}>${name.padEnd(8)} :`);
    }
  });
});

describe('an error in print', () => {
  it('that many hosts have is told once, with some of them', () => {
    const errors = Array.from(
      { length: 12 },
      (_, n) => new PlayError('no room', { host: `h${n}`, next: 'Make room.' }),
    );
    const text = recap(runEnd({}, [...errors, new PlayError('other', { host: 'h1' })], 2), plain);
    expect(text).toBe(
      'ERROR h0, h1, h2, h3, h4, h5, h6, h7 and 4 more: no room\n  → Make room.\nERROR h1: other\n2.3 s in all',
    );
  });

  it('shows the line of code that it is about, and the last words of a command', () => {
    const error = new PlayError('oops', { file: '/p.ts', line: 12, code: '  x();', details: ['a', 'b'], next: 'Do.' });
    expect(errorText(error, plain)).toBe('ERROR /p.ts:12: oops\n  12 |   x();\n    a\n    b\n  → Do.');
  });

  it('holds each of several, with its own way out', () => {
    const many = new ManyErrors('Two things:', [
      new PlayError('a', { next: 'Do a.' }),
      new PlayError('b', { host: 'h' }),
    ]);
    expect(errorText(many, plain)).toBe('ERROR Two things:\n  a\n    → Do a.\n  h: b');
  });
});

describe('colours', () => {
  it('are switched on and off again round a text, and leave it out of the plain one', () => {
    expect(coloured('red', 'x')).toBe('\u001b[31mx\u001b[39m');
    expect(plain('red', 'x')).toBe('x');
  });

  it('are there for every way in which a task can end', () => {
    expect(Object.keys(STATUS_STYLE).toSorted()).toEqual(
      ['changed', 'failed', 'ok', 'skipped', 'unknown', 'unreachable', 'would change'].toSorted(),
    );
  });
});
