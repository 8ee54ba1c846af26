import { describe, expect, it } from 'vitest';
import { cutOverText, type MirrorFound, planMirror } from '../../../../src/etcd/plan/mirror.ts';

const found: MirrorFound = {
  from: { name: 'old', id: 'a1' },
  to: { name: 'new', id: 'b2' },
  prefix: '',
  destPrefix: '',
  overlaps: true,
  keys: 12,
  leased: 0,
  nameless: 0,
  isKubernetes: false,
  missing: 12,
  other: 0,
  extra: 0,
  namedExtra: [],
  policy: 'refuse',
  follow: undefined,
  folder: '/backups/keys',
};

const plan = (more: Partial<MirrorFound> = {}) => planMirror({ ...found, ...more });
const does = (more: Partial<MirrorFound> = {}) => {
  const made = plan(more);
  return made.kind === 'plan' ? made.steps.map((step) => step.does) : made.refusals.map(({ reason }) => `NO ${reason}`);
};

describe('what mirroring comes to', () => {
  it.each<[string, Partial<MirrorFound>, string[]]>([
    [
      'a copy of all',
      {},
      ['copy 12 keys of 12', 'follow the changes until it is level', 'compare both sides, key by key'],
    ],
    [
      'nothing to copy',
      { missing: 0 },
      ['copy nothing: all 12 keys are there', 'follow the changes until it is level', 'compare both sides, key by key'],
    ],
    [
      'values that are overwritten or deleted are saved first',
      { missing: 0, other: 2, extra: 1, policy: 'delete', follow: '2 h' },
      [
        'save 3 keys of new in /backups/keys',
        'copy 0 keys of 12, overwrite 2, delete 1 that the source does not have',
        'follow the changes for 2 h',
        'compare both sides, key by key',
      ],
    ],
    [
      'what is extra may stay',
      { extra: 1, policy: 'keep' },
      ['copy 12 keys of 12', 'follow the changes until it is level', 'compare both sides, key by key'],
    ],
    [
      'not what the source does not have',
      { extra: 2, namedExtra: ['x', 'y'] },
      ['NO new has 2 keys there that the source does not have: x, y'],
    ],
    [
      'not onto itself',
      { to: found.from },
      ['NO old is the same cluster (a1): its keys would be mirrored onto themselves'],
    ],
  ])('%s', (_, more, steps) => {
    expect(does(more)).toEqual(steps);
  });

  it('may be within one cluster, from one beginning to another', () => {
    expect(plan({ to: found.from, prefix: '/a/', destPrefix: '/b/', overlaps: false }).kind).toBe('plan');
  });

  it.each([
    ['', '', 'mirror all keys of old (a1) to new (b2)'],
    ['/a/', '/a/', 'mirror keys that begin with /a/ of old (a1) to new (b2)'],
    ['/a/', '/b/', 'mirror keys that begin with /a/ of old (a1) to new (b2), as /b/…'],
    ['/a/', '', 'mirror keys that begin with /a/ of old (a1) to new (b2), without that beginning'],
  ])('is said for %j as %j', (prefix, destPrefix, title) => {
    expect(plan({ prefix, destPrefix })).toMatchObject({ title });
  });

  it.each<[Partial<MirrorFound>, object | undefined]>([
    [{}, undefined],
    [{ extra: 4, policy: 'keep' }, undefined],
    [{ other: 2 }, { word: '2' }],
    [{ other: 2, extra: 4, policy: 'delete' }, { word: '6' }],
  ])('asks for a word where values go: %j', (more, confirm) => {
    const made = plan(more);
    expect(made.kind === 'plan' && made.confirm).toEqual(confirm && expect.objectContaining(confirm));
  });

  it.each<[Partial<MirrorFound>, RegExp[]]>([
    [{}, []],
    [{ leased: 1 }, [/^1 key belongs to leases/]],
    [{ nameless: 1 }, [/is not mirrored/]],
    [{ isKubernetes: true }, [/backup_etcd and restore_etcd/]],
    [{ extra: 3, policy: 'keep' }, [/^3 keys of new that the source does not have are left/]],
  ])('warns of %j', (more, warnings) => {
    expect(plan(more)).toMatchObject({ warnings: warnings.map((one) => expect.stringMatching(one)) });
  });
});

it.each([
  [0n, 'nobody writes at this moment'],
  [1n, 'gone on by 1 revision since: somebody writes'],
  [7n, 'gone on by 7 revisions since: somebody writes'],
])('the cut-over says whether the source stands still: %d', (behind, words) => {
  const text = cutOverText({
    endpoints: ['https://a:2379', 'https://b:2379'],
    again: 'play mirror_etcd -e to=x',
    behind,
  });
  expect(text).toContain(words);
  expect(text).toContain('Point clients to https://a:2379,https://b:2379');
});
