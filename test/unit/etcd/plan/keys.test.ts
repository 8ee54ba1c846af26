import { describe, expect, it } from 'vitest';
import { type KeysFound, planDeleteKeys, planUndoKeys, type UndoFound } from '../../../../src/etcd/plan/keys.ts';

const found: KeysFound = {
  cluster: 'orders',
  clusterId: 'cafe',
  name: '/registry/pods/default/',
  isPrefix: true,
  count: 12,
  leased: 0,
  leases: 0,
  folder: '/backups/keys',
};

describe('what deleting keys comes to', () => {
  it.each<[string, Partial<KeysFound>, object]>([
    ['nothing', { count: 0 }, { kind: 'nothing', summary: 'no key begins with /registry/pods/default/' }],
    ['nothing of one', { count: 0, isPrefix: false, name: '/a' }, { kind: 'nothing', summary: 'there is no key /a' }],
    ['a refusal for all keys', { name: '' }, { kind: 'refused' }],
    ['the number is typed for a prefix', {}, { kind: 'plan', confirm: { word: '12' } }],
    ['a word for one key', { isPrefix: false, count: 1, name: '/a' }, { kind: 'plan', confirm: { word: 'delete' } }],
  ])('%s', (_, more, plan) => {
    expect(planDeleteKeys({ ...found, ...more })).toMatchObject(plan);
  });

  it.each<[string, Partial<KeysFound>, RegExp[]]>([
    ['of Kubernetes', {}, [/no finalizer/]],
    ['of leases', { name: 'a/', leased: 3, leases: 1 }, [/^3 keys belong to a lease/]],
    ['of one in a lease', { name: 'a/', leased: 1, leases: 1 }, [/^1 key belongs to a lease/]],
    ['of a prefix that is no folder', { name: 'a/default' }, [/a prefix is no folder: a\/default…/]],
    ['of nothing else', { name: 'a/' }, []],
  ])('warns %s', (_, more, warnings) => {
    const plan = planDeleteKeys({ ...found, ...more });
    expect(plan.kind === 'plan' && plan.warnings).toEqual(warnings.map((one) => expect.stringMatching(one)));
  });

  it('saves first', () => {
    const plan = planDeleteKeys(found);
    expect(plan.kind === 'plan' && plan.steps.map(({ does }) => does)).toEqual([
      'save 12 keys with their values in /backups/keys, readable for you alone',
      'delete them; what is written meanwhile stays',
      'see that nothing is left',
    ]);
  });
});

describe('what putting them back comes to', () => {
  const undone: UndoFound = {
    cluster: 'orders',
    clusterId: 'cafe',
    file: 'f',
    savedOf: { name: 'orders', id: 'cafe' },
    count: 12,
    missing: 12,
    same: 0,
    other: [],
    endedLeases: 0,
    force: false,
  };

  it.each<[string, Partial<UndoFound>, object]>([
    ['all of them', {}, { kind: 'plan', steps: [{ does: 'write 12 keys that are missing' }] }],
    ['some', { missing: 1, same: 11 }, { steps: [{ does: 'write 1 key that is missing; 11 are there already' }] }],
    ['nothing', { missing: 0, same: 12 }, { kind: 'nothing' }],
    [
      'a refusal where others were written',
      { missing: 11, other: ['/a'] },
      { refusals: [{ reason: '1 key has another value by now: /a' }] },
    ],
    [
      'these too, where it is forced, and a word is typed',
      { missing: 11, other: ['/a'], force: true },
      { kind: 'plan', confirm: { word: 'undo' } },
    ],
    ['a refusal for another cluster', { savedOf: { name: 'x', id: 'f00d' } }, { kind: 'refused' }],
    [
      'a word about leases that have ended',
      { endedLeases: 2 },
      { warnings: [expect.stringMatching(/^2 leases have ended/)] },
    ],
  ])('%s', (_, more, plan) => {
    expect(planUndoKeys({ ...undone, ...more })).toMatchObject(plan);
  });

  it('asks for no word where nothing is overwritten', () => {
    expect(planUndoKeys(undone)).not.toHaveProperty('confirm');
  });
});
