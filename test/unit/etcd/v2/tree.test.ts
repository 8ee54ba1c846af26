import { describe, expect, it } from 'vitest';
import { above, isHidden, mergeTrees, readTree, shown } from '../../../../src/etcd/v2/tree.ts';

const answer = (...nodes: object[]) => JSON.stringify({ action: 'get', node: { dir: true, nodes } });
const AT = '2026-11-21T16:00:00.5Z';
const LATER = '2026-11-21T17:00:00Z';
const [at, later] = [Date.parse(AT), Date.parse(LATER)];

describe('what an answer of /v2/keys holds', () => {
  it.each([
    ['nothing', answer(), []],
    ['an empty value', answer({ key: '/a', value: '', modifiedIndex: 3 }), [{ name: '/a', value: '', modified: 3 }]],
    [
      'a key with an end',
      answer({ key: '/a', value: 'x', expiration: AT, ttl: 5, modifiedIndex: 3 }),
      [{ name: '/a', value: 'x', modified: 3, endsAtMs: at }],
    ],
    [
      'a key that ends with its directory',
      answer({
        key: '/d',
        dir: true,
        expiration: AT,
        nodes: [
          { key: '/d/a', value: '1', modifiedIndex: 4 },
          { key: '/d/b', value: '2', expiration: LATER, modifiedIndex: 5 },
        ],
      }),
      [
        { name: '/d/a', value: '1', modified: 4, endsAtMs: at },
        { name: '/d/b', value: '2', modified: 5, endsAtMs: at },
      ],
    ],
    [
      'a key that ends before its directory',
      answer({ key: '/d', dir: true, expiration: LATER, nodes: [{ key: '/d/a', value: '', expiration: AT }] }),
      [{ name: '/d/a', value: '', modified: 0, endsAtMs: at }],
    ],
    [
      'one key alone',
      '{"node":{"key":"/_x","value":"y","modifiedIndex":1}}',
      [{ name: '/_x', value: 'y', modified: 1 }],
    ],
  ])('%s', (_, json, keys) => {
    expect(readTree(json).keys).toEqual(keys);
  });

  it.each([
    ['bytes that are no text', '"\\ufffd"', ['/a'], '\ufffd'],
    ['the sign for them itself', '"\ufffd"', [], '\ufffd'],
    ['its spelling as a text', '"\\\\ufffd"', [], '\\ufffd'],
    ['its spelling behind a backslash', '"\\\\\\\\ufffd"', [], '\\\\ufffd'],
    ['a backslash before such bytes', '"\\\\\\ufffd"', ['/a'], '\\\ufffd'],
    ['zero bytes and line ends', '"\\u0000\\n"', [], '\0\n'],
  ])('%s', (_, value, unreadable, text) => {
    const tree = readTree(`{"node":{"dir":true,"nodes":[{"key":"/a","value":${value}}]}}`);
    expect(tree.unreadable).toEqual(unreadable);
    expect(shown(tree.keys[0]!.value)).toBe(text);
  });

  it('directories, empty ones, and those that end', () => {
    const tree = readTree(
      answer({ key: '/e', dir: true }, { key: '/t', dir: true, expiration: AT, nodes: [{ key: '/t/a', value: '' }] }),
    );
    expect([tree.directories, tree.empty, tree.endingDirectories]).toEqual([['/t'], ['/e'], ['/t']]);
  });
});

it('what holds a hidden key is not empty, and a hidden key ends with what it lies in', () => {
  const listed = readTree(answer({ key: '/d', dir: true, expiration: AT }, { key: '/e', dir: true }));
  const hidden = readTree(JSON.stringify({ node: { key: '/d/_h', value: 'x', modifiedIndex: 7 } }));
  const merged = mergeTrees(listed, [hidden]);
  expect(merged.keys).toEqual([{ name: '/d/_h', value: 'x', modified: 7, endsAtMs: at }]);
  expect([merged.directories, merged.empty]).toEqual([['/d'], ['/e']]);
  expect(later).toBeGreaterThan(at);
});

it.each([
  ['/a', [], false],
  ['/a/b', ['/a'], false],
  ['/a_b/c/d', ['/a_b', '/a_b/c'], false],
  ['/a/_b/c', ['/a', '/a/_b'], true],
  ['/_a', [], true],
])('%s lies in %j', (name, directories, hidden) => {
  expect([above(name), isHidden(name)]).toEqual([directories, hidden]);
});
