import { expect, it } from 'vitest';
import { changesBetween, some, unrest, type V2Reading } from '../../../../src/etcd/v2/still.ts';
import type { V2Key } from '../../../../src/etcd/v2/tree.ts';

const key = (name: string, modified = 1, endsAtMs?: number): V2Key => ({
  name,
  value: '',
  modified,
  ...(endsAtMs !== undefined && { endsAtMs }),
});
/** @param ends of keys and directories themselves, where that is not the end of the keys. */
function reading(index: number, keys: V2Key[], ends?: [string, number][]): V2Reading {
  const own = keys.flatMap(({ name, endsAtMs }): [string, number][] => (endsAtMs ? [[name, endsAtMs]] : []));
  const tree = { keys, directories: [], empty: [], endingDirectories: [], unreadable: [], ends: new Map(ends ?? own) };
  return { tree, index, atMs: 10_000 };
}

it.each([
  ['nothing moved', reading(5, [key('/a')]), reading(5, [key('/a')]), undefined],
  ['a key was written anew', reading(5, [key('/a')]), reading(6, [key('/a', 6)]), '1 key was written (/a)'],
  ['a key was made', reading(5, []), reading(6, [key('/a', 6)]), '1 key was written (/a)'],
  ['a key was deleted', reading(5, [key('/a')]), reading(6, []), '1 key was deleted (/a)'],
  ['a key ended', reading(5, [key('/a', 1, 9_000)]), reading(6, []), undefined],
  ['a key ended by the clock of another member', reading(5, [key('/a', 1, 11_000)]), reading(6, []), undefined],
  ['a key was deleted before its end', reading(5, [key('/a', 1, 60_000)]), reading(6, []), '1 key was deleted (/a)'],
  [
    'a directory ended with its keys, in one change',
    reading(5, [key('/d/a', 1, 9_000), key('/d/b', 1, 9_000)], [['/d', 9_000]]),
    reading(6, [], []),
    undefined,
  ],
  [
    'an end was set further',
    reading(5, [key('/a', 1, 9_000)]),
    reading(6, [key('/a', 6, 99_000)]),
    '1 key was written (/a)',
  ],
  ['something moved that is not listed', reading(5, []), reading(7, []), 'its index moved by 2, unseen in the keys'],
  [
    'a key ended, and something moved that is not listed',
    reading(5, [key('/a', 1, 9_000)]),
    reading(7, []),
    'its index moved by 1, unseen in the keys',
  ],
])('%s', (_, before, after, words) => {
  expect(unrest(changesBetween(before, after))).toBe(words);
});

it('names a few, and counts the rest', () => {
  expect(some(['/a', '/b'])).toBe('/a, /b');
  expect(some(['1', '2', '3', '4', '5', '6', '7'])).toBe('1, 2, 3, 4, 5 and 2 more');
});
