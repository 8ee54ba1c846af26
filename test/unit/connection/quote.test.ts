import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/connection/connection.ts';
import { quote } from '../../../src/connection/quote.ts';
import { chance } from '../inventory/random.ts';
import { localShell } from './local-shell.ts';

let shell: Connection;
beforeAll(async () => {
  shell = await localShell();
});
afterAll(() => shell.close());

describe('a quoted word', () => {
  it.each([
    ['plain-1.2_3/@%+=:,', 'plain-1.2_3/@%+=:,'],
    ['', `''`],
    ['a b', `'a b'`],
    ["it's", `'it'\\''s'`],
    ['$x', `'$x'`],
    ['~', `'~'`],
    ['a\nb', `'a\nb'`],
  ])('of %j is %j', (word, quoted) => {
    expect(quote(word)).toBe(quoted);
  });

  it('cannot hold a NUL, which no shell can carry', () => {
    expect(() => quote('a\0b')).toThrow(/NUL/);
  });

  it('comes out of a shell as it went in, whatever it is made of', async () => {
    const { some, below } = chance(4);
    const parts = [
      "'",
      '"',
      '\\',
      '$',
      '`',
      '(',
      ')',
      ' ',
      '\t',
      '\n',
      '!',
      '*',
      '~',
      '#',
      '-',
      'ž',
      '🦀',
      'a',
      '=',
      ';',
      '&',
    ];
    const words = Array.from({ length: 300 }, () => some(parts, below(12)).join(''));
    const { stdout } = await shell.run(`printf '%s\\0' ${words.map(quote).join(' ')}`);
    expect(stdout.split('\0').slice(0, -1)).toEqual(words);
  });
});
