import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parseEnvironmentFile, quoteEnvironmentValue } from '../../../src/etcd/environment-file.ts';

const nasty = [
  'plain',
  'a b',
  '  blanks at both ends  ',
  `it's "quoted"`,
  'back\\slash',
  'end\\',
  '$HOME ${X} $(id) `id`',
  'a#b',
  '# c',
  ';x',
  '%h',
  '\\"',
  '\\$',
  '数据',
  'tab\there',
  '',
  '*=WARNING',
];

describe('a value in an environment file', () => {
  it.each(nasty)('%j is read back as it was', (value) => {
    expect(parseEnvironmentFile(`A=${quoteEnvironmentValue(value)}\nB=1\n`)).toEqual(
      new Map([
        ['A', value],
        ['B', '1'],
      ]),
    );
  });

  it.each(nasty)('%j is read by a shell as it was', (value) => {
    const script = `A=${quoteEnvironmentValue(value)}; printf %s "$A"`;
    expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(value);
  });

  it.each(['a\nETCD_NAME=x', 'a\rb', 'a\0b', '\u001b[31m'])('%j is refused', (value) => {
    expect(() => quoteEnvironmentValue(value)).toThrow(TypeError);
  });
});

// What systemd 257 makes of the same lines.
describe('an environment file is read as systemd does:', () => {
  it.each([
    ['a bare value ends before its last blanks', 'A=bare value   ', 'bare value'],
    ['blanks before a value do not count', 'A=   x', 'x'],
    ['blanks round the name do not count', '  A = x', 'x'],
    ['single quotes keep everything', String.raw`A='a "q" $x \n'`, String.raw`a "q" $x \n`],
    ['quoted parts are put together', `A='a'"b" "c"`, 'abc'],
    ['bare text may follow quotes', 'A="a"b c', 'ab c'],
    ['quotes within bare text are letters', `A=a"b"c 'd'`, `a"b"c 'd'`],
    ['a backslash takes a bare letter as it is', String.raw`A=a\\x\"y`, String.raw`a\x"y`],
    ['a backslash keeps a blank at the end', 'A=esc\\ ', 'esc '],
    ['a backslash joins lines', 'A=a\\\nb', 'ab'],
    ['a quoted value goes over lines', 'A="a\nb"', 'a\nb'],
    ['quotes escape only what they must', 'A="\\x \\\\ \\" \\$ \\`"', '\\x \\ " $ `'],
    ['a comment behind a value belongs to it', 'A=x # c', 'x # c'],
    ['the last of two counts', 'A=1\nA=2', '2'],
    ['a line may end as on Windows', 'A=x\r\nB=y', 'x'],
    ['a value may be empty', 'A=\nB=1', ''],
    ['a comment is no setting', '#A=1\n;A=2', undefined],
    ['a line without = is no setting', 'A\nB=1', undefined],
    ['a name of two words is no setting', 'export A=1', undefined],
  ])('%s', (_, text, expected) => {
    expect(parseEnvironmentFile(text).get('A')).toBe(expected);
  });
});
