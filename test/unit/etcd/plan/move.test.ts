import { describe, expect, it } from 'vitest';
import type { HostFacts } from '../../../../src/etcd/observe.ts';
import { type MoveRequest, planMove } from '../../../../src/etcd/plan/move.ts';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import { CA, DATA, Wanted, withFacts } from './observed.ts';

const cluster = new Wanted(4);
const three = ['h1', 'h2', 'h3'];
const listed = cluster.members(three).slice(0, 3);
const serving = (host: string): SeenHost => {
  const seen = cluster.serving(host, three);
  return { ...seen, api: { ...seen.api!, members: listed } };
};
const target = cluster.untouched('h4');
const all = [...three.map(serving), target];
const MIB = 1024 * 1024;

const request = (rest: Partial<MoveRequest> = {}, hosts: readonly SeenHost[] = all): MoveRequest => ({
  sight: { hosts, lost: [] },
  limited: ['h3'],
  to: 'h4',
  complaints: [],
  ca: CA,
  certLocalDir: '/inv/pki',
  ...rest,
});

/** One host as something else than in order. */
const but = (host: string, change: (seen: SeenHost) => SeenHost) =>
  all.map((seen) => (seen.host === host ? change(seen) : seen));
const facts = (host: string, more: Partial<HostFacts>) => but(host, (seen) => withFacts(seen, more));
const silent = (host: string, more: Partial<HostFacts> = {}) =>
  but(host, (seen) => withFacts({ ...seen, api: undefined }, { service: { ...target.facts.service }, ...more }));
const moving = (held: boolean) => ({ moves: { moving: [{ id: 'h3', held }], arriving: [] } });
const disk = (freeBytes: number) => [{ path: '/var/lib/etcd', freeBytes, device: '/dev/sda' }];
const size = { dataBytes: 1000 * MIB, walBytes: 100 * MIB, thereBytes: 0 };
const lost = (host: string) => {
  const hosts = all.filter((seen) => seen.host !== host);
  return {
    sight: { hosts, lost: [{ host, settings: all.find((one) => one.host === host)!.settings, reason: 'silence' }] },
  };
};

describe('a move', () => {
  it('prepares, copies ahead, stops, holds, copies, updates, starts, lists, releases', () => {
    const plan = planMove(request({ size }));
    if (plan.kind === 'refused') throw new Error(JSON.stringify(plan));
    expect(plan.actions.map(({ action }) => action.do)).toEqual([
      'prepare',
      'copy ahead',
      'stop to move',
      'hold',
      'copy',
      'update',
      'start moved',
      'list',
      'release',
    ]);
    expect(plan.actions[4]!.step).toMatchObject({ does: expect.stringContaining('copy 1.1 GiB to /var/lib/etcd') });
    expect(plan.confirm).toBeUndefined();
  });

  it('hands leadership over first, where it is there', () => {
    const plan = planMove(request({ limited: ['h1'] }));
    expect(plan.kind === 'plan' && plan.actions.map(({ action }) => action.do).slice(2, 4)).toEqual([
      'move leader',
      'stop to move',
    ]);
  });

  it.each<[string, MoveRequest, RegExp]>([
    ['no host', request({ limited: [] }), /one member is moved at a time, and 0 are chosen/],
    ['two hosts', request({ limited: ['h1', 'h2'] }), /and 2 are chosen \(h1, h2\)/],
    ['no aim', request({ to: undefined }), /it is not said where the member goes/],
    ['the same host', request({ to: 'h3' }), /h3 is where it is already/],
    ['an unknown host', request({ to: 'h9' }), /h9 is not in the inventory/],
    [
      'a lost source',
      request(lost('h3')),
      /h3 .*cannot be reached: silence → .*play replace_etcd -l h3 -e replacement=h4/,
    ],
    ['a lost aim', request(lost('h4')), /h4 .*cannot be reached/],
    ['a member as the aim', request({ to: 'h2' }), /h2 this host carries a member already/],
    ['no member to move', request({ limited: ['h4'], to: 'h1' }), /h4 this host carries no member/],
    ['another member down', request({}, silent('h2')), /h2 this member does not serve/],
    [
      'an aim with data',
      request({}, facts('h4', { ...DATA, ...cluster.prepared('h4').facts, data: DATA.data! })),
      /h4 .*holds data → .*play delete_etcd -l h4/,
    ],
    [
      'an aim that is not fit',
      request({ complaints: [{ host: 'h4', reason: 'port 2380 is taken', next: 'x' }] }),
      /h4 port 2380 is taken/,
    ],
    [
      'too small a disk',
      request({ size }, facts('h4', { disks: disk(1200 * MIB) })),
      /1.2 GiB are free for \/var\/lib\/etcd, 1.3 GiB are needed/,
    ],
    [
      'data that are gone',
      request({}, silent('h3', { data: target.facts.data })),
      /h3 its data are gone → .*play replace_etcd -l h3/,
    ],
    ['data both held and in place', request({}, silent('h3', moving(true))), /holds data, and so does .*moving-h3/],
    [
      'a member that ends again and again',
      request({}, silent('h3', { service: { ...target.facts.service, activeState: 'failed' } })),
      /its data may be damaged/,
    ],
    [
      'a learner',
      request(
        {},
        all.map((seen) =>
          seen.api
            ? { ...seen, api: { ...seen.api, members: listed.map((one) => ({ ...one, isLearner: one.id === 'h3' })) } }
            : seen,
        ),
      ),
      /still a learner, and before 3.5.31/,
    ],
    [
      'mixed versions',
      request(
        {},
        but('h2', (seen) => ({ ...seen, api: { ...seen.api!, status: { ...seen.api!.status, version: '3.5.30' } } })),
      ),
      /members of different versions run/,
    ],
  ])('is refused: %s', (_, asked, words) => {
    const plan = planMove(asked);
    if (plan.kind === 'plan') throw new Error(JSON.stringify(plan.actions));
    expect(plan.refusals.map(({ host = '', reason, next }) => `${host} ${reason} → ${next}`).join('\n')).toMatch(words);
  });

  it.each([
    [
      'a disk with the copy on it already',
      { size: { ...size, thereBytes: 900 * MIB } },
      facts('h4', { disks: disk(500 * MIB) }),
    ],
    ['a member that was stopped', {}, silent('h3')],
    ['a stop that was noted', {}, silent('h3', moving(false))],
  ])('is not refused: %s', (_, rest, hosts) => {
    expect(planMove(request(rest, hosts))).toMatchObject({ kind: 'plan' });
  });
});
