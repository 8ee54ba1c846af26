import { isPublished, type Member, type MemberStatus } from '../cluster.ts';
import { parseEnvironmentFile } from '../configuration.ts';
import { quorumOf } from '../quorum.ts';
import type { EtcdSettings } from '../variables.ts';
import { configurationOf, hasData, type SeenHost } from './seen.ts';

/** A host of the inventory that could not be reached. */
export interface LostHost {
  host: string;
  settings: EtcdSettings;
  reason: string;
}

/** A running cluster as it was seen in one look: all that plans go by. */
export interface ClusterSight {
  /** In the order of the inventory. */
  hosts: readonly SeenHost[];
  lost: readonly LostHost[];
  /** When our own certificate ended: members refuse whoever comes with it. Undefined while it is valid. */
  clientEnded?: Date | undefined;
}

/** One of the cluster's members, and what is known of it. */
export interface MemberSight {
  member: Member;
  /** Its host in the inventory; undefined for a member that the inventory does not have. */
  host: string | undefined;
  /** Undefined where its host could not be looked at. */
  seen: SeenHost | undefined;
  /** What it says of itself, if it says anything. */
  status: MemberStatus | undefined;
  /** It answers and follows (or is) a leader. */
  serves: boolean;
}

/** What a look comes to. Pure: made from the sight alone. */
export interface ClusterState {
  sight: ClusterSight;
  /** As its leader lists them, or else who has seen most; empty where nobody answers. */
  members: readonly MemberSight[];
  clusterId: string | undefined;
  leader: MemberSight | undefined;
  /** Of the members that answer, each once, the oldest first. */
  versions: readonly string[];
  voters: readonly MemberSight[];
  /** How many voters must serve. */
  quorum: number;
  serving: readonly MemberSight[];
}

export function assess(sight: ClusterSight): ClusterState {
  const { hosts, lost } = sight;
  const list = listOf(hosts);
  const members = list.map((member): MemberSight => {
    // A process tells better than an address: a member that is on its way to another host is listed there already.
    const seen = hosts.find((one) => statusOf(one)?.memberId === member.id) ?? hosts.find((one) => isOf(member, one));
    const away = lost.find(({ settings }) => member.peerUrls.includes(settings.advertisePeerUrl));
    const status = seen && statusOf(seen);
    const serves = status?.memberId === member.id && status.leaderId !== undefined;
    return { member, host: seen?.host ?? away?.host, seen, status, serves };
  });
  const statuses = hosts.flatMap((seen) => statusOf(seen) ?? []);
  const leaderId = newest(statuses.filter((status) => status.leaderId !== undefined))?.leaderId;
  const voters = members.filter(({ member }) => !member.isLearner);
  return {
    sight,
    members,
    clusterId: newest(statuses)?.clusterId,
    leader: members.find(({ member, serves }) => member.id === leaderId && serves),
    versions: [...new Set(statuses.map(({ version }) => version))].sort((a, b) =>
      a.localeCompare(b, 'en', { numeric: true }),
    ),
    voters,
    quorum: quorumOf(voters.length),
    serving: members.filter(({ serves }) => serves),
  };
}

/**
 * Whether how it stands is about to change by itself: enough voters are up, but some that are do not follow a leader yet, or
 * the one that led is gone. A leader on a host that cannot be reached may well lead on.
 */
export function isSettling({ members, voters, quorum, leader }: ClusterState): boolean {
  const up = voters.filter(({ seen }) => seen !== undefined && isUp(seen));
  if (up.length < quorum) return false;
  if (up.some(({ serves }) => !serves)) return true;
  const led = up.map(({ status }) => members.find(({ member }) => member.id === status?.leaderId));
  return leader === undefined && led.every((one) => one?.seen !== undefined);
}

/** Its process answers in some way, or is being started. */
function isUp(seen: SeenHost): boolean {
  const { activeState, subState } = seen.facts.service;
  const isStarting = activeState === 'activating' && subState === 'start' && hasData(seen);
  return isStarting || statusOf(seen) !== undefined || seen.peers !== undefined;
}

/** The member that a host carries, or would carry. */
export function memberAt(state: ClusterState, host: string): MemberSight | undefined {
  return state.members.find((one) => one.host === host);
}

export function seenAt(state: ClusterState, host: string): SeenHost | undefined {
  return state.sight.hosts.find((one) => one.host === host);
}

/** By its ID, its name or its peer address, each in full. */
export function memberNamed(state: ClusterState, word: string): MemberSight[] {
  return state.members.filter(
    ({ member, host }) =>
      host === word || member.id === word.toLowerCase() || member.name === word || member.peerUrls.includes(word),
  );
}

/** How many voters serve, of how many, in words. */
export function standing({ voters, quorum }: ClusterState): string {
  const up = voters.filter(({ serves }) => serves).length;
  return `${up} of ${voters.length} serve, ${quorum} are needed`;
}

/** How people call a member. */
export function callName({ member, host }: MemberSight): string {
  return host ?? (member.name || member.id);
}

/** What its etcd.conf would say of the members. */
export function pairsText(pairs: readonly { name: string; peerUrl: string }[]): string {
  return pairs.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
}

/** Whether an etcd.conf lists exactly these members, in any order. */
export function listsExactly(seen: SeenHost, pairs: readonly { name: string; peerUrl: string }[]): boolean {
  const sorted = (text: string) => text.split(',').sort().join(',');
  const listed = configurationOf(seen)?.get('ETCD_INITIAL_CLUSTER') ?? '';
  return sorted(listed) === sorted(pairsText(pairs));
}

/** ETCD_INITIAL_CLUSTER of a cluster: its members in the order of the inventory, then the others by name. */
export function clusterPairs(
  state: ClusterState,
  change: { joining?: readonly EtcdSettings[]; leaving?: readonly string[] } = {},
): { name: string; peerUrl: string }[] {
  const { joining = [], leaving = [] } = change;
  const { hosts, lost } = state.sight;
  const wanted = [...hosts, ...lost].map(({ settings }) => settings);
  const nameAt = (url: string) => wanted.find((settings) => settings.advertisePeerUrl === url)?.name;
  const stay = state.members
    .filter(({ member }) => !leaving.includes(member.id))
    .map(({ member }) => ({
      // One that has not started yet has no name: it will take that of its host.
      name: member.name || nameAt(member.peerUrls[0]!) || member.id,
      peerUrl: member.peerUrls[0]!,
    }));
  const join = joining
    .map(({ name, advertisePeerUrl }) => ({ name, peerUrl: advertisePeerUrl }))
    .filter(({ peerUrl }) => !stay.some((one) => one.peerUrl === peerUrl));
  const order = (url: string) => {
    const at = wanted.findIndex((settings) => settings.advertisePeerUrl === url);
    return at < 0 ? wanted.length : at;
  };
  return [...stay, ...join].sort(
    (a, b) => order(a.peerUrl) - order(b.peerUrl) || a.name.localeCompare(b.name, 'en', { numeric: true }),
  );
}

/** The CA, the data and the settings of a process are as on disk. */
export function runsAsConfigured(seen: SeenHost): boolean {
  const { running, configuration } = seen.facts;
  if (!running || configuration === undefined) return true;
  return differing(running.environment, parseEnvironmentFile(configuration)).length === 0;
}

/** Names of settings that differ; those that matter only for a first start are left out. */
export function differing(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): string[] {
  const keys = new Set([...a.keys(), ...b.keys()]);
  for (const key of FIRST_START) keys.delete(key);
  return [...keys].filter((key) => a.get(key) !== b.get(key)).sort();
}

const FIRST_START = ['ETCD_INITIAL_CLUSTER', 'ETCD_INITIAL_CLUSTER_STATE', 'ETCD_INITIAL_CLUSTER_TOKEN'];

function statusOf(seen: SeenHost): MemberStatus | undefined {
  return seen.api?.status ?? seen.status;
}

/** A process that answers is told by its ID; one that does not, by its exact address. */
function isOf(member: Member, seen: SeenHost): boolean {
  const status = statusOf(seen);
  if (status) return status.memberId === member.id;
  return member.peerUrls.includes(seen.settings.advertisePeerUrl);
}

function listOf(hosts: readonly SeenHost[]): readonly Member[] {
  const spoken = hosts.flatMap(({ api }) => (api ? [api] : []));
  const leads = spoken.find(({ status }) => status.leaderId === status.memberId);
  const best = leads ?? spoken.toSorted((a, b) => later(b.status, a.status))[0];
  if (best) return best.members;
  const lists = hosts.flatMap(({ peers }) => (peers ? [peers] : []));
  const known = (members: readonly Member[]) => members.filter(isPublished).length;
  return lists.toSorted((a, b) => known(b) - known(a))[0] ?? [];
}

function newest(statuses: readonly MemberStatus[]): MemberStatus | undefined {
  return statuses.toSorted((a, b) => later(b, a))[0];
}

/** Above zero where `a` has seen more than `b`. */
function later(a: MemberStatus, b: MemberStatus): number {
  const by = (x: bigint, y: bigint) => (x > y ? 1 : x < y ? -1 : 0);
  return by(a.raftTerm, b.raftTerm) || by(a.raftIndex, b.raftIndex);
}

/** Bytes that are free where the data of each host lie; 0 where that is not known. */
export function freeForData({ hosts }: ClusterSight): Map<string, number> {
  return new Map(
    hosts.map(({ host, facts, settings }) => {
      const disk = facts.disks.find(({ path }) => path === settings.dataDir);
      return [host, disk?.freeBytes ?? 0];
    }),
  );
}
