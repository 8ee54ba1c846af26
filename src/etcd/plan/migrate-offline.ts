import type { RestoredMark } from '../restore/mark.ts';
import { count, some } from '../v2/still.ts';
import { minorOf } from '../versions.ts';
import type { Planned } from './action.ts';
import { asideName, refuseLogMount, refuseLogRoom } from './disks.ts';
import { unhealthy } from './health.ts';
import {
  type MigrateAction,
  refuseLimit,
  refuseUnrest,
  refuseUsers,
  servedBy,
  switchOn,
  type V2Found,
  type V2Host,
} from './migrate.ts';
import type { PlanStep, Refusal } from './plan.ts';
import { assess, type ClusterSight, type ClusterState } from './sight.ts';

/** What an earlier run has left on a host, by the marks in its restored data: in place, or still beside. */
export interface HostLeft {
  inPlace: RestoredMark | undefined;
  beside: RestoredMark | undefined;
}

/** Where an earlier run was cut off. */
export type EarlierRun =
  | { kind: 'none' }
  /** Migrated data are in place everywhere: ends are set, and it is proven. `file`: what was saved of v2. */
  | { kind: 'finish'; stamp: string; file: string; revision: bigint }
  /** They are in place on some, or nowhere: what was there before comes back. `hosts`: where something of it lies. */
  | { kind: 'back'; stamp: string; hosts: string[] };

const SAVED = /^etcd-v2_.*\.jsonl$/;

/** The time of a migration whose data are in place on a host, and that was not done. */
export function cutOffAt({ inPlace }: HostLeft): string | undefined {
  return inPlace && SAVED.test(inPlace.file) ? inPlace.stamp : undefined;
}

/** Goes by the newest mark of a migration. Pure. */
export function earlierRun(left: ReadonlyMap<string, HostLeft>, allHosts: readonly string[]): EarlierRun {
  const all = [...left].flatMap(([host, { inPlace, beside }]) => [
    ...(inPlace ? [{ host, mark: inPlace, inPlace: true }] : []),
    ...(beside ? [{ host, mark: beside, inPlace: false }] : []),
  ]);
  const ours = all.filter(({ mark }) => SAVED.test(mark.file));
  const newest = ours.toSorted((a, b) => (a.mark.stamp < b.mark.stamp ? 1 : -1))[0]?.mark;
  if (!newest) return { kind: 'none' };
  const { stamp, file, revision } = newest;
  const of = ours.filter(({ mark }) => mark.stamp === stamp);
  const placed = of.filter(({ inPlace }) => inPlace).map(({ host }) => host);
  if (allHosts.every((host) => placed.includes(host))) return { kind: 'finish', stamp, file, revision };
  return { kind: 'back', stamp, hosts: [...new Set(of.map(({ host }) => host))] };
}

export interface OfflineRequest {
  sight: ClusterSight;
  limited: readonly string[];
  allHosts: readonly string[];
  hosts: ReadonlyMap<string, V2Host>;
  /** Undefined where no member serves v2. */
  found: V2Found | undefined;
  /** How many keys v3 holds. */
  v3Keys: bigint;
  /** Where the data of each host lie. */
  freeBytes: ReadonlyMap<string, number>;
  word: string;
}

export type OfflinePlan =
  | { kind: 'refused'; refusals: Refusal[] }
  | {
      kind: 'migrate';
      title: string;
      steps: PlanStep[];
      /** What switches v2 on, where it is off. */
      on: readonly Planned<MigrateAction>[];
      confirm: { question: string; word: string };
    }
  | { kind: 'nothing'; title: string };

const MIB = 1024 ** 2;
/** A log of two files of 64 MiB for the copy, and the same for what is restored. */
const NEEDED_BYTES = 400 * MIB;

/**
 * By etcd's own tool, on a copy of one member's data; what comes of it is restored on all members, so that they hold the same and members
 * that come later get it too (etcd-io/etcd#8804). Pure.
 */
export function planOffline(request: OfflineRequest): OfflinePlan {
  const { sight, hosts, found, word } = request;
  const state = assess(sight);
  const on = found ? undefined : switchOn(state, hosts);
  const grounds = [...refuseLimit(request), ...unhealthy(state), ...refuseTool(state), ...refuseUsers(hosts)];
  if (grounds.length > 0) return { kind: 'refused', refusals: grounds };
  const refusals = [...(on?.refusals ?? []), ...refuseOffline(request)];
  if (refusals.length > 0) return { kind: 'refused', refusals };
  if (found?.keys === 0 && found.short === 0) return { kind: 'nothing', title: 'v2 holds no keys' };
  const from = servedBy(state, hosts) ?? on!.host;
  const all = sight.hosts.map(({ host }) => host);
  const step = (on: readonly string[], does: string, quorum: string, undo: string): PlanStep => ({
    hosts: on,
    does,
    quorum,
    undo,
  });
  const steps = [
    ...(on?.actions ?? []).map((one) => one.step),
    step([from], 'back up v3 and v2, and verify both; save the keys of v2 to a file', 'untouched', 'delete the files'),
    step([from], 'copy its log and migrate the copy (etcdctl migrate)', 'untouched', 'delete it'),
    step(all, 'restore what came of it beside the data', 'untouched', 'delete it'),
    step(all, 'see that nobody has written, and stop etcd on all hosts', 'gone: an outage begins', 'start it again'),
    step(
      all,
      `move the data aside as ${asideName(sight.hosts)}, put the migrated ones in place, start`,
      'the outage ends',
      SWAP_BACK,
    ),
    step([], 'leases for keys that end, hidden keys (the tool leaves out both); compare all', 'untouched', SWAP_BACK),
  ];
  const what = found ? count(found.keys + found.short, 'key', 'keys') : 'the keys';
  return {
    kind: 'migrate',
    title: `bring ${what} of v2 to v3 by etcdctl migrate, with an outage`,
    steps,
    on: on?.actions ?? [],
    confirm: {
      question: `All members are stopped for some seconds, the cluster gets a new ID, and v2 is empty afterwards. Type ${word} to go on`,
      word,
    },
  };
}

const SWAP_BACK = 'swap back: done by itself where it fails';

function refuseTool(state: ClusterState): Refusal[] {
  const [version = ''] = state.versions;
  const minor = minorOf(version);
  if (minor === '3.3' || minor === '3.4') return [];
  return [
    {
      reason: `the tools of etcd ${version} have no migrate: it ended with 3.4`,
      next: 'Run without offline: the copy through the API needs no tool.',
    },
  ];
}

/** What speaks against the tool, as far as it is seen. */
export function refuseOffline({
  found,
  v3Keys,
  sight,
  freeBytes,
}: Pick<OfflineRequest, 'found' | 'v3Keys' | 'sight' | 'freeBytes'>): Refusal[] {
  const refusals = refuseUnrest(found?.unrest);
  if (found && found.unreadable.length > 0) {
    refusals.push({
      reason: `${count(found.unreadable.length, 'key holds', 'keys hold')} bytes that are no UTF-8, which the tool writes as other ones: ${some(found.unreadable)}`,
      next: 'Write them anew as text (base64), or delete them from v2.',
    });
  }
  if (v3Keys > 0n) {
    refusals.push({
      reason: `v3 holds ${v3Keys} ${v3Keys === 1n ? 'key' : 'keys'}, and etcdctl migrate is for a v3 that is empty: keys would be lost`,
      next: 'Run without offline: the copy through the API leaves them as they are.',
    });
  }
  refusals.push(...refuseLogMount(sight.hosts), ...refuseLogRoom(sight.hosts));
  for (const { host } of sight.hosts) {
    const free = freeBytes.get(host) ?? 0;
    if (free >= NEEDED_BYTES) continue;
    refusals.push({
      host,
      reason: `${Math.ceil(free / MIB)} MiB are free where its data lie, ${NEEDED_BYTES / MIB} MiB are needed`,
      next: 'Make room there, or run without offline.',
    });
  }
  return refusals;
}
