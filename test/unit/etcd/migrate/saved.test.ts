import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readSavedV2, saveV2 } from '../../../../src/etcd/migrate/saved.ts';
import { contentText, overlapText } from '../../../../src/etcd/migrate/text.ts';
import type { V2Reading } from '../../../../src/etcd/v2/still.ts';
import { readTree, type V2Tree } from '../../../../src/etcd/v2/tree.ts';

const folder = mkdtempSync(join(tmpdir(), 'v2-'));
afterAll(() => rmSync(folder, { recursive: true }));

const END = '2026-11-21T16:00:00.500Z';
const node = (key: string, more: object = {}) => ({ key, value: 'x', modifiedIndex: 4, ...more });
const listed = (...nodes: object[]): V2Tree => readTree(JSON.stringify({ node: { dir: true, nodes } }));
const reading = (tree: V2Tree): V2Reading => ({ tree, index: 9, atMs: 0 });
const CLUSTER = { name: 'orders', id: 'abc' };
const NOW = new Date('2026-11-21T15:00:00Z');

it('keys are saved for their owner alone, and read again but for those whose bytes are not known', async () => {
  const tree = listed(node('/a', { expiration: END }), node('/b\n"', { value: '\0\n' }), { key: '/e', dir: true });
  const broken = readTree('{"node":{"dir":true,"nodes":[{"key":"/bad","value":"\\ufffd"}]}}');
  tree.keys.push(...broken.keys);
  tree.unreadable.push(...broken.unreadable);
  const path = await saveV2(folder, CLUSTER, reading(tree), NOW);
  expect(path).toBe(join(folder, 'etcd-v2_orders_20261121T150000Z_i9.jsonl'));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const lines = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(lines).toMatchObject([
    { kind: 'etcd v2 keys', cluster: CLUSTER, index: 9 },
    { key: '/a', value: 'x', expiration: END },
    { key: '/b\n"', value: '\0\n' },
    { key: '/bad', value: '\ufffd', unreadable: true },
    { key: '/e', dir: true },
    { keys: 3 },
  ]);
  const again = await readSavedV2(path);
  expect(again.index).toBe(9);
  expect(again.tree.keys).toEqual([
    { name: '/a', value: 'x', modified: 4, endsAtMs: Date.parse(END) },
    { name: '/b\n"', value: '\0\n', modified: 4 },
  ]);
});

it.each<[string, (path: string) => void]>([
  ['is longer than it was', (path) => appendFileSync(path, '{}\n')],
  ['is cut short', (path) => writeFileSync(path, readFileSync(path, 'utf8').slice(0, -100))],
  ['has another value', (path) => writeFileSync(path, readFileSync(path, 'utf8').replace('"x"', '"y"'))],
  ['is empty', (path) => writeFileSync(path, '')],
])('a file that %s is refused', async (_, harm) => {
  const path = await saveV2(folder, CLUSTER, reading(listed(node('/a'))), NOW);
  harm(path);
  await expect(readSavedV2(path)).rejects.toThrow('its sum differs');
});

it('what v2 holds is told, and what has no place in v3', () => {
  const tree = listed(
    { key: '/d', dir: true, expiration: END, nodes: [node('/d/a'), node('/d/00000000000000000012')] },
    { key: '/e', dir: true },
    node('/_h'),
  );
  expect(contentText('h1', reading(tree), { prefix: '', destPrefix: '' }, 2).split('\n')).toEqual([
    'V2 as h1 serves it, index 9',
    '  3 keys in 1 directory, 2 with an end',
    '  1 key is hidden (/_h): in v3 all see them',
    '  1 directory ends by itself (/d): each key in it gets that end, one that is made later does not',
    '  1 directory is empty (/e): v3 has no directories, they are not brought',
    '  1 key was made in order, by POST: they keep their names, and v3 makes no such names',
    '  2 users of v2: not brought, v3 has its own',
    '  indices are not brought: v3 counts its own revisions',
  ]);
  expect(contentText('h1', reading(tree), { prefix: '/d/', destPrefix: '' }, 0)).toMatch(
    /2 keys in 0 directories below \/d\/, 2 with an end/,
  );
});

it('what v3 has under the same names is told, the first twenty of what differs', () => {
  const different = Array.from({ length: 22 }, (_, at) => ({
    name: `/k${at}`,
    how: at === 0 ? 'other end' : 'other value',
  }));
  const found = { keys: 30, missing: 5, same: 2, late: 1, short: 1, unreadable: ['/b'], unrest: undefined };
  const said = overlapText({ ...found, different, nameless: [], large: [] }).split('\n');
  expect(said.slice(0, 4)).toEqual([
    'V3 under these 30 names',
    '  5 are not there, 2 are there with the same value and end, 1 with a lease of an earlier run that ends at another time',
    '  /k0 is there with another end',
    '  /k1 is there with another value',
  ]);
  expect(said.slice(-3)).toEqual([
    '  … and 2 more are there otherwise',
    '  1 key ends within seconds: waited for, not brought',
    '  1 key holds bytes that are no UTF-8 (/b): v2 does not give them out',
  ]);
});
