import type { MemberStatus } from '../cluster.ts';
import type { PlanStep, Refusal } from './plan.ts';

/** A host of the cluster, and what its member said of itself. */
export interface BackupCandidate {
  host: string;
  status: MemberStatus | undefined;
  /** Why it said nothing. */
  silence: string;
}

export interface BackupRequest {
  candidates: readonly BackupCandidate[];
  /** `leader`, `follower`, or the name of a host. */
  from: string;
  folder: string;
  freeBytes: number;
  /** How many times the size of the snapshot is needed on the disk. */
  copies: number;
  steps: readonly string[];
}

export type BackupPlan =
  | { kind: 'refused'; refusals: Refusal[] }
  | {
      kind: 'backup';
      clusterId: string;
      /** The members to take it from, the best first: the next one is taken where one fails. */
      sources: string[];
      warnings: string[];
      steps: PlanStep[];
    };

const MIB = 1024 * 1024;
/** The sum at the end, the write-ahead log of a trial, and what is written to the member meanwhile. */
const MARGIN_BYTES = 150 * MIB;

/**
 * From which member a snapshot is taken. A member that stands behind, or has the CORRUPT alarm, comes last or not at all;
 * without a quorum the member that is furthest gives it, since every member knows what it has applied. Pure.
 */
export function planBackup(request: BackupRequest): BackupPlan {
  const { candidates, from, folder, freeBytes, copies } = request;
  const answering = candidates.flatMap(({ host, status }) => (status ? [{ host, status }] : []));
  const refuse = (reason: string, next: string, host?: string): BackupPlan => ({
    kind: 'refused',
    refusals: [{ ...(host ? { host } : {}), reason, next }],
  });
  if (answering.length === 0) {
    const said = candidates.map(({ host, silence }) => `${host}: ${silence}`).join('; ');
    return refuse(
      `no member answers (${said})`,
      'Start one of them. A database file alone can be restored too: see docs/backup_etcd.md.',
    );
  }
  const clusters = new Set(answering.map(({ status }) => status.clusterId));
  if (clusters.size > 1) {
    const said = answering.map(({ host, status }) => `${host}: ${status.clusterId}`).join(', ');
    return refuse(`these hosts are not of one cluster (${said})`, 'Name the members of one cluster: -l HOST.');
  }
  const named = candidates.find(({ host }) => host === from);
  if (from !== 'leader' && from !== 'follower' && !named) {
    return refuse(`there is no host ${from} in this cluster`, 'Say leader, follower or one of its hosts.');
  }
  const corrupt = corruptMembers(answering.map(({ status }) => status));
  const fit = answering.filter(
    ({ host, status }) => !status.isLearner && !corrupt.has(status.memberId) && (!named || host === from),
  );
  if (fit.length === 0) {
    if (named)
      return refuse(
        `no snapshot can be taken from ${from}: ${named.silence || 'it is damaged or a learner'}`,
        'Leave from out, and another member gives it.',
      );
    return refuse(
      'no member is fit to give a snapshot: those that answer are damaged, learners or left out',
      'Look at the alarms: etcdctl alarm list.',
    );
  }
  const sources = fit.toSorted(
    (a, b) => rank(b, from) - rank(a, from) || further(a.status, b.status) || (a.host < b.host ? -1 : 1),
  );
  const sizeBytes = sources[0]!.status.dbSizeBytes;
  const neededBytes = copies * sizeBytes + MARGIN_BYTES;
  if (freeBytes < neededBytes) {
    const [free, needed] = [freeBytes, neededBytes].map((bytes) => Math.ceil(bytes / MIB));
    return refuse(
      `${free} MiB are free for ${folder}, ${needed} MiB are needed`,
      'Make room there, or set LOCAL_ETCD_BACKUP_DIR to another disk. With -e verify=database no trial copy is needed.',
    );
  }
  const hosts = [sources[0]!.host];
  const effect = { quorum: 'untouched', undo: 'delete the file' };
  const what = `take a snapshot of ${Math.ceil(sizeBytes / MIB)} MiB from ${roleOf(sources[0]!)}, etcd ${sources[0]!.status.version}`;
  return {
    kind: 'backup',
    clusterId: sources[0]!.status.clusterId,
    sources: sources.map(({ host }) => host),
    warnings: [...silent(candidates), ...alarmed(answering, corrupt), ...leaderless(answering)],
    steps: [{ hosts, does: what, ...effect }, ...request.steps.map((does) => ({ hosts: [], does, ...effect }))],
  };
}

interface Answering {
  host: string;
  status: MemberStatus;
}

const isLeader = ({ status }: Answering) => status.leaderId === status.memberId;

function rank(one: Answering, from: string): number {
  if (from === 'leader') return isLeader(one) ? 1 : 0;
  return isLeader(one) ? 0 : 1;
}

/** Below zero where the first has seen more. */
function further(a: MemberStatus, b: MemberStatus): number {
  const order = (x: bigint, y: bigint) => (x > y ? -1 : x < y ? 1 : 0);
  return order(a.raftTerm, b.raftTerm) || order(a.appliedIndex, b.appliedIndex) || order(a.raftIndex, b.raftIndex);
}

function roleOf(one: Answering): string {
  return one.status.leaderId === undefined ? 'the furthest member' : isLeader(one) ? 'the leader' : 'a follower';
}

/** Members with the alarm CORRUPT, by what any of them says (`memberID:1234 alarm:CORRUPT`, the ID in decimal). */
function corruptMembers(statuses: readonly MemberStatus[]): Set<string> {
  const words = statuses.flatMap(({ errors }) => errors);
  const found = words.flatMap((word) => /memberID:(\d+)\s+alarm:CORRUPT/.exec(word)?.[1] ?? []);
  return new Set(found.map((id) => BigInt(id).toString(16)));
}

function silent(candidates: readonly BackupCandidate[]): string[] {
  return candidates.flatMap(({ host, status, silence }) => (status ? [] : [`${host} does not answer: ${silence}`]));
}

function alarmed(answering: readonly Answering[], corrupt: ReadonlySet<string>): string[] {
  return answering.flatMap(({ host, status }) =>
    corrupt.has(status.memberId) ? [`${host} has the alarm CORRUPT: nothing is taken from it`] : [],
  );
}

function leaderless(answering: readonly Answering[]): string[] {
  if (answering.some(({ status }) => status.leaderId !== undefined)) return [];
  return ['there is no leader: what this member has applied is saved, which may not be the last that was written'];
}
