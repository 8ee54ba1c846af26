import type { Member, MemberStatus } from '../../../../src/etcd/cluster.ts';
import { renderConfiguration } from '../../../../src/etcd/configuration.ts';
import type { MemberAction, MemberPair } from '../../../../src/etcd/plan/action.ts';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import type { ClusterSight } from '../../../../src/etcd/plan/sight.ts';
import { quorumOf } from '../../../../src/etcd/quorum.ts';
import type { EtcdSettings } from '../../../../src/etcd/variables.ts';
import { compareVersions } from '../../../../src/etcd/versions.ts';
import type { Chance } from '../../inventory/random.ts';
import { CA, UNTOUCHED, Wanted } from './observed.ts';

/** A member as raft has it. */
export interface SimulatedMember {
  id: string;
  peerUrl: string;
  /** Empty until it has started. */
  name: string;
  isLearner: boolean;
}

export interface SimulatedHost {
  host: string;
  reachable: boolean;
  installed: boolean;
  /** What its etcd.conf lists; undefined: there is none. */
  pairs: readonly MemberPair[] | undefined;
  enabled: boolean;
  running: boolean;
  /** The ID of the member whose data lie there; `''`: of an empty member that was never told one. */
  data: string | undefined;
  directory: boolean;
}

export interface World {
  version: string;
  hosts: readonly SimulatedHost[];
  members: readonly SimulatedMember[];
}

const wanted = new Map<string, Wanted>();
const rendered = new Map<string, string>();

/** Nine hosts, enough for seven members and two more. */
export function wantedFor(version: string): Wanted {
  const made = wanted.get(version) ?? new Wanted(9, { ETCD_VERSION: version });
  wanted.set(version, made);
  return made;
}

export function settingsOf(version: string, host: string): EtcdSettings {
  const { hosts, settings } = wantedFor(version);
  return settings[hosts.indexOf(host)]!;
}

function configuration(version: string, host: string, pairs: readonly MemberPair[]): string {
  const key = JSON.stringify([version, host, pairs]);
  const settings = settingsOf(version, host);
  const text =
    rendered.get(key) ?? renderConfiguration({ settings, state: 'existing', initialCluster: pairs, trustedCa: CA });
  rendered.set(key, text);
  return text;
}

const urlOf = (version: string, host: string) => settingsOf(version, host).advertisePeerUrl;

function hostOf(world: World, member: SimulatedMember): SimulatedHost | undefined {
  return world.hosts.find(({ host }) => urlOf(world.version, host) === member.peerUrl);
}

/** Its process runs on its own data. */
export function isUp(world: World, member: SimulatedMember): boolean {
  const host = hostOf(world, member);
  return host?.running === true && host.data === member.id;
}

export function votersUp(world: World): { up: number; of: number } {
  const voters = world.members.filter(({ isLearner }) => !isLearner);
  return { up: voters.filter((one) => isUp(world, one)).length, of: voters.length };
}

export function hasQuorum(world: World): boolean {
  const { up, of } = votersUp(world);
  return up >= quorumOf(of);
}

function leaderOf(world: World): SimulatedMember | undefined {
  if (!hasQuorum(world)) return undefined;
  const preferred = world.members.find((one) => !one.isLearner && isUp(world, one) && one.id === leads.get(world));
  return preferred ?? world.members.find((one) => !one.isLearner && isUp(world, one));
}

/** Who was handed leadership; worlds are otherwise plain values. */
const leads = new WeakMap<World, string>();

/** What a look at this world shows. */
export function look(world: World): ClusterSight {
  const { version } = world;
  const leader = leaderOf(world);
  const list = world.members.map(
    ({ id, name, peerUrl, isLearner }): Member => ({
      id,
      name,
      peerUrls: [peerUrl],
      clientUrls: name === '' ? [] : [peerUrl.replace('2380', '2379')],
      isLearner,
    }),
  );
  const seen = (one: SimulatedHost): SeenHost => {
    const settings = settingsOf(version, one.host);
    const member = world.members.find((own) => hostOf(world, own) === one && isUp(world, own));
    const status: MemberStatus | undefined = member && {
      memberId: member.id,
      clusterId: 'c1',
      leaderId: leader?.id,
      version,
      revision: 80n,
      raftTerm: 2n,
      raftIndex: member === leader ? 100n : 90n,
      appliedIndex: 90n,
      dbSizeBytes: 1,
      dbInUseBytes: 1,
      isLearner: member.isLearner,
      errors: [],
    };
    const answersAll = compareVersions(version, '3.5.0') < 0 || leader !== undefined;
    const api = status && !status.isLearner && answersAll ? { status, members: list } : undefined;
    return {
      host: one.host,
      settings,
      wanted: configuration(version, one.host, []),
      facts: {
        ...UNTOUCHED,
        ca: one.pairs ? CA : undefined,
        configuration: one.pairs && configuration(version, one.host, one.pairs),
        service: {
          activeState: one.running ? 'active' : 'inactive',
          subState: one.running ? 'running' : 'dead',
          result: 'success',
          restarts: 0,
          fragment: one.installed ? '/etc/systemd/system/etcd.service' : '',
          enabled: one.enabled,
        },
        data: {
          absent: !one.directory,
          kind: one.data === undefined ? 'none' : 'etcd',
          walFiles: one.data === undefined ? 0 : 1,
          database: one.data !== undefined,
          entries: one.data === undefined ? [] : ['member'],
        },
        releaseSum: one.installed ? 'sum' : '',
        binaryTarget: one.installed ? `/opt/etcd/v${version}/etcd` : '',
        binaryInUse: one.installed,
      },
      api,
      status,
      peers: member && !api ? list : undefined,
    };
  };
  return {
    hosts: world.hosts.filter(({ reachable }) => reachable).map(seen),
    lost: world.hosts
      .filter(({ reachable }) => !reachable)
      .map(({ host }) => ({ host, settings: settingsOf(version, host), reason: 'no route to host' })),
  };
}

/** What must never be done, whatever the plan thinks. */
export class Forbidden extends Error {}

const demand = (holds: boolean, words: string) => {
  if (!holds) throw new Forbidden(words);
};

/** The world after an action. @throws Forbidden where a real cluster, or its data, would suffer. */
export function act(world: World, action: MemberAction): World {
  const { version } = world;
  const change = (host: string, rest: Partial<SimulatedHost>) => ({
    ...world,
    hosts: world.hosts.map((one) => (one.host === host ? { ...one, ...rest } : one)),
  });
  const at = (host: string) => {
    const found = world.hosts.find((one) => one.host === host)!;
    demand(found.reachable, `${host} cannot be reached`);
    return found;
  };
  const memberOn = (host: string) => world.members.find(({ peerUrl }) => peerUrl === urlOf(version, host));
  const pending = world.members.filter(({ name, isLearner }) => name === '' || isLearner);
  switch (action.do) {
    case 'prepare':
      demand(!at(action.host).running, 'the files of a running member are changed');
      return change(action.host, { installed: true, enabled: true, directory: true, pairs: action.pairs });
    case 'set aside': {
      const { running, data } = at(action.host);
      demand(!running, 'data are moved under a running member');
      demand(!world.members.some(({ id }) => id === data), 'data of a member are moved');
      return change(action.host, { data: undefined, directory: false });
    }
    case 'add': {
      demand(hasQuorum(world), 'a member is added without a quorum');
      demand(pending.length === 0, 'two changes at once');
      const { up, of } = votersUp(world);
      if (action.role === 'voter') demand(of === 1 || up >= quorumOf(of + 1), 'a voter too many');
      demand(!world.members.some(({ peerUrl }) => peerUrl === action.peerUrl), 'it is a member already');
      const id = `new-${world.members.length}-${action.host}`;
      const member = { id, peerUrl: action.peerUrl, name: '', isLearner: action.role === 'learner' };
      return { ...world, members: [...world.members, member] };
    }
    case 'start': {
      const host = at(action.host);
      const member = memberOn(action.host)!;
      demand(member !== undefined, 'no member is started');
      demand(host.data === undefined || host.data === member.id, 'a member is started on data of another');
      demand(host.data !== undefined || member.name === '', 'a lost member is started with nothing');
      const listed = [...(host.pairs ?? [])].map(({ peerUrl }) => peerUrl).sort();
      const all = world.members.map(({ peerUrl }) => peerUrl).sort();
      demand(JSON.stringify(listed) === JSON.stringify(all), 'its etcd.conf lists others');
      const next = change(action.host, { running: true, data: member.id });
      const name = settingsOf(version, action.host).name;
      return { ...next, members: world.members.map((one) => (one === member ? { ...one, name } : one)) };
    }
    case 'promote': {
      const member = memberOn(action.host)!;
      demand(hasQuorum(world) && member.isLearner && isUp(world, member), 'it cannot be promoted');
      return { ...world, members: world.members.map((one) => (one === member ? { ...one, isLearner: false } : one)) };
    }
    case 'move leader': {
      const heir = world.members.find(({ id }) => id === action.toId)!;
      demand(hasQuorum(world) && !heir.isLearner && isUp(world, heir), 'it cannot lead');
      const next = { ...world };
      leads.set(next, heir.id);
      return next;
    }
    case 'remove': {
      const member = world.members.find(({ id }) => id === action.id)!;
      demand(hasQuorum(world), 'a member is removed without a quorum');
      demand(leaderOf(world) !== member, 'the leader is removed');
      const next = { ...world, members: world.members.filter((one) => one !== member) };
      demand(votersUp(next).of > 0, 'the last member is removed');
      demand(hasQuorum(next), 'the quorum is lost');
      // Its process notices, and ends.
      const host = hostOf(world, member);
      return host?.running
        ? { ...next, hosts: world.hosts.map((one) => (one === host ? { ...one, running: false } : one)) }
        : next;
    }
    case 'stop': {
      const { data, running } = at(action.host);
      demand(!running || !world.members.some(({ id }) => id === data), 'a member is stopped');
      return change(action.host, { running: false, enabled: false });
    }
    case 'list':
      for (const host of action.hosts) at(host);
      return {
        ...world,
        hosts: world.hosts.map((one) => (action.hosts.includes(one.host) ? { ...one, pairs: action.pairs } : one)),
      };
  }
}

export const versions = ['3.3.25', '3.4.23', '3.5.16'] as const;

/** A cluster of one to seven, in any state that runs, crashes, mistakes and interruptions leave behind. */
export function anyWorld({ pick, percent, below }: Chance): World {
  const version = pick(versions);
  const size = pick([1, 2, 3, 3, 3, 4, 5, 5, 7]);
  const { hosts } = wantedFor(version);
  const more = pick([0, 1, 1, 2]);
  const known = hosts.slice(0, size);
  const rough = percent(50);
  const members = known.map(
    (host): SimulatedMember => ({
      id: `id-${host}`,
      peerUrl: urlOf(version, host),
      name: settingsOf(version, host).name,
      isLearner: false,
    }),
  );
  const pairs = members.map(({ name, peerUrl }) => ({ name, peerUrl }));
  const all = hosts.slice(0, size + more).map((host, n): SimulatedHost => {
    const isMember = n < size;
    const lost = percent(rough ? 12 : 2);
    const wiped = isMember && percent(rough ? 10 : 2);
    const bare = !isMember && percent(70);
    return {
      host,
      reachable: !lost,
      installed: !wiped && !bare,
      pairs: wiped || bare ? undefined : percent(rough ? 10 : 2) ? pairs.slice(1) : pairs,
      enabled: isMember && !wiped,
      running: isMember && !wiped && percent(rough ? 85 : 98) && !(lost && percent(50)),
      data: isMember ? (wiped ? undefined : `id-${host}`) : !bare && percent(40) ? `gone-${host}` : undefined,
      directory: !wiped && !bare,
    };
  });
  let world: World = { version, hosts: all, members };
  // A run was cut off after it had added somebody.
  if (more > 0 && percent(25)) {
    const host = all[size + below(more)]!;
    const learner = version !== '3.3.25';
    const member = { id: `id-${host.host}`, peerUrl: urlOf(version, host.host), name: '', isLearner: learner };
    const list = [...pairs, { name: settingsOf(version, host.host).name, peerUrl: member.peerUrl }];
    const prepared = percent(80);
    world = {
      ...world,
      members: [...members, member],
      hosts: all.map((one) =>
        one === host
          ? {
              ...one,
              installed: prepared,
              enabled: prepared,
              directory: prepared,
              pairs: prepared ? list : undefined,
              data: undefined,
            }
          : one,
      ),
    };
    if (prepared && host.reachable && percent(50)) world = act(world, { do: 'start', host: host.host });
  }
  // A member that the inventory no longer has.
  if (percent(6) && world.hosts.length > 1) world = { ...world, hosts: world.hosts.slice(1) };
  return world;
}
