import { describe, expect, it } from 'vitest';
import type { Member } from '../../../../src/etcd/cluster.ts';
import { renderConfiguration } from '../../../../src/etcd/configuration.ts';
import type { HostFacts } from '../../../../src/etcd/observe.ts';
import { type CreatePlan, planCreate } from '../../../../src/etcd/plan/create.ts';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import { readClusterSettings } from '../../../../src/etcd/variables.ts';
import { given } from '../given.ts';

/** What a host is like, in a few words; what is left out is as on an untouched host. */
interface Sketch {
  /** What etcd.conf says of the cluster's state; left out: there is no etcd.conf. */
  conf?: 'new' | 'existing';
  data?: boolean | 'blank';
  service?: 'inactive' | 'active' | 'activating' | 'auto-restart';
  /** The client API answers: there is a quorum. */
  api?: boolean;
  /** The peer address answers, and these have made themselves known there. */
  peers?: string[];
}

const NAMES = ['h1', 'h2', 'h3'];

function seen(sketches: Record<string, Sketch>): SeenHost[] {
  const names = Object.keys(sketches);
  const all = readClusterSettings(
    names.map((host) => ({ host, vars: given({ ansible_host: `10.0.0.1${host.slice(1)}`, ETCD_VERSION: '3.5.16' }) })),
    '/inv',
  );
  const initialCluster = [...all.values()].map(({ name, advertisePeerUrl }) => ({ name, peerUrl: advertisePeerUrl }));
  const members = (published: readonly string[]): Member[] =>
    [...all.values()].map(({ host, name, advertisePeerUrl, advertiseClientUrls }) => ({
      id: host,
      name,
      peerUrls: [advertisePeerUrl],
      clientUrls: published.includes(host) ? advertiseClientUrls : [],
      isLearner: false,
    }));
  return Object.entries(sketches).map(([host, { conf, data = false, service = 'inactive', api, peers }]) => {
    const settings = all.get(host)!;
    const configuration = (state: 'new' | 'existing') => renderConfiguration({ settings, initialCluster, state });
    const facts: HostFacts = {
      uid: 0,
      init: 'systemd',
      machine: 'x86_64',
      os: '',
      hostName: host,
      machineId: host,
      clockSeconds: 0,
      localAddresses: [],
      listeners: [],
      service: {
        activeState: service === 'auto-restart' ? 'activating' : service,
        subState: service,
        result: '',
        restarts: 0,
        fragment: '',
      },
      configuration: conf && configuration(conf),
      ca: undefined,
      data: {
        kind: data ? 'etcd' : 'none',
        walFiles: data === true ? 1 : 0,
        ...(data === 'blank' && { isBlank: true }),
        database: data !== false,
        entries: [],
      },
      releaseSum: conf ? 'sum' : '',
      binaryTarget: conf ? '/opt/etcd/v3.5.16/etcd' : '',
      binaryInUse: conf !== undefined,
      disks: [],
      strayBinaries: [],
    };
    const status = {
      memberId: host,
      clusterId: 'c',
      leaderId: 'h1',
      version: '3.5.16',
      revision: 1n,
      raftTerm: 2n,
      raftIndex: 9n,
      appliedIndex: 9n,
      dbSizeBytes: 0,
      dbInUseBytes: 0,
      isLearner: false,
      errors: [],
    };
    return {
      host,
      settings,
      facts,
      wanted: configuration('existing'),
      ...(api && { api: { status, members: members(peers ?? NAMES) } }),
      ...(!api && peers && { peers: members(peers) }),
    };
  });
}

const plan = (sketches: Record<string, Sketch>): CreatePlan =>
  planCreate({ hosts: seen(sketches), limited: Object.keys(sketches), ca: undefined, certLocalDir: '/inv/pki' });

const ready: Sketch = { conf: 'new' };
const stopped: Sketch = { conf: 'new', data: true };
const member: Sketch = { conf: 'existing', data: true, service: 'active', api: true };

describe('a run goes on where the last one was interrupted', () => {
  const cases: [title: string, hosts: Record<string, Sketch>, expected: Partial<CreatePlan>][] = [
    [
      'nothing is there yet: all are installed and started as new',
      { h1: {}, h2: {}, h3: {} },
      { kind: 'create', state: 'new', install: NAMES, start: NAMES, settle: NAMES, wake: [] },
    ],
    [
      'all is in place and nothing was started: all are started as new',
      { h1: ready, h2: ready, h3: ready },
      { state: 'new', install: [], start: NAMES, wake: [] },
    ],
    [
      'one was started and waits for the others, whose names it knows from its settings: they are started as new',
      { h1: { ...stopped, service: 'activating', peers: [] }, h2: ready, h3: ready },
      { formed: false, state: 'new', start: ['h2', 'h3'], wake: [] },
    ],
    [
      'two were started and are a quorum, the third never was: it joins what exists',
      {
        h1: { ...stopped, service: 'active', api: true, peers: ['h1', 'h2'] },
        h2: { ...stopped, service: 'active', api: true, peers: ['h1', 'h2'] },
        h3: ready,
      },
      { formed: true, state: 'existing', start: ['h3'], settle: NAMES },
    ],
    [
      'all run and were not told yet that the cluster exists: only that is left to do',
      {
        h1: { ...member, conf: 'new' },
        h2: { ...member, conf: 'new' },
        h3: member,
      },
      { kind: 'complete', formed: true, start: [], install: [], settle: ['h1', 'h2'] },
    ],
    ['all are members: nothing is to be done', { h1: member, h2: member, h3: member }, { kind: 'nothing' }],
    [
      'all have their data and are stopped: all are started, and nobody needs to be asked first',
      { h1: stopped, h2: stopped, h3: stopped },
      { start: NAMES, wake: [] },
    ],
    [
      'some have data and are silent while one is empty: these are asked first, and nothing else is done before',
      { h1: stopped, h2: ready, h3: stopped },
      { wake: ['h1', 'h3'], start: [], install: [], settle: [] },
    ],
    [
      'one was ended before the first record of its log, and is started anew without it',
      { h1: { conf: 'new', data: 'blank' }, h2: ready, h3: ready },
      { state: 'new', blank: ['h1'], start: NAMES, wake: [] },
    ],
    [
      'the same, and it was started again by somebody: it never comes to itself',
      { h1: { conf: 'new', data: 'blank', service: 'activating' }, h2: ready, h3: ready },
      { state: 'new', blank: ['h1'], start: NAMES, wake: [] },
    ],
    [
      'the same, and others have data: they are asked first',
      { h1: { conf: 'new', data: 'blank' }, h2: stopped, h3: ready },
      { wake: ['h2'], blank: [], start: [] },
    ],
    [
      'the same, and the others have formed without it: it joins what exists',
      {
        h1: { conf: 'new', data: 'blank' },
        h2: { ...stopped, service: 'active', api: true, peers: ['h2', 'h3'] },
        h3: { ...stopped, service: 'active', api: true, peers: ['h2', 'h3'] },
      },
      { formed: true, state: 'existing', blank: ['h1'], start: ['h1'], settle: NAMES },
    ],
    [
      'one ends again and again: it is started anew with what is right now, not waited for',
      { h1: { conf: 'new', service: 'auto-restart' } },
      { start: ['h1'] },
    ],
  ];
  it.each(cases)('%s', (_, hosts, expected) => {
    expect(plan(hosts)).toMatchObject(expected);
  });
});

describe('an empty directory is never taken for a new member of a cluster that has formed', () => {
  const cases: [title: string, hosts: Record<string, Sketch>][] = [
    ['the others serve', { h1: member, h2: { conf: 'existing' }, h3: member }],
    ['the others serve, etcd.conf is gone too', { h1: member, h2: {}, h3: member }],
    [
      'the others were woken, have no quorum, and know that it has started once',
      {
        h1: { ...stopped, service: 'activating', peers: NAMES },
        h2: ready,
        h3: { ...stopped, service: 'activating', peers: NAMES },
      },
    ],
    [
      'the others are stopped, and their etcd.conf says existing',
      { h1: { conf: 'existing', data: true }, h2: ready, h3: { conf: 'existing', data: true } },
    ],
  ];
  it.each(cases)('%s', (_, hosts) => {
    const decided = plan(hosts);
    expect(decided.kind).toBe('refused');
    const refusals = decided.kind === 'refused' ? decided.refusals : [];
    expect(refusals.map(({ host, next }) => [host, next])).toEqual([
      ['h2', 'Started like this it would harm the cluster. Replace it: play replace_etcd -l h2'],
    ]);
  });
});

describe('what was changed, or is not of our making, is refused with the way on', () => {
  type Change = (host: SeenHost) => SeenHost;
  const running = { h1: member, h2: member, h3: member };
  const want =
    (from: string | RegExp, to: string): Change =>
    (host) => ({ ...host, wanted: host.wanted.replace(from, to) });
  const withSettings =
    (settings: Partial<SeenHost['settings']>): Change =>
    (host) => ({ ...host, settings: { ...host.settings, ...settings } });
  const withFacts =
    (facts: Partial<HostFacts>): Change =>
    (host) => ({ ...host, facts: { ...host.facts, ...facts } });
  const foreign = 'ETCD_NAME=a\nETCD_DATA_DIR=/var/lib/etcd\nETCD_INITIAL_CLUSTER_TOKEN=etcd-cluster\n';
  const moved: Change = (host) => withSettings({ advertisePeerUrl: 'https://10.0.0.99:2380' })(host);

  const cases: [title: string, sketches: Record<string, Sketch>, change: Change, refusals: string[]][] = [
    [
      'a setting is wanted otherwise',
      running,
      want(/(HEARTBEAT_INTERVAL)=.*/, '$1="200"'),
      ['etcd.conf differs from what is wanted in ETCD_HEARTBEAT_INTERVAL → reload_etcd'],
    ],
    [
      'a member has another peer address: it is no stranger that should be deleted',
      running,
      (host) => moved(want(/(ADVERTISE_PEER_URLS)=.*/, '$1="https://10.0.0.99:2380"')(host)),
      ['etcd.conf differs from what is wanted in ETCD_INITIAL_ADVERTISE_PEER_URLS → reload_etcd'],
    ],
    [
      'a newer version is wanted',
      running,
      withSettings({ version: '3.5.30' }),
      ['etcd 3.5.16 runs here, and ETCD_VERSION is 3.5.30 → upgrade_etcd'],
    ],
    [
      'an older version is wanted',
      running,
      withSettings({ version: '3.4.23' }),
      ['etcd 3.5.16 runs here, and ETCD_VERSION is 3.4.23 → downgrade_etcd'],
    ],
    [
      'data lie there without an etcd.conf',
      { h1: {}, h2: { data: true }, h3: {} },
      (host) => host,
      ['/var/lib/etcd holds data of an etcd that etcd-play did not set up → '],
    ],
    [
      'data lie there with an etcd.conf of somebody else, who chose the same token',
      { h1: {}, h2: { data: true }, h3: {} },
      withFacts({ configuration: foreign }),
      ['/var/lib/etcd holds data of an etcd that etcd-play did not set up → '],
    ],
    [
      'an etcd.service of somebody else runs',
      { h1: {}, h2: { service: 'active' }, h3: {} },
      (host) => host,
      ['an etcd.service that etcd-play did not set up runs here () → '],
    ],
  ];
  const refusalsOf = (hosts: SeenHost[]) => {
    const decided = planCreate({ hosts, limited: NAMES, ca: undefined, certLocalDir: '/inv/pki' });
    return decided.kind === 'refused' ? decided.refusals : [];
  };

  it.each(cases)('%s', (_, sketches, change, expected) => {
    const hosts = seen(sketches).map((host) => (host.host === 'h2' ? change(host) : host));
    const found = refusalsOf(hosts).map(({ host, reason, next }) => {
      expect(host).toBe('h2');
      return `${reason} → ${/play (\w+_etcd)/.exec(next)?.[1] ?? ''}`;
    });
    expect(found).toEqual(expected);
  });

  it('a longer list of first members is no difference: it was read at the first start alone', () => {
    const change = want(/(INITIAL_CLUSTER)=.*/, '$1="etcd-h1=https://10.0.0.11:2380"');
    expect(refusalsOf(seen(running).map(change))).toEqual([]);
  });
});
