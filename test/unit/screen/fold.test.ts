import { describe, expect, it } from 'vitest';
import { folded } from '../../../src/screen/fold.ts';
import { coloured } from '../../../src/screen/words.ts';

describe('a text in a narrow window', () => {
  it.each<[string, string, string]>([
    ['that has room for it stays', 'one two three', 'one two three'],
    ['goes on below, between words', 'one two three four five', 'one two three four\n  five'],
    ['goes on under its own beginning', '     one two three four', '     one two three\n     four'],
    ['goes on behind an arrow', '  → one two three four', '  → one two three\n    four'],
    ['goes on behind a number', '  1. one two three four', '  1. one two three\n     four'],
    [
      'never uses up the window by its margin',
      `${' '.repeat(14)}one two three`,
      `${' '.repeat(14)}one\n${' '.repeat(10)}two three`,
    ],
    ['keeps its other lines', 'short\none two three four five\n\nend', 'short\none two three four\n  five\n\nend'],
    ['keeps a word that is too long', `one ${'x'.repeat(30)} two`, `one\n  ${'x'.repeat(30)}\n  two`],
    ['counts wide signs twice', '主机一 主机二 主机三四', '主机一 主机二\n  主机三四'],
    ['keeps a table as it is', '| one two | three four five |', '| one two | three four five |'],
    ['keeps the rule of a table', '+--------------------------+', '+--------------------------+'],
    ['keeps a command as it is', 'sudo etcdctl --endpoints x get y', 'sudo etcdctl --endpoints x get y'],
    ['keeps a setting as it is', 'ETCDCTL_API=3 etcdctl get something', 'ETCDCTL_API=3 etcdctl get something'],
  ])('%s', (_, text, wanted) => {
    expect(folded(text, 20)).toBe(wanted);
  });

  const table = [
    '+----+-------+',
    '| ID | ADDRS |',
    '+----+-------+',
    '| 1a | x:1   |',
    '| 2b |       |',
    '+----+-------+',
  ];

  it('turns a table that it has no room for, and only that', () => {
    const text = ['members:', ...table, 'end'].join('\n');
    expect(folded(text, 14)).toBe(text);
    expect(folded(text, 13)).toBe(['members:', '- ID     1a', '  ADDRS  x:1', '- ID     2b', 'end'].join('\n'));
  });

  it('leaves alone what only looks like a table', () => {
    const text = [...table.slice(0, 4), 'and no end'].join('\n');
    expect(folded(text, 13)).toBe(text);
  });

  it('does not count colours', () => {
    const text = `${coloured('red', 'ERROR')} one two three`;
    expect(folded(text, 20)).toBe(text);
  });

  it('stays as it is where lines may have any length', () => {
    expect(folded('one two three four five six', undefined)).toBe('one two three four five six');
  });
});
