import { describe, expect, it } from 'vitest';
import { checkedOwnership } from '../../../src/resource/checked-ownership.ts';
import { checkedPath } from '../../../src/resource/checked-path.ts';

describe('owner, group and mode', () => {
  it.each([
    [{ mode: 0o644 }, { owner: 'root', group: 'root', mode: 0o644 }],
    [
      { mode: 0o600, owner: 'web' },
      { owner: 'web', group: 'web', mode: 0o600 },
    ],
    [
      { mode: 0o4755, owner: 'web', group: 'adm' },
      { owner: 'web', group: 'adm', mode: 0o4755 },
    ],
    [{ mode: 0 }, { owner: 'root', group: 'root', mode: 0 }],
  ])('given as %j are %j', (given, meant) => {
    expect(checkedOwnership(given, '/x')).toEqual(meant);
  });

  it.each([
    [{ mode: 644 }, 'the mode 644 is 0o1204'],
    [{ mode: 755 }, 'the mode 755 is 0o1363'],
    [{ mode: -1 }, '-1 is no mode'],
    [{ mode: 0o10000 }, '4096 is no mode'],
    [{ mode: Number.NaN }, 'NaN is no mode'],
    [{ mode: 0o644, owner: '' }, "cannot belong to ''"],
    [{ mode: 0o644, owner: '1000' }, "cannot belong to '1000'"],
    [{ mode: 0o644, owner: 'a:b' }, "cannot belong to 'a:b'"],
    [{ mode: 0o644, group: 'a\nb' }, 'cannot belong to'],
  ])('are refused as %j', (given, words) => {
    expect(() => checkedOwnership(given, '/x')).toThrow(words);
  });
});

describe('a path of a host', () => {
  it.each([
    ['/a/b', '/a/b'],
    ['/a/b/', '/a/b'],
    ['/', '/'],
    ['/a/..b', '/a/..b'],
  ])('%j is %j', (given, meant) => {
    expect(checkedPath(given, 'x')).toBe(meant);
  });

  it.each(['', 'a', './a', '/a/../b', '/a/.', '/..'])('%j is refused', (given) => {
    expect(() => checkedPath(given, 'x')).toThrow('wants an absolute path');
  });
});
