import type { MessageData } from '../runner/events.ts';
import type { MemberWord } from './backup/compare.ts';
import type { Alarm } from './cluster.ts';
import { type ClusterState, callName } from './plan/sight.ts';
import { FULL, gainOf, type MemberRoom, refuseCorrupt } from './plan/space.ts';
import type { Problem } from './status/problem.ts';
import { membersInOrder } from './status/sight.ts';
import { size } from './status/text.ts';
import { table } from './tables.ts';

export interface SpaceReport {
  state: ClusterState;
  rooms: ReadonlyMap<string, MemberRoom>;
  alarms: readonly Alarm[];
  revision: bigint;
  compactedTo: bigint;
  words: readonly MemberWord[];
}

/** A row for each member: what its database takes, what of it holds data, and how much it may take. */
export function spaceText({ state, rooms, alarms, revision, compactedTo }: SpaceReport): string {
  const rows = membersInOrder(state).map((one) => {
    const { status, host, member } = one;
    const room = host === undefined ? undefined : rooms.get(host);
    const own = alarms.filter(({ memberId }) => memberId === member.id).map(({ kind }) => kind);
    const role = one === state.leader ? 'leader' : member.isLearner ? 'learner' : one.serves ? 'follower' : 'silent';
    if (!status) return [callName(one), role, '-', '-', '-', '-', '-', own.join(' ') || '-'];
    const { dbSizeBytes, dbInUseBytes } = status;
    const gain = gainOf(dbSizeBytes, dbInUseBytes, room?.quotaBytes);
    return [
      callName(one),
      role,
      size(dbSizeBytes),
      size(dbInUseBytes),
      room?.quotaBytes === undefined ? 'none' : size(room.quotaBytes),
      share(dbSizeBytes, room?.quotaBytes),
      gain.worth ? (dbInUseBytes === 0 ? 'unknown' : size(dbSizeBytes - dbInUseBytes)) : '-',
      own.join(' ') || '-',
    ];
  });
  const head = ['HOST', 'ROLE', 'DB', 'IN USE', 'QUOTA', 'FILLED', 'DEFRAG GAINS', 'ALARMS'];
  const gone = alarms.filter(({ memberId }) => !state.members.some(({ member }) => member.id === memberId));
  const history = revision - compactedTo;
  return [
    `\nSpace of the cluster ${state.clusterId ?? ''}: revision ${revision}, compacted up to ${compactedTo} (${history} ${history === 1n ? 'revision' : 'revisions'} of history)`,
    table(head, rows),
    ...gone.map(({ memberId, kind }) => `Alarm ${kind} of ${memberId}, who is no member any more`),
  ].join('\n');
}

/** The same for programs. */
export function spaceRecord({ state, rooms, alarms, revision, compactedTo }: SpaceReport): MessageData {
  return {
    kind: 'space',
    revision: String(revision),
    compactedTo: String(compactedTo),
    members: membersInOrder(state).map((one) => {
      const { status, host, member } = one;
      const quotaBytes = host === undefined ? undefined : rooms.get(host)?.quotaBytes;
      const gain = status && gainOf(status.dbSizeBytes, status.dbInUseBytes, quotaBytes);
      return {
        host: host ?? null,
        member: member.name || member.id,
        leads: one === state.leader,
        dbSizeBytes: status?.dbSizeBytes ?? null,
        dbInUseBytes: status?.dbInUseBytes || null,
        quotaBytes: quotaBytes ?? null,
        worthDefragmenting: gain?.worth ?? null,
        alarms: alarms.filter(({ memberId }) => memberId === member.id).map(({ kind }) => kind),
      };
    }),
  };
}

function share(bytes: number, quotaBytes: number | undefined): string {
  return quotaBytes === undefined ? '-' : `${Math.floor((bytes / quotaBytes) * 100)} %`;
}

/** What is not well with the space: alarms, and members that will soon have one. Pure. */
export function spaceProblems({ state, rooms, alarms, words }: SpaceReport): Problem[] {
  const placeOf = (id: string) => {
    const own = state.members.find(({ member }) => member.id === id);
    return own?.host === undefined ? { member: id } : { host: own.host, member: own.member.name };
  };
  const full = alarms.filter(({ kind }) => kind === 'NOSPACE');
  const noSpace = full.map(
    ({ memberId }): Problem => ({
      kind: 'alarm',
      severity: 'critical',
      ...placeOf(memberId),
      message: 'alarm NOSPACE: its database has reached its quota, and the cluster takes no writes',
      next: 'Make room and clear it: play space_etcd -e do=compact,defrag,disarm',
    }),
  );
  const filling = membersInOrder(state).flatMap(({ host, status }): Problem[] => {
    const quotaBytes = host === undefined ? undefined : rooms.get(host)?.quotaBytes;
    if (host === undefined || !status || quotaBytes === undefined || status.dbSizeBytes < FULL * quotaBytes) return [];
    if (full.length > 0) return [];
    const message = `its database fills ${share(status.dbSizeBytes, quotaBytes)} of its quota`;
    const next = 'At 100 % the cluster takes no more writes. Make room: play space_etcd -e do=compact,defrag';
    return [{ kind: 'space', severity: 'warning', host, message, next }];
  });
  return [...corruptProblems(state, alarms, words), ...noSpace, ...filling];
}

function corruptProblems(state: ClusterState, alarms: readonly Alarm[], words: readonly MemberWord[]): Problem[] {
  const corrupt = alarms.filter(({ kind }) => kind === 'CORRUPT');
  if (corrupt.length === 0) return [];
  const refusals = refuseCorrupt({ state, words }, corrupt);
  const told = refusals.map(({ host, reason, next }) => ({
    ...(host === undefined ? {} : { host }),
    message: reason,
    next,
  }));
  const equal = {
    message: 'the cluster has the alarm CORRUPT, and the data of all members are equal now',
    next: 'Disarm it: play space_etcd -e do=disarm',
  };
  return (told.length > 0 ? told : [equal]).map((one) => ({ kind: 'alarm', severity: 'critical', ...one }));
}
