import { describe, expect, it } from 'vitest';
import { leaveFrom, newest, type PathRequest, upgradePath } from '../../../../src/etcd/plan/release-path.ts';
import { compareVersions, minorOf, minors, versionProblem } from '../../../../src/etcd/versions.ts';

const shown = (request: PathRequest) => {
  const path = upgradePath(request);
  return Array.isArray(path)
    ? [request.from, ...path.map(({ to }) => to)].join(' → ')
    : `${path.reason} | ${path.next}`;
};
const LAB = ['3.3.25', '3.4.23', '3.5.16', '3.5.30', '3.5.35', '3.6.16', '3.7.3'];

describe('the releases between two', () => {
  it.each([
    ['3.3.25', '3.3.27', '3.3.25 → 3.3.27'],
    ['3.3.25', '3.4.23', '3.3.25 → 3.4.23'],
    ['3.3.20', '3.4.23', '3.3.20 → 3.3.25 → 3.4.23'],
    ['3.3.25', '3.5.30', '3.3.25 → 3.4.23 → 3.5.30'],
    ['3.3.25', '3.6.16', '3.3.25 → 3.4.23 → 3.5.35 → 3.6.16'],
    ['3.3.25', '3.7.3', '3.3.25 → 3.4.23 → 3.5.35 → 3.6.16 → 3.7.3'],
    ['3.4.23', '3.4.45', '3.4.23 → 3.4.45'],
    ['3.4.23', '3.5.16', '3.4.23 → 3.5.16'],
    ['3.4.23', '3.6.16', '3.4.23 → 3.5.35 → 3.6.16'],
    ['3.4.23', '3.7.3', '3.4.23 → 3.5.35 → 3.6.16 → 3.7.3'],
    ['3.5.16', '3.5.30', '3.5.16 → 3.5.30'],
    ['3.5.16', '3.6.16', '3.5.16 → 3.5.35 → 3.6.16'],
    ['3.5.30', '3.6.16', '3.5.30 → 3.5.35 → 3.6.16'],
    ['3.5.32', '3.6.16', '3.5.32 → 3.6.16'],
    ['3.5.30', '3.7.3', '3.5.30 → 3.5.35 → 3.6.16 → 3.7.3'],
    ['3.6.5', '3.6.16', '3.6.5 → 3.6.16'],
    ['3.6.5', '3.7.3', '3.6.5 → 3.6.16 → 3.7.3'],
    ['3.6.11', '3.7.3', '3.6.11 → 3.7.3'],
    ['3.7.1', '3.7.3', '3.7.1 → 3.7.3'],
  ])('from %s to %s: %s', (from, to, path) => {
    expect(shown({ from, to, atHand: LAB })).toBe(path);
  });

  it.each<[string, PathRequest, string]>([
    ['none at hand', { from: '3.3.25', to: '3.7.3' }, '3.3.25 → 3.4.45 → 3.5.35 → 3.6.16 → 3.7.3'],
    [
      'those that are named',
      { from: '3.3.25', to: '3.7.3', via: ['3.5.16', '3.4.23', '3.5.30'], atHand: LAB },
      '3.3.25 → 3.4.23 → 3.5.16 → 3.5.30 → 3.5.35 → 3.6.16 → 3.7.3',
    ],
    ['one that was gone through already', { from: '3.5.16', to: '3.5.30', via: ['3.4.23'] }, '3.5.16 → 3.5.30'],
    ['the goal itself', { from: '3.5.16', to: '3.5.30', via: ['3.5.30'] }, '3.5.16 → 3.5.30'],
    ['one at hand that is banned', { from: '3.4.23', to: '3.6.16', atHand: ['3.5.1'] }, '3.4.23 → 3.5.35 → 3.6.16'],
  ])('with %s', (_, request, path) => {
    expect(shown(request)).toBe(path);
  });

  it.each<[string, PathRequest, RegExp]>([
    [
      'an older one',
      { from: '3.5.30', to: '3.5.16' },
      /3\.5\.16 is older \| play downgrade_etcd -e ETCD_VERSION=3\.5\.16/,
    ],
    ['the same', { from: '3.5.30', to: '3.5.30' }, /is the same \| Nothing/],
    ['one that nobody knows', { from: '3.5.30', to: '3.8.0' }, /3\.8\.0 is not supported/],
    ['a banned one', { from: '3.4.23', to: '3.5.1' }, /3\.5\.1 is refused/],
    ['a banned one on the way', { from: '3.4.23', to: '3.5.30', via: ['3.5.2'] }, /gone through, is refused/],
    ['one beyond the goal', { from: '3.4.23', to: '3.5.30', via: ['3.6.16'] }, /is newer than 3\.5\.30 \| Take it out/],
    ['from one that is too old for us', { from: '3.2.32', to: '3.5.30' }, /3\.2\.32 is not supported/],
  ])('is refused to %s', (_, request, words) => {
    expect(shown(request)).toMatch(words);
  });
});

/** Every pair of minor versions, from an old and from a new release of the first. */
const pairs = minors.flatMap((from) =>
  minors.flatMap((to) =>
    [`${from}.${from === '3.5' ? 4 : 5}`, newest[from]].map((start) => [start, newest[to]] as const),
  ),
);

describe('any pair of releases', () => {
  it.each(pairs)('from %s to %s: one minor version at a time, none left too early, none banned', (from, to) => {
    const path = upgradePath({ from, to });
    if (compareVersions(to, from) <= 0) {
      expect(path).toHaveProperty('reason');
      return;
    }
    if (!Array.isArray(path)) throw new Error(path.reason);
    expect(path.at(-1)?.to).toBe(to);
    for (const leg of path) {
      const step = minors.indexOf(minorOf(leg.to)!) - minors.indexOf(minorOf(leg.from)!);
      expect(step).toBe(leg.minor ? 1 : 0);
      expect(compareVersions(leg.to, leg.from)).toBeGreaterThan(0);
      expect(versionProblem(leg.to)).toBeUndefined();
      const floor = leaveFrom[minorOf(leg.from)!];
      if (leg.minor && floor) expect(compareVersions(leg.from, floor.least)).toBeGreaterThanOrEqual(0);
    }
  });
});
