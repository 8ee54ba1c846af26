import { posix } from 'node:path';
import { sizeWarning } from '../quorum.ts';
import { table } from '../tables.ts';
import type { MemberPair } from './action.ts';
import { refuseOtherCa, refuseStranger } from './create-refusals.ts';
import { asideName } from './disks.ts';
import type { PlanStep, Refusal } from './plan.ts';
import { refuseRecover } from './recover-refusals.ts';
import { canBump } from './restore.ts';
import type { ClusterSight } from './sight.ts';
import { type HostData, type Survivor, type Survivors, survivorsOf } from './survivors.ts';

/** A backup that may be gone back to. */
export interface BackupChoice {
  file: string;
  /** Of the file itself, also where it was named by a link. */
  name: string;
  /** Undefined where nothing but a proof would tell. */
  revision: bigint | undefined;
  takenAt: string | undefined;
  sizeBytes: number;
  /** The ID of the cluster that it was taken from, where that is known. */
  clusterId: string | undefined;
  /** It was named: it is taken, whatever else there is. */
  isNamed: boolean;
}

export interface RecoverRequest {
  sight: ClusterSight;
  allHosts: readonly string[];
  limited: readonly string[];
  data: ReadonlyMap<string, HostData>;
  /** A host whose member has answered what only a quorum can answer. */
  quorumBy: string | undefined;
  /** The host whose data were named. */
  from: string | undefined;
  backup: BackupChoice | undefined;
  complaints: readonly Refusal[];
  ca: string | undefined;
  certLocalDir: string;
  freeBytes: ReadonlyMap<string, number>;
  version: string;
  clusterToken: string;
}

export type Way =
  /** The new cluster begins with this host's data; `stamp`: an earlier run has kept a copy of them already. */
  { by: 'data'; host: string; stamp: string | undefined } | { by: 'backup'; file: string; bump: boolean };

export type RecoverPlan =
  | { kind: 'refused'; refusals: Refusal[]; choices: string }
  /** The new cluster serves, and these hosts have not joined it yet. */
  | { kind: 'rejoin'; host: string; stamp: string; joining: string[]; title: string; steps: PlanStep[] }
  /** A backup was restored on these hosts, all of them: they only have to be started. */
  | { kind: 'finish'; hosts: string[]; revision: bigint; file: string; title: string; steps: PlanStep[] }
  | {
      kind: 'rebuild';
      way: Way;
      /** All members of the new cluster, the first one first. */
      members: string[];
      /** Those of the old one: until the new one has formed, etcd.conf goes on listing them. */
      pairs: readonly MemberPair[];
      /** What each choice would lose: a table. */
      choices: string;
      title: string;
      steps: PlanStep[];
      warnings: string[];
      confirm: { question: string; word: string };
    };

/**
 * What `recover_etcd` has to do where a cluster has lost its quorum, and what each way would lose. Pure.
 * Sources of the rules: etcd-io/website op-guide/recovery and runtime-configuration; E/server/etcdserver/raft.go,
 * `restartAsStandaloneNode`, for what a member keeps.
 */
export function planRecover(request: RecoverRequest): RecoverPlan {
  const { sight, allHosts, limited, data, quorumBy, backup, clusterToken, version, from } = request;
  const left = survivorsOf(sight, data);
  const choices = choicesTable(left, backup);
  const begun = begunAt(request);
  const reachable = allHosts.filter((host) => limited.includes(host) && sight.hosts.some((seen) => seen.host === host));
  if (begun && quorumBy !== undefined && !backup?.isNamed) return rejoin(request, begun, reachable);
  const finish = finishing(request, reachable);
  if (finish) return finish;
  const goesOn = begun && !begun.formed && !backup?.isNamed && (from ?? begun.host) === begun.host ? begun : undefined;
  const first = goesOn?.host ?? chosen(request, left);
  const refusals = [
    ...refuseRecover({ ...request, left, reachable, first, goesOn: goesOn !== undefined }),
    ...sight.hosts.flatMap((seen) => refuseStranger(seen)),
    ...refuseOtherCa({ hosts: sight.hosts, limited, ca: request.ca, certLocalDir: request.certLocalDir }),
  ];
  if (refusals.length > 0) return { kind: 'refused', refusals, choices };
  const way: Way =
    first === undefined
      ? { by: 'backup', file: backup!.file, bump: canBump(version) }
      : { by: 'data', host: first, stamp: goesOn?.stamp };
  const members = first === undefined ? reachable : [first, ...reachable.filter((host) => host !== first)];
  const what = first === undefined ? `the backup ${backup!.file}` : `the data of ${first}`;
  const losing = lossOf(left, first === undefined ? { backup: backup! } : { host: first });
  const question = `A new cluster of ${members.join(', ')} begins with ${what}. It lacks ${losing}. No other host may come back with the old data. Type ${clusterToken} to go on`;
  return {
    kind: 'rebuild',
    way,
    members,
    pairs: left.pairs,
    choices,
    title: `recover the cluster on ${members.join(', ')} from ${what}, etcd ${version}`,
    steps: way.by === 'data' ? stepsFromData(request, left, way, members) : stepsFromBackup(request, members),
    warnings: warningsOf(request, left, members, way),
    confirm: { question, word: clusterToken },
  };
}

/** Nothing was chosen: the best data that etcd can start on, else the backup. */
function chosen({ from, backup }: RecoverRequest, left: Survivors): string | undefined {
  if (backup?.isNamed) return undefined;
  if (from !== undefined) return from;
  return left.choices.find(({ standing }) => standing !== 'damaged')?.host;
}

function begunAt({ data, sight }: RecoverRequest): { host: string; stamp: string; formed: boolean } | undefined {
  const found = sight.hosts.flatMap(({ host }) => {
    const begun = data.get(host)?.begun;
    return begun ? [{ host, ...begun }] : [];
  });
  return found.toSorted((a, b) => (a.stamp < b.stamp ? 1 : -1))[0];
}

function rejoin(
  { sight }: RecoverRequest,
  { host, stamp }: { host: string; stamp: string },
  reachable: readonly string[],
): RecoverPlan {
  const serving = new Set(sight.hosts.flatMap((seen) => (seen.api && !seen.api.status.isLearner ? [seen.host] : [])));
  // The first one may just not have found its leader yet.
  const joining = reachable.filter((one) => one !== host && !serving.has(one));
  const title = `go on recovering: the new cluster begun on ${host} serves`;
  return { kind: 'rejoin', host, stamp, joining, title, steps: joining.map((one) => joinStep(one)) };
}

/** What was restored before the cut, where it is complete, and of the backup that is asked for. */
function finishing({ data, backup, sight }: RecoverRequest, reachable: readonly string[]): RecoverPlan | undefined {
  const marked = reachable.flatMap((host) => {
    const mark = data.get(host)?.restored;
    return mark ? [{ host, mark }] : [];
  });
  const [newest] = marked.map(({ mark }) => mark).toSorted((a, b) => (a.stamp < b.stamp ? 1 : -1));
  if (!newest || (backup?.isNamed && backup.name !== newest.file)) return undefined;
  const hosts = marked.filter(({ mark }) => mark.stamp === newest.stamp).map(({ host }) => host);
  if (hosts.length !== newest.members) return undefined;
  const does = 'start what does not run, wait for one leader, compare the revision';
  const seen = sight.hosts.filter(({ host }) => hosts.includes(host));
  return {
    kind: 'finish',
    hosts,
    revision: newest.revision,
    file: newest.file,
    title: `go on recovering: ${newest.file} is restored on ${hosts.join(', ')}`,
    steps: [{ hosts, does, quorum: 'a new cluster', undo: `the old data lie in ${asideName(seen)}` }],
  };
}

function joinStep(host: string): PlanStep {
  const does = 'move old data aside, prepare, add as a new member, start, wait until its data are level';
  return { hosts: [host], does, quorum: 'grows by one', undo: `play delete_etcd -l ${host}` };
}

function stepsFromData(
  { data }: RecoverRequest,
  left: Survivors,
  { host, stamp }: Extract<Way, { by: 'data' }>,
  members: readonly string[],
): PlanStep[] {
  const others = members.filter((one) => one !== host);
  const begins = 'a cluster of one: the others are forgotten';
  const size = mib(data.get(host)?.sizeBytes ?? 0);
  return [
    ...(others.length > 0
      ? [{ hosts: others, does: 'stop and disable etcd', quorum: 'gone already', undo: 'enable and start it' }]
      : []),
    ...(stamp === undefined
      ? [
          {
            hosts: [host],
            does: `stop etcd, keep a copy of its data (${size})`,
            quorum: 'gone already',
            undo: 'delete it',
          },
        ]
      : []),
    {
      hosts: [host],
      does: `start once with --force-new-cluster (${left.voters.length} members become one), then as ever`,
      quorum: begins,
      undo: 'the copy back: done by itself where it does not come up',
    },
    ...others.map((one) => joinStep(one)),
  ];
}

function stepsFromBackup({ backup, sight }: RecoverRequest, members: readonly string[]): PlanStep[] {
  const seen = sight.hosts.filter(({ host }) => members.includes(host));
  const hosts = [...members];
  const gone = 'gone already';
  return [
    { hosts: [], does: 'prove the backup by a trial restore', quorum: gone, undo: 'not needed' },
    {
      hosts,
      does: 'release, user, directories, certificates, etcd.conf, etcd.service',
      quorum: gone,
      undo: 'not needed',
    },
    {
      hosts,
      does: `send the snapshot (${mib(backup!.sizeBytes)}) and restore it beside the data`,
      quorum: gone,
      undo: 'delete it',
    },
    { hosts, does: 'stop etcd', quorum: gone, undo: 'start it' },
    {
      hosts,
      does: `move old data aside as ${asideName(seen)}, put the restored ones in place`,
      quorum: gone,
      undo: 'swap back',
    },
    {
      hosts,
      does: 'start together, wait for one leader, compare keys and revision',
      quorum: 'a new cluster',
      undo: 'swap back',
    },
  ];
}

function warningsOf(
  { sight, limited }: RecoverRequest,
  left: Survivors,
  members: readonly string[],
  way: Way,
): string[] {
  const lost = left.voters.filter(({ standing }) => standing === 'lost');
  const strangers = lost.filter(({ host }) => host === undefined).map(({ name }) => name);
  const away = sight.lost.map(({ host }) => host);
  const out = sight.hosts.flatMap(({ host }) => (limited.includes(host) ? [] : [host]));
  const even = sizeWarning(members.length);
  return [
    ...away.map(
      (host) =>
        `${host} cannot be reached: make sure that its etcd does not come back with the old data; it is left out, and joins later by play add_etcd -l ${host}`,
    ),
    ...strangers.map(
      (name) => `${name} is not in the inventory: make sure that its etcd does not come back with the old data`,
    ),
    ...out.map((host) => `${host} is left out by -l: what lies there stays, and must not be started`),
    ...(way.by === 'data'
      ? [
          'clients that watch or keep a revision may have seen one that is gone: restart them (Kubernetes: all components)',
        ]
      : []),
    ...(even ? [even] : []),
  ];
}

/** A row for each way there is, and what it would lose. */
export function choicesTable(left: Survivors, backup: BackupChoice | undefined): string {
  const rows = left.voters.map((one) => rowOf(one, left));
  const strays = left.choices.filter(({ host }) => !left.voters.some((voter) => voter.host === host));
  const file = backup && [
    posix.basename(backup.file),
    backup.takenAt ? `backup of ${backup.takenAt}` : 'backup',
    '',
    '',
    '',
    String(backup.revision ?? '?'),
    lossOf(left, { backup }),
  ];
  const all = [...rows, ...strays.map((one) => rowOf(one, left)), ...(file ? [file] : [])];
  return table(['FROM', 'STATE', 'TERM', 'INDEX', 'COMMITTED', 'REVISION', 'WOULD LOSE'], all);
}

function rowOf({ name, host, standing, data }: Survivor, left: Survivors): string[] {
  const state = STATES[standing];
  if (!data || standing === 'restored') return [name, state, '', '', '', '', 'cannot be chosen'];
  const { term, index, committed, revision, fault } = data;
  const loss = standing === 'damaged' ? `cannot be chosen: ${fault}` : lossOf(left, { host: host! });
  return [name, state, String(term), String(index), String(committed), String(revision ?? '?'), loss];
}

const STATES: Record<Survivor['standing'], string> = {
  runs: 'runs',
  stopped: 'stopped',
  ends: 'ends again and again',
  damaged: 'damaged',
  restored: 'restored by an earlier run',
  empty: 'no data',
  lost: 'unreachable',
};

/** What is known to be lost by a choice, and what may be. */
function lossOf(left: Survivors, choice: { host: string } | { backup: BackupChoice }): string {
  const [best] = left.choices;
  const unseen = left.voters.filter(({ data }) => !data || data.fault !== undefined);
  const perhaps = unseen.length >= left.quorum ? [`what only ${unseen.map(({ name }) => name).join(', ')} had`] : [];
  if ('backup' in choice) {
    const { revision, takenAt, clusterId } = choice.backup;
    const own = best?.data?.clusterId;
    if (clusterId !== undefined && own !== undefined && clusterId !== own) return otherCluster(clusterId, own);
    const newest = best?.data?.revision;
    const since = takenAt ? `all changes since ${takenAt}` : 'all changes since it was taken';
    if (revision === undefined || newest === undefined) return since;
    return newest > revision
      ? `the last ${newest - revision} changes that ${best!.name} has`
      : 'nothing that is seen here';
  }
  const own = left.choices.find(({ host }) => host === choice.host)?.data;
  if (!own || !best?.data) return perhaps[0] ?? 'nothing that is seen here';
  const behind = best.data.committed - own.committed;
  const tail = own.index - own.committed;
  const known = [
    ...(behind > 0n ? [`${entries(behind)} of the log that ${best.name} has`] : []),
    ...(tail > 0n ? [`${entries(tail)} not known to be committed`] : []),
    ...perhaps,
  ];
  return known.join(', ') || 'nothing that is seen here';
}

/** A restored cluster has another ID than the one that was backed up; so has any other cluster of that name. */
function otherCluster(id: string, own: string): string {
  return `all of cluster ${own}: it was taken from cluster ${id}`;
}

function entries(count: bigint): string {
  return count === 1n ? '1 entry' : `${count} entries`;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`;
}
