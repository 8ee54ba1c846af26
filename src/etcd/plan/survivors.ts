import { parseEnvironmentFile } from '../configuration.ts';
import { quorumOf } from '../quorum.ts';
import type { RestoredMark } from '../restore/mark.ts';
import type { LogFacts } from '../wal.ts';
import type { MemberPair } from './action.ts';
import { hasData, type SeenHost } from './seen.ts';
import { assess, type ClusterSight } from './sight.ts';

/** What lies in a host's data directory. */
export interface HostData extends LogFacts {
  /** Of its database; undefined where that could not be asked. */
  revision: bigint | undefined;
  /** Of the data directory, and of a log directory of its own. */
  sizeBytes: number;
  logBytes?: number;
  /** An earlier run began the new cluster with these data: when, and whether it has formed. */
  begun: { stamp: string; formed: boolean } | undefined;
  /** An earlier run restored them from a backup, and was cut off before it was done. */
  restored: RestoredMark | undefined;
}

/** How it stands with a member of the cluster that was. */
export type Standing =
  /** Its process runs; whether it knows of a leader is another matter. */
  | 'runs'
  /** Its data are there, and nothing speaks against starting it. */
  | 'stopped'
  /** Its process ends again and again. */
  | 'ends'
  | 'damaged'
  /** An earlier run restored a backup there, and no cluster has formed on it: nothing of the old one. */
  | 'restored'
  /** Its host is there, its data are not. */
  | 'empty'
  /** Its host cannot be reached, or is not in the inventory. */
  | 'lost';

export interface Survivor {
  /** Its host, or the name that the cluster has for a member that the inventory does not. */
  name: string;
  host: string | undefined;
  seen: SeenHost | undefined;
  standing: Standing;
  data: HostData | undefined;
  /** Known by its name only: the others would look for it at another address, in vain. */
  isElsewhere?: boolean;
}

export interface Survivors {
  /** Those that had a vote. */
  voters: readonly Survivor[];
  /** The same as etcd.conf lists them. */
  pairs: readonly MemberPair[];
  quorum: number;
  /** Hosts that carried no member, and are there. */
  others: readonly string[];
  /** All hosts with data, the best first: what is taken where nothing else is said. */
  choices: readonly Survivor[];
  /** How many votes could be had by starting what is there. */
  possible: number;
}

/** What is left of a cluster. Pure. */
export function survivorsOf(sight: ClusterSight, data: ReadonlyMap<string, HostData>): Survivors {
  const at = (seen: SeenHost): Survivor => {
    const found = data.get(seen.host);
    return { name: seen.host, host: seen.host, seen, standing: standingOf(seen, found), data: found };
  };
  const order = new Map([...sight.hosts, ...sight.lost].map(({ settings }, at) => [settings.advertisePeerUrl, at]));
  const place = (peerUrl: string) => order.get(peerUrl) ?? order.size;
  const listed = votersOf(sight, data).toSorted((a, b) => place(a.peerUrl) - place(b.peerUrl));
  const voters = listed.map(({ name, peerUrl }): Survivor => {
    const seen = sight.hosts.find(({ settings }) => settings.advertisePeerUrl === peerUrl);
    if (seen) return at(seen);
    const namesake = sight.hosts.find(({ settings }) => settings.name === name);
    if (namesake) return { ...at(namesake), isElsewhere: true };
    const away = sight.lost.find(({ settings }) => settings.advertisePeerUrl === peerUrl || settings.name === name);
    return { name: away?.host ?? name, host: away?.host, seen: undefined, standing: 'lost', data: undefined };
  });
  const carried = new Set(voters.map(({ host }) => host));
  const withData = sight.hosts.map(at).filter((one) => one.data !== undefined && one.standing !== 'restored');
  return {
    voters,
    pairs: listed,
    quorum: quorumOf(voters.length),
    others: sight.hosts.flatMap(({ host }) => (carried.has(host) ? [] : [host])),
    choices: withData.toSorted(better),
    possible: possibleVotes(voters),
  };
}

function standingOf(seen: SeenHost, data: HostData | undefined): Standing {
  const { activeState, subState, restarts } = seen.facts.service;
  if (!hasData(seen)) return 'empty';
  if (data?.fault !== undefined) return 'damaged';
  if (isUntouched(data)) return 'restored';
  if (subState === 'auto-restart' && restarts >= 2) return 'ends';
  return ['active', 'activating'].includes(activeState) ? 'runs' : 'stopped';
}

/** A snapshot is restored with an entry for each member in its log; the first leader adds one. */
function isUntouched(data: HostData | undefined): boolean {
  return data?.restored !== undefined && data.index <= BigInt(data.restored.members);
}

/** By those who run; else by the etcd.conf of whose data have come furthest; else by the inventory. */
function votersOf(sight: ClusterSight, data: ReadonlyMap<string, HostData>): MemberPair[] {
  const { hosts, lost } = sight;
  const spoken = assess(sight).voters.map(({ member }) => ({
    name: member.name || member.id,
    peerUrl: member.peerUrls[0]!,
  }));
  if (spoken.length > 0) return spoken;
  const [furthest] = hosts
    .filter((seen) => data.has(seen.host) && seen.facts.configuration !== undefined)
    .toSorted((a, b) => further(data.get(a.host)!, data.get(b.host)!));
  const listed = furthest && parseEnvironmentFile(furthest.facts.configuration!).get('ETCD_INITIAL_CLUSTER');
  if (listed) {
    return listed.split(',').map((pair) => {
      const [name = '', ...url] = pair.split('=');
      return { name, peerUrl: url.join('=') };
    });
  }
  return [...hosts, ...lost].map(({ settings }) => ({ name: settings.name, peerUrl: settings.advertisePeerUrl }));
}

/** Only members of one cluster vote together. */
function possibleVotes(voters: readonly Survivor[]): number {
  const counts = new Map<string, number>();
  for (const { standing, data, isElsewhere } of voters) {
    if ((standing !== 'runs' && standing !== 'stopped') || isElsewhere) continue;
    const id = data?.clusterId ?? '';
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values());
}

/** Below zero where `a` is the better beginning. */
function better(a: Survivor, b: Survivor): number {
  return RANK[a.standing] - RANK[b.standing] || further(a.data!, b.data!);
}

const RANK: Record<Standing, number> = { runs: 0, stopped: 0, ends: 1, damaged: 2, restored: 3, empty: 3, lost: 3 };

/**
 * What is committed is the same on all members as far as it goes, and it is what `--force-new-cluster` keeps: so it comes
 * first, and the last entry, by its term and index as in an election, behind it.
 */
function further(a: HostData, b: HostData): number {
  const by = (x: bigint, y: bigint) => (x > y ? -1 : x < y ? 1 : 0);
  return by(a.committed, b.committed) || by(a.term, b.term) || by(a.index, b.index);
}
