import { describe, expect, it } from 'vitest';
import type { V2Found, V2Host } from '../../../../src/etcd/plan/migrate.ts';
import {
  type EarlierRun,
  earlierRun,
  type HostLeft,
  type OfflineRequest,
  planOffline,
} from '../../../../src/etcd/plan/migrate-offline.ts';
import type { RestoredMark } from '../../../../src/etcd/restore/mark.ts';
import { status, Wanted, withFacts } from './observed.ts';

const wanted = new Wanted(3, { ETCD_VERSION: '3.4.23' });
const OFF: V2Host = { service: 'off', running: undefined, onDisk: undefined, isWanted: false, drift: [] };
const ON: V2Host = { ...OFF, service: 'on', isWanted: true };
const all = (one: V2Host) => new Map(wanted.hosts.map((host) => [host, one]));
const NEW: V2Found = {
  keys: 10,
  missing: 10,
  same: 0,
  late: 0,
  different: [],
  short: 0,
  unreadable: [],
  unrest: undefined,
  nameless: [],
  large: [],
};

function planned(more: Partial<OfflineRequest> = {}, { version = '3.4.23', mount = '', down = '' } = {}): string[] {
  const hosts = wanted.hosts.map((host) => {
    if (host === down) return wanted.stopped(host);
    const one = wanted.serving(host);
    const seen = { ...one, api: { ...one.api!, status: { ...status(host), leaderId: 'h1', version } } };
    return host === mount ? withFacts(seen, { data: { ...seen.facts.data, logIsMount: true } }) : seen;
  });
  const plan = planOffline({
    sight: { hosts, lost: [] },
    limited: wanted.hosts,
    allHosts: wanted.hosts,
    hosts: all(ON),
    found: NEW,
    v3Keys: 0n,
    freeBytes: new Map(wanted.hosts.map((host) => [host, 1024 ** 3])),
    word: 'orders',
    ...more,
  });
  if (plan.kind === 'refused') return plan.refusals.map(({ host = '', reason }) => `NO ${host} ${reason}`);
  if (plan.kind === 'nothing') return [plan.title];
  return plan.steps.map(({ hosts, does }) => `${hosts.join(' ')}: ${does}`);
}

it('one member gives the copy, all are restored from it', () => {
  const said = planned();
  expect(said.map((line) => line.split(/[:(]/)[0])).toEqual(['h1', 'h1', 'h1 h2 h3', 'h1 h2 h3', 'h1 h2 h3', '']);
  expect(planned({ hosts: all(OFF), found: undefined })[0]).toMatch(/^h2: restart with ETCD_ENABLE_V2=true/);
  expect(planned({ found: { ...NEW, keys: 0 } })).toEqual(['v2 holds no keys']);
});

describe('what is refused', () => {
  it.each<[string, string[], RegExp]>([
    ['v3 is in use', planned({ v3Keys: 3n }), /^NO {2}v3 holds 3 keys, and etcdctl migrate/],
    ['3.5 runs', planned({}, { version: '3.5.16' }), /^NO {2}the tools of etcd 3\.5\.16 have no migrate/],
    ['it is being written', planned({ found: { ...NEW, unrest: 'x' } }), /^NO {2}v2 is being written/],
    ['bytes cannot be read', planned({ found: { ...NEW, unreadable: ['/b'] } }), /^NO {2}1 key holds bytes.*\/b/],
    ['the log is a mount point', planned({}, { mount: 'h2' }), /^NO h2 .*mount point itself/],
    [
      'there is no room',
      planned({
        freeBytes: new Map([
          ['h1', 1e9],
          ['h2', 1e9],
          ['h3', 1e8],
        ]),
      }),
      /^NO h3 96 MiB are free/,
    ],
    ['a member is down', planned({}, { down: 'h3' }), /^NO h3 this member does not serve/],
    ['hosts are left out', planned({ limited: ['h1'] }), /^NO {2}keys belong .*h2, h3/],
    ['users are in force', planned({ hosts: all({ ...ON, service: 'locked' }) }), /^NO {2}the users of v2/],
  ])('%s', (_, said, words) => {
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(words);
  });
});

const mark = (stamp: string, file = 'etcd-v2_orders_20260801T030000Z_i9.jsonl'): RestoredMark => ({
  stamp,
  members: 3,
  revision: 9n,
  file,
});
const [OLD, NOW] = ['20260801T030000Z', '20260801T040000Z'];
const left = (inPlace?: RestoredMark, beside?: RestoredMark): HostLeft => ({ inPlace, beside });

it.each<[string, HostLeft[], EarlierRun]>([
  ['nothing lies there', [left(), left(), left()], { kind: 'none' }],
  ['a recovery was cut off, no migration', [left(mark(NOW, 'etcd_orders_x.db')), left(), left()], { kind: 'none' }],
  [
    'it was cut off before the swap',
    [left(undefined, mark(NOW)), left(undefined, mark(NOW)), left()],
    { kind: 'back', stamp: NOW, hosts: ['h1', 'h2'] },
  ],
  [
    'it was cut off in the swap',
    [left(mark(NOW)), left(undefined, mark(NOW)), left(undefined, mark(NOW))],
    { kind: 'back', stamp: NOW, hosts: ['h1', 'h2', 'h3'] },
  ],
  [
    'it was cut off behind the swap',
    [left(mark(NOW)), left(mark(NOW)), left(mark(NOW))],
    { kind: 'finish', stamp: NOW, file: mark(NOW).file, revision: 9n },
  ],
  [
    'the newest one counts',
    [left(mark(NOW), mark(OLD)), left(mark(NOW)), left(mark(NOW))],
    { kind: 'finish', stamp: NOW, file: mark(NOW).file, revision: 9n },
  ],
])('%s', (_, hosts, run) => {
  const found = new Map(wanted.hosts.map((host, at) => [host, hosts[at]!]));
  expect(earlierRun(found, wanted.hosts)).toEqual(run);
});
