import { describe, expect, it } from 'vitest';
import { planDowngrade } from '../../../../src/etcd/plan/downgrade.ts';
import { planUpgrade } from '../../../../src/etcd/plan/upgrade.ts';
import { minorOf, minors } from '../../../../src/etcd/versions.ts';
import { all, downgrade, upgrade, type World } from './version-world.ts';

/** What would stop at any gate that has to do with versions. */
const burdened = (from: string): World => ({ ...all(from), auth: true, v2: 'content' });
const empty = (from: string): World => ({ ...all(from), v2Left: { h1: '', h2: '', h3: '' } });

/** From each minor version to each later one, and within each: the way, what a burdened cluster is stopped by, the way back. */
const UP: readonly [from: string, to: string, way: string, shut: string, back: string][] = [
  ['3.3.25', '3.3.27', '3.3.27', '', ''],
  ['3.3.20', '3.4.23', '3.3.25 3.4.23', 'v2<3.4', 'restore'],
  ['3.3.25', '3.4.23', '3.4.23', 'v2<3.4', 'restore'],
  ['3.3.25', '3.5.35', '3.4.23 3.5.35', 'v2<3.4 auth<3.5', 'restore restore'],
  ['3.3.25', '3.6.16', '3.4.23 3.5.35 3.6.16', 'v2<3.4 auth<3.5 v2<3.6', 'restore restore downgrade to 3.5'],
  [
    '3.3.25',
    '3.7.3',
    '3.4.23 3.5.35 3.6.16 3.7.3',
    'v2<3.4 auth<3.5 v2<3.6',
    'restore restore downgrade to 3.5 downgrade to 3.6',
  ],
  ['3.4.23', '3.4.45', '3.4.45', '', ''],
  ['3.4.23', '3.5.35', '3.5.35', 'auth<3.5', 'restore'],
  ['3.4.23', '3.6.16', '3.5.35 3.6.16', 'auth<3.5 v2<3.6', 'restore downgrade to 3.5'],
  ['3.4.23', '3.7.3', '3.5.35 3.6.16 3.7.3', 'auth<3.5 v2<3.6', 'restore downgrade to 3.5 downgrade to 3.6'],
  ['3.5.16', '3.5.35', '3.5.35', '', ''],
  ['3.5.30', '3.6.16', '3.5.35 3.6.16', 'v2<3.6', 'downgrade to 3.5'],
  ['3.5.35', '3.6.16', '3.6.16', 'v2<3.6', 'downgrade to 3.5'],
  ['3.5.35', '3.7.3', '3.6.16 3.7.3', 'v2<3.6', 'downgrade to 3.5 downgrade to 3.6'],
  ['3.6.11', '3.6.16', '3.6.16', '', ''],
  ['3.6.5', '3.7.3', '3.6.16 3.7.3', '', 'downgrade to 3.6'],
  ['3.6.16', '3.7.3', '3.7.3', '', 'downgrade to 3.6'],
  ['3.7.1', '3.7.3', '3.7.3', '', ''],
];

/** From each minor version to each older one, and within each. */
const DOWN: readonly [from: string, to: string, how: string][] = [
  ['3.3.27', '3.3.25', 'restarts'],
  ['3.4.23', '3.3.25', 'only a restore'],
  ['3.4.45', '3.4.23', 'restarts'],
  ['3.5.35', '3.3.25', 'only a restore'],
  ['3.5.35', '3.4.23', 'only a restore'],
  ['3.5.35', '3.5.16', 'restarts'],
  ['3.6.16', '3.3.25', 'only a restore'],
  ['3.6.16', '3.4.23', 'only a restore'],
  ['3.6.16', '3.5.35', 'enable 3.5, restarts, settle'],
  ['3.6.16', '3.6.11', 'restarts'],
  ['3.7.3', '3.3.25', 'only a restore'],
  ['3.7.3', '3.4.23', 'only a restore'],
  ['3.7.3', '3.5.35', '3.6 first'],
  ['3.7.3', '3.6.16', 'enable 3.6, restarts, settle'],
  ['3.7.3', '3.7.1', 'restarts'],
];

const pairsOf = (rows: readonly (readonly [from: string, to: string, ...string[]])[]) =>
  new Set(rows.map(([from, to]) => `${minorOf(from)} ${minorOf(to)}`));
const wanted = (keep: (from: number, to: number) => boolean) =>
  minors.flatMap((from, a) => minors.flatMap((to, b) => (keep(a, b) ? [`${from} ${to}`] : [])));

it('no pair of minor versions is left out', () => {
  expect([...pairsOf(UP)].toSorted()).toEqual(wanted((from, to) => from <= to));
  expect([...pairsOf(DOWN)].toSorted()).toEqual(wanted((from, to) => from >= to));
});

describe('an upgrade', () => {
  it.each(UP)(
    'from %s to %s goes by %s, is stopped by "%s", and leaves as the way back "%s"',
    (from, to, way, _, back) => {
      const plan = planUpgrade(upgrade(empty(from), to));
      if (plan.kind !== 'plan') throw new Error(plan.refusals.map(({ reason }) => reason).join());
      expect(plan.gates!.map(({ leg }) => leg.to).join(' ')).toBe(way);
      const undo = plan.actions.flatMap(({ action, step }) => (action.do === 'settle' ? [step.undo] : []));
      const short = undo.map((one) =>
        /downgrade_etcd to/.test(one) ? `downgrade ${one.slice(-6)}` : /restoring/.exec(one) && 'restore',
      );
      expect(short.join(' ')).toBe(back);
      const floors = plan.gates!.map(({ gates }) => gates.find(({ name }) => name === 'patch')!.words);
      // What has to be new enough to be left is said with its reason.
      plan.gates!.forEach(({ leg }, at) => {
        const isAsked = leg.minor && ['3.3', '3.5', '3.6'].includes(minorOf(leg.from)!);
        expect(floors[at]).toMatch(isAsked ? /or newer: older ones/ : /^any$/);
      });
    },
  );

  it.each(UP)(
    'from %s to %s by %s, where users, roles and v2 keys are there, is stopped by "%s"',
    (from, to, _, shut) => {
      const plan = planUpgrade(upgrade(burdened(from), to));
      const found = plan.gates!.flatMap(({ leg, gates }) =>
        gates.flatMap(({ name, verdict }) => (verdict === 'shut' ? [`${name}<${minorOf(leg.to)}`] : [])),
      );
      expect(found.join(' ')).toBe(shut);
      expect(plan.kind).toBe(shut === '' ? 'plan' : 'refused');
    },
  );

  it.each(DOWN)('from %s to %s, which is older, names downgrade_etcd', (from, to) => {
    const plan = planUpgrade(upgrade(empty(from), to));
    expect(plan).toMatchObject({ kind: 'refused', refusals: [{ next: `play downgrade_etcd -e ETCD_VERSION=${to}` }] });
  });
});

describe('a downgrade', () => {
  it.each(DOWN)('from %s to %s: %s', (from, to, how) => {
    const plan = planDowngrade(downgrade(all(from), to));
    if (plan.kind === 'refused') {
      const next = plan.refusals.map((one) => one.next).join();
      expect(/^Only a restore/.test(next) ? 'only a restore' : (/^Go to (\S+ first)/.exec(next)?.[1] ?? next)).toBe(
        how,
      );
      return;
    }
    const short = plan.actions.flatMap(({ action }) => {
      if (action.do === 'enable downgrade') return [`enable ${action.to}`];
      return action.do === 'swap' ? ['restarts'] : action.do === 'settle' ? ['settle'] : [];
    });
    expect([...new Set(short)].join(', ')).toBe(how);
    expect(short.filter((one) => one === 'restarts')).toHaveLength(3);
  });

  it.each(UP)('from %s to %s, which is newer, names upgrade_etcd', (from, to) => {
    const plan = planDowngrade(downgrade(all(from), to));
    expect(plan).toMatchObject({ kind: 'refused', refusals: [{ next: `play upgrade_etcd -e ETCD_VERSION=${to}` }] });
  });
});
