import type { Member, MemberStatus } from '../../../../src/etcd/cluster.ts';
import { renderConfiguration } from '../../../../src/etcd/configuration.ts';
import type { MemberPair } from '../../../../src/etcd/plan/action.ts';
import type { MoveAction } from '../../../../src/etcd/plan/move.ts';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import type { ClusterSight } from '../../../../src/etcd/plan/sight.ts';
import { quorumOf } from '../../../../src/etcd/quorum.ts';
import { compareVersions } from '../../../../src/etcd/versions.ts';
import type { Chance } from '../../inventory/random.ts';
import { CA, UNTOUCHED } from './observed.ts';
import { Forbidden, settingsOf, wantedFor } from './simulator.ts';

/** Data of a member; each start makes them newer, and a member must never run on older ones. */
interface Data {
  id: string;
  age: number;
}

interface Place {
  host: string;
  reachable: boolean;
  pairs: readonly MemberPair[] | undefined;
  enabled: boolean;
  running: boolean;
  directory: boolean;
  data?: Data | undefined;
  /** The member that is to leave. */
  mark?: string | undefined;
  held?: Data | undefined;
  arriving?: { id: string; ahead: boolean } | undefined;
}

/** A cluster in which a member may lie on more than one host: where its data are, and how old. */
export interface MoveWorld {
  version: string;
  places: readonly Place[];
  /** Each with the host at whose address it is listed. */
  members: readonly { id: string; at: string; name: string }[];
  /** By member: the age of its newest data. */
  newest: Readonly<Record<string, number>>;
  leads?: string | undefined;
}

const rendered = new Map<string, string>();

function configuration(version: string, host: string, pairs: readonly MemberPair[]): string {
  const key = JSON.stringify([version, host, pairs]);
  const settings = settingsOf(version, host);
  const text =
    rendered.get(key) ?? renderConfiguration({ settings, state: 'existing', initialCluster: pairs, trustedCa: CA });
  rendered.set(key, text);
  return text;
}

const urlOf = (version: string, host: string) => settingsOf(version, host).advertisePeerUrl;
const runs = (world: MoveWorld, id: string) => world.places.find(({ running, data }) => running && data?.id === id);

export function isUp(world: MoveWorld, id: string): boolean {
  return runs(world, id) !== undefined;
}

export function hasQuorum(world: MoveWorld): boolean {
  return world.members.filter(({ id }) => isUp(world, id)).length >= quorumOf(world.members.length);
}

function leaderOf(world: MoveWorld): string | undefined {
  if (!hasQuorum(world)) return undefined;
  const up = world.members.filter(({ id }) => isUp(world, id)).map(({ id }) => id);
  return up.find((id) => id === world.leads) ?? up[0];
}

/** What a look at this world shows. */
export function look(world: MoveWorld): ClusterSight {
  const { version } = world;
  const leader = leaderOf(world);
  const list = world.members.map(({ id, at, name }): Member => {
    const { advertisePeerUrl, advertiseClientUrls } = settingsOf(version, at);
    return { id, name, peerUrls: [advertisePeerUrl], clientUrls: advertiseClientUrls, isLearner: false };
  });
  const seen = (place: Place): SeenHost => {
    const { host, data, mark, held, arriving } = place;
    const id = place.running ? data?.id : undefined;
    const status: MemberStatus | undefined =
      id === undefined
        ? undefined
        : {
            memberId: id,
            clusterId: 'c1',
            leaderId: leader,
            version,
            revision: 80n,
            raftTerm: 2n,
            raftIndex: 90n,
            appliedIndex: 90n,
            dbSizeBytes: 1,
            dbInUseBytes: 1,
            isLearner: false,
            errors: [],
          };
    const answersAll = compareVersions(version, '3.5.0') < 0 || leader !== undefined;
    const moves = {
      moving: mark === undefined ? [] : [{ id: mark, held: held !== undefined }],
      arriving: arriving ? [arriving] : [],
    };
    return {
      host,
      settings: settingsOf(version, host),
      wanted: configuration(version, host, []),
      facts: {
        ...UNTOUCHED,
        ca: place.pairs ? CA : undefined,
        configuration: place.pairs && configuration(version, host, place.pairs),
        service: {
          activeState: place.running ? 'active' : 'inactive',
          subState: place.running ? 'running' : 'dead',
          result: 'success',
          restarts: 0,
          fragment: place.pairs ? '/etc/systemd/system/etcd.service' : '',
          enabled: place.enabled,
        },
        data: {
          absent: !place.directory,
          kind: data ? 'etcd' : 'none',
          walFiles: data ? 1 : 0,
          database: data !== undefined,
          entries: data ? ['member'] : [],
        },
        ...(moves.moving.length + moves.arriving.length > 0 && { moves }),
        releaseSum: place.pairs ? 'sum' : '',
        binaryTarget: place.pairs ? `/opt/etcd/v${version}/etcd` : '',
        binaryInUse: place.pairs !== undefined,
      },
      api: status && answersAll ? { status, members: list } : undefined,
      status,
      peers: status && !answersAll ? list : undefined,
    };
  };
  return {
    hosts: world.places.filter(({ reachable }) => reachable).map(seen),
    lost: world.places
      .filter(({ reachable }) => !reachable)
      .map(({ host }) => ({ host, settings: settingsOf(version, host), reason: 'no route to host' })),
  };
}

const demand = (holds: boolean, words: string) => {
  if (!holds) throw new Forbidden(words);
};

const placeOf = (world: MoveWorld, host: string) => {
  const found = world.places.find((one) => one.host === host)!;
  demand(found.reachable, `${host} cannot be reached`);
  return found;
};

function withPlace(world: MoveWorld, host: string, rest: Partial<Place>): MoveWorld {
  return { ...world, places: world.places.map((one) => (one.host === host ? { ...one, ...rest } : one)) };
}

/** The member runs here from now on, and what lies elsewhere is old. */
function started(world: MoveWorld, host: string, data: Data): MoveWorld {
  const age = world.newest[data.id]! + 1;
  const next = withPlace(world, host, { running: true, data: { id: data.id, age } });
  return { ...next, newest: { ...world.newest, [data.id]: age } };
}

/** Somebody puts the data back by hand where they were held back, and starts the member there. */
export function putBack(world: MoveWorld, host: string, { leaves }: { leaves: boolean }): MoveWorld {
  const { held } = placeOf(world, host);
  if (!held || isUp(world, held.id) || held.age !== world.newest[held.id]) return world;
  const next = withPlace(world, host, { held: undefined, ...(leaves ? {} : { mark: undefined }) });
  return started(next, host, held);
}

/** The states in which a kill within an action may leave the world. */
export function within(world: MoveWorld, action: MoveAction): MoveWorld[] {
  switch (action.do) {
    case 'stop to move':
      return [
        withPlace(world, action.host, { mark: action.id }),
        withPlace(world, action.host, { mark: action.id, running: false }),
      ];
    case 'copy ahead':
    case 'copy': {
      const ahead = placeOf(world, action.to).arriving?.ahead ?? false;
      return [withPlace(world, action.to, { arriving: { id: action.id, ahead } })];
    }
    case 'start moved': {
      // Going back, cut off after each of its steps.
      const from = placeOf(world, action.from);
      const gone = withPlace(world, action.to, {
        data: undefined,
        arriving: undefined,
        directory: false,
        enabled: false,
      });
      const updated = action.small
        ? gone
        : { ...gone, members: gone.members.map((one) => (one.id === action.id ? { ...one, at: action.from } : one)) };
      const back = withPlace(updated, action.from, { data: from.held, held: undefined });
      return from.held ? [gone, updated, back, started({ ...back }, action.from, from.held)] : [];
    }
    default:
      return [];
  }
}

/** The world after an action. @throws Forbidden where a real cluster, or its data, would suffer. */
export function act(world: MoveWorld, action: MoveAction): MoveWorld {
  switch (action.do) {
    case 'prepare':
      demand(!placeOf(world, action.host).running, 'the files of a running member are changed');
      return withPlace(world, action.host, { enabled: true, directory: true, pairs: action.pairs });
    case 'set aside': {
      const { data, running } = placeOf(world, action.host);
      demand(!running, 'data are moved under a running member');
      demand(data === undefined || data.age < world.newest[data.id]!, 'the newest data of a member are moved');
      return withPlace(world, action.host, { data: undefined, arriving: undefined, directory: false });
    }
    case 'copy ahead':
      demand(placeOf(world, action.from).running, 'a first copy of nothing');
      return withPlace(world, action.to, { arriving: { id: action.id, ahead: true } });
    case 'move leader':
      demand(hasQuorum(world) && isUp(world, action.toId), 'it cannot lead');
      return { ...world, leads: action.toId };
    case 'stop': {
      const { data } = placeOf(world, action.host);
      demand(data === undefined || data.age < world.newest[data.id]!, 'a member is stopped');
      return withPlace(world, action.host, { running: false, enabled: false });
    }
    case 'stop to move': {
      demand(leaderOf(world) !== action.id || world.members.length === 1, 'the leader is stopped');
      const next = withPlace(world, action.host, { running: false, enabled: false, mark: action.id });
      demand(world.members.length <= 2 || !hasQuorum(world) || hasQuorum(next), 'the quorum is lost');
      return next;
    }
    case 'hold': {
      const { running, data, held, mark } = placeOf(world, action.host);
      demand(!running && held === undefined && data?.id === action.id && mark === action.id, 'it cannot be held');
      return withPlace(world, action.host, { data: undefined, held: data });
    }
    case 'copy': {
      const { held } = placeOf(world, action.from);
      const { running, data, directory } = placeOf(world, action.to);
      demand(!running && data === undefined && directory, 'something is in the way');
      demand(held?.id === action.id && held.age === world.newest[action.id], 'old data are copied');
      return withPlace(world, action.to, { data: held, arriving: undefined });
    }
    case 'update': {
      demand(hasQuorum(world), 'a member is changed without a quorum');
      const at = world.places.find(({ host }) => urlOf(world.version, host) === action.peerUrl)!.host;
      demand(!world.members.some((one) => one.at === at && one.id !== action.id), 'two members at one address');
      return { ...world, members: world.members.map((one) => (one.id === action.id ? { ...one, at } : one)) };
    }
    case 'start moved': {
      const { data, pairs } = placeOf(world, action.to);
      demand(!isUp(world, action.id), 'a member runs twice');
      demand(data?.id === action.id && data.age === world.newest[action.id], 'a member is started on old data');
      demand(world.members.find(({ id }) => id === action.id)!.at === action.to, 'it is listed elsewhere');
      const listed = (pairs ?? []).map(({ peerUrl }) => peerUrl).sort();
      const all = world.members.map(({ at }) => urlOf(world.version, at)).sort();
      demand(JSON.stringify(listed) === JSON.stringify(all), 'its etcd.conf lists others');
      const { name } = settingsOf(world.version, action.to);
      const next = started(world, action.to, data!);
      return { ...next, members: next.members.map((one) => (one.id === action.id ? { ...one, name } : one)) };
    }
    case 'release': {
      const { held } = placeOf(world, action.host);
      demand(isUp(world, action.id), 'data are given up while nobody has them');
      demand(held === undefined || held.age < world.newest[action.id]!, 'the newest data are given up');
      return withPlace(world, action.host, { held: undefined, mark: undefined, directory: false });
    }
    case 'list':
      for (const host of action.hosts) placeOf(world, host);
      return {
        ...world,
        places: world.places.map((one) => (action.hosts.includes(one.host) ? { ...one, pairs: action.pairs } : one)),
      };
    default:
      throw new Forbidden(`a move does not ${action.do}`);
  }
}

/** A cluster of one to seven and one or two hosts more, mostly in order. */
export function anyMoveWorld({ pick, percent }: Chance): MoveWorld {
  const version = pick(['3.3.25', '3.4.23', '3.5.16']);
  const size = pick([1, 1, 2, 3, 3, 3, 4, 5, 7]);
  const { hosts } = wantedFor(version);
  const rough = percent(25);
  const more = pick([1, 1, 2]);
  // The host that is free may stand anywhere in the inventory.
  const first = percent(50) ? more : 0;
  const members = hosts
    .slice(first, first + size)
    .map((at) => ({ id: `id${at}`, at, name: settingsOf(version, at).name }));
  const pairs = members.map(({ name, at }) => ({ name, peerUrl: urlOf(version, at) }));
  const places = hosts.slice(0, size + more).map((host, n): Place => {
    const isMember = n >= first && n < first + size;
    const once = !isMember && percent(20);
    return {
      host,
      reachable: !percent(rough ? 10 : 1),
      pairs: isMember || once ? pairs : undefined,
      enabled: isMember,
      running: isMember && !percent(rough ? 12 : 2),
      directory: isMember || once,
      data: isMember && !percent(rough ? 8 : 0) ? { id: `id${host}`, age: 1 } : undefined,
    };
  });
  const newest = Object.fromEntries(members.map(({ id }) => [id, 1]));
  const real = places.map((one) => (one.data ? one : { ...one, running: false }));
  return { version, places: real, members, newest, leads: pick(members).id };
}
