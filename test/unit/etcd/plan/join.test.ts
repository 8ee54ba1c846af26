import { expect, it } from 'vitest';
import type { HostFacts } from '../../../../src/etcd/observe.ts';
import { joinSteps } from '../../../../src/etcd/plan/join.ts';
import { assess } from '../../../../src/etcd/plan/sight.ts';
import { DATA, status, Wanted, withFacts } from './observed.ts';

const wanted = new Wanted(3);

it.each<[string, HostFacts['data'], boolean]>([
  ['nothing', { kind: 'none', walFiles: 0, database: false, entries: [] }, false],
  ['the data of a member that was', DATA.data!, true],
  ['a database without its log', { ...DATA.data!, walFiles: 0 }, true],
])('what a host that joins has in its data directory: %s', (_, data, goes) => {
  const alone = { status: status('h1'), members: wanted.members(['h1']).slice(0, 1) };
  const first = { ...wanted.serving('h1'), api: alone };
  const target = withFacts(wanted.prepared('h2', 'existing'), { data });
  const actions = joinSteps(assess({ hosts: [first, target], lost: [] }), target).map(({ action }) => action.do);
  expect(actions.includes('set aside')).toBe(goes);
  expect(actions.slice(-4)).toEqual(['add', 'start', 'promote', 'list']);
});
