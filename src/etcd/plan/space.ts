import { listOf, oneOf } from '../../variables/kinds.ts';
import type { MemberWord } from '../backup/compare.ts';
import { oddMembers } from '../backup/compare.ts';
import type { Alarm } from '../cluster.ts';
import { size } from '../status/text.ts';
import { type ChangePlan, type MemberAction, type Planned, refuse } from './action.ts';
import { refuseTwoClusters } from './create-refusals.ts';
import { noMember, unhealthy } from './health.ts';
import type { Refusal } from './plan.ts';
import { type ClusterState, callName, type MemberSight, standing } from './sight.ts';

export const spaceWishes = ['compact', 'defrag', 'disarm'] as const;
export type SpaceWish = (typeof spaceWishes)[number];

/** As `-e do=` has them. */
export const spaceWishesKind = listOf(oneOf(spaceWishes));

export type SpaceAction =
  | { do: 'backup'; host: string }
  | { do: 'compact' }
  | { do: 'defragment'; host: string }
  | { do: 'disarm'; alarms: readonly Alarm[] }
  | Extract<MemberAction, { do: 'move leader' }>;

/** What is known of one member's room. */
export interface MemberRoom {
  /** Of the running process; undefined where it has none. */
  quotaBytes: number | undefined;
  /** Free where its data lie. */
  freeBytes: number | undefined;
}

export interface SpaceRequest {
  state: ClusterState;
  /** The hosts that `-l` chose: only their members are defragmented. */
  limited: readonly string[];
  wishes: ReadonlySet<SpaceWish>;
  /** Does also what gains nothing. */
  force: boolean;
  rooms: ReadonlyMap<string, MemberRoom>;
  alarms: readonly Alarm[];
  revision: bigint;
  /** What was overwritten before it is forgotten; 0 where nothing was ever compacted. */
  compactedTo: bigint;
  /** A verified backup of this revision is there, or none is wanted. */
  isBackedUp: boolean;
  /** The hashes of the members at one revision; asked for where there is the alarm CORRUPT. */
  words: readonly MemberWord[];
  /** What this run has done already: clients go on writing, so that it cannot all be seen. */
  done: { compacted: boolean; defragmented: ReadonlySet<string> };
}

const MIB = 1024 ** 2;
/** Less than this is not worth that a member is silent for a moment. */
const LEAST_BYTES = MIB;
/** This much is worth it, however large the rest is. */
const MUCH_BYTES = 100 * MIB;
/** At this point status_etcd warns, too. */
export const FULL = 0.8;
/** The proof at the end of a run writes a few by itself. */
const FEW_REVISIONS = 20n;
/** A new database is written beside the old one. */
const MARGIN_BYTES = 32 * MIB;

export interface Gain {
  worth: boolean;
  why: string;
}

/** Whether a member's database is worth being written anew, from what it holds of what it takes. Pure. */
export function gainOf(dbSizeBytes: number, dbInUseBytes: number, quotaBytes: number | undefined): Gain {
  // Before 3.4 nobody tells.
  if (dbInUseBytes === 0) return { worth: true, why: 'what it would gain is not told by this version' };
  const gain = dbSizeBytes - dbInUseBytes;
  const share = `${size(gain)} of ${size(dbSizeBytes)} are free`;
  if (gain < LEAST_BYTES) return { worth: false, why: 'it would gain nothing' };
  if (gain >= MUCH_BYTES || dbInUseBytes < dbSizeBytes / 2) return { worth: true, why: share };
  if (quotaBytes !== undefined && dbSizeBytes >= FULL * quotaBytes)
    return { worth: true, why: `${share}, and it fills` };
  return { worth: false, why: `${share}: not enough` };
}

/**
 * What `space_etcd` has to do, in the order of etcd-io/website op-guide/maintenance: a backup, what was overwritten is
 * forgotten, then the members one after the other, the leader last and led by another one by then; the alarm last. Pure.
 */
export function planSpace(request: SpaceRequest): ChangePlan<SpaceAction> {
  const { state, wishes, alarms } = request;
  const two = refuseTwoClusters(state.sight.hosts);
  if (two.length > 0) return refuse(...two);
  if (state.members.length === 0) return refuse(noMember(state));
  const title = titleOf(wishes, state.clusterId);
  if (wishes.size === 0) return { kind: 'plan', title, actions: [], warnings: [] };
  const up = state.voters.filter(({ serves }) => serves).length;
  if (!state.leader?.host || up < state.quorum) {
    return refuse({
      reason: `the cluster has no leader that can be asked (${standing(state)})`,
      next: 'Bring back the members that are missing (play create_etcd starts what is stopped). Where they are gone for good: play recover_etcd.',
    });
  }
  const corrupt = alarms.filter(({ kind }) => kind === 'CORRUPT');
  const damaged = corrupt.length > 0 ? refuseCorrupt(request, corrupt) : [];
  if (corrupt.length > 0 && damaged.length === 0 && !wishes.has('disarm')) {
    const reason = 'the cluster has the alarm CORRUPT, though the data of all members are equal: it takes no change';
    damaged.push({ reason, next: 'Disarm it: add disarm to do=' });
  }
  if (damaged.length > 0) return refuse(...damaged);
  const actions: Planned<SpaceAction>[] = [];
  if (corrupt.length > 0 && wishes.has('disarm'))
    actions.push(disarmStep(corrupt, 'the data of all members are equal'));
  const compacts = wishes.has('compact') && isWorthCompacting(request);
  if (compacts) actions.push(...compactSteps(request, state.leader.host));
  const { steps, warnings, refusals } = wishes.has('defrag')
    ? defragmentSteps(request, compacts)
    : { steps: [], warnings: [], refusals: [] };
  actions.push(...steps);
  const full = alarms.filter(({ kind }) => kind === 'NOSPACE');
  const disarms = wishes.has('disarm') && full.length > 0;
  if (disarms) {
    if (!compacts && steps.length === 0 && !request.force) refusals.push(...stillFull(request));
    actions.push(disarmStep(full, 'all members are below their quota'));
  }
  if (refusals.length > 0) return { ...refuse(...refusals), warnings };
  const left = full.length > 0 && !disarms ? ['the alarm NOSPACE stays until it is disarmed: add disarm to do='] : [];
  return { kind: 'plan', title, actions, warnings: [...doubts(state), ...warnings, ...left] };
}

function titleOf(wishes: ReadonlySet<SpaceWish>, id: string | undefined): string {
  const words = { compact: 'compact', defrag: 'defragment', disarm: 'disarm' };
  const said = spaceWishes.filter((one) => wishes.has(one)).map((one) => words[one]);
  return `make room in the cluster ${id}: ${said.join(', ')}`;
}

/** The alarm CORRUPT is true as long as the data differ, or nobody knows whether they do. */
export function refuseCorrupt(
  { state, words }: Pick<SpaceRequest, 'state' | 'words'>,
  alarms: readonly Alarm[],
): Refusal[] {
  const told = new Map(words.map((one) => [one.host, one.hash]));
  const odd = oddMembers(words);
  const alarmed = alarms.map(({ memberId }) => nameOf(state, memberId)).join(', ');
  const said = `the cluster has the alarm CORRUPT (of ${alarmed})`;
  if (odd.length === 1) {
    const [host] = odd as [string];
    const next = `Its data are not those of the cluster, and no disarming changes that. Replace it: play delete_etcd -l ${host}, then play space_etcd -e do=disarm, then play add_etcd -l ${host}.`;
    return [{ host, reason: `${said}, and the data of this member differ from those of the others`, next }];
  }
  if (odd.length > 1) {
    return [
      {
        reason: `${said}, and the data of ${odd.join(', ')} differ with no majority on either side: who is right nobody can tell`,
        next: 'Take a backup of each (play backup_etcd -e from=HOST) and compare them. Then restore the right one: play restore_etcd.',
      },
    ];
  }
  const silent = state.members.filter(({ host }) => host === undefined || told.get(host) === undefined);
  const compactions = new Set(words.flatMap(({ hash }) => hash?.compactRevision ?? []));
  if (silent.length > 0) {
    const next = 'Bring them back (play status_etcd), then run again: only then their data can be compared.';
    return [{ reason: `${said}, and ${silent.map(callName).join(', ')} could not be compared with the others`, next }];
  }
  if (compactions.size > 1) {
    const next = 'Run again in a moment: members compact one after the other.';
    return [{ reason: `${said}, and the data of members that are compacted differently cannot be compared`, next }];
  }
  return [];
}

function nameOf({ members }: ClusterState, id: string): string {
  const own = members.find(({ member }) => member.id === id);
  return own ? callName(own) : `${id}, who is no member any more`;
}

function isWorthCompacting({ revision, compactedTo, force, alarms, done }: SpaceRequest): boolean {
  if (done.compacted || revision <= compactedTo) return false;
  return force || alarms.length > 0 || revision - compactedTo > FEW_REVISIONS;
}

function compactSteps({ revision, compactedTo, isBackedUp }: SpaceRequest, host: string): Planned<SpaceAction>[] {
  const backup: Planned<SpaceAction> = {
    action: { do: 'backup', host },
    step: { hosts: [host], does: 'take a backup and verify it', quorum: 'untouched', undo: 'delete the file' },
  };
  const does = `forget what was overwritten up to revision ${revision} (compacted up to ${compactedTo} now)`;
  return [
    ...(isBackedUp ? [] : [backup]),
    { action: { do: 'compact' }, step: { hosts: [], does, quorum: 'needed', undo: 'no: only the backup has it' } },
  ];
}

function disarmStep(alarms: readonly Alarm[], when: string): Planned<SpaceAction> {
  const [{ kind } = { kind: '' }] = alarms;
  return {
    action: { do: 'disarm', alarms },
    step: {
      hosts: [],
      does: `disarm the alarm ${kind}, where ${when}; prove it by a write`,
      quorum: 'needed',
      undo: 'not needed: etcd raises it again where there is a reason',
    },
  };
}

/** One member after the other, followers first; the leader is another one before its turn comes. */
function defragmentSteps(request: SpaceRequest, compacts: boolean) {
  const { state, limited, rooms, force, done } = request;
  const { leader } = state;
  const warnings: string[] = [];
  const refusals: Refusal[] = [];
  const candidates = state.sight.hosts.flatMap(({ host }) => state.members.find((one) => one.host === host) ?? []);
  const due: { one: MemberSight; does: string }[] = [];
  for (const one of candidates) {
    const host = one.host!;
    if (!limited.includes(host) || done.defragmented.has(host)) continue;
    const { status } = one;
    if (!one.serves || !status || one.member.isLearner) {
      warnings.push(`${host} is not defragmented: ${one.member.isLearner ? 'it is a learner' : 'it does not serve'}`);
      continue;
    }
    const { quotaBytes, freeBytes } = rooms.get(host) ?? { quotaBytes: undefined, freeBytes: undefined };
    const { worth, why } = gainOf(status.dbSizeBytes, status.dbInUseBytes, quotaBytes);
    if (!worth && !force && !compacts) continue;
    const needed = (status.dbInUseBytes || status.dbSizeBytes) + MARGIN_BYTES;
    if (freeBytes !== undefined && freeBytes < needed) {
      const reason = `${size(freeBytes)} are free where its data lie, and its new database needs up to ${size(needed)}`;
      refusals.push({
        host,
        reason,
        next: 'Make room there: old data aside (.aside-…, .bak-…) are the first to look at.',
      });
    }
    const what = compacts && !force ? 'if it gains something by then' : force && !worth ? 'as asked for' : why;
    due.push({ one, does: `defragment: ${what}; wait until it is level` });
  }
  const steps: Planned<SpaceAction>[] = [];
  const alone = state.voters.filter(({ serves }) => serves).length < 2;
  const defragment = ({ one, does }: (typeof due)[number]) => {
    const quorum = alone ? 'kept, but nothing is served meanwhile' : 'kept: it votes on, and its own clients wait';
    steps.push({
      action: { do: 'defragment', host: one.host! },
      step: { hosts: [one.host!], does, quorum, undo: 'not needed: it holds the same' },
    });
  };
  for (const one of due.filter((some) => some.one !== leader)) defragment(one);
  const last = due.find((some) => some.one === leader);
  if (last) {
    const heir = heirOf(state, candidates);
    if (heir) {
      const action: SpaceAction = { do: 'move leader', from: leader!.host!, to: heir.host!, toId: heir.member.id };
      const does = `hand leadership to ${heir.host}, once it is level`;
      steps.push({ action, step: { hosts: [leader!.host!], does, quorum: 'untouched', undo: 'etcdctl move-leader' } });
    }
    defragment(last);
  }
  if (alone && due.length > 0) warnings.push('there is one voter: nothing is served while it is defragmented');
  return { steps, warnings, refusals };
}

/** The first in the order of the inventory. */
function heirOf({ leader }: ClusterState, candidates: readonly MemberSight[]): MemberSight | undefined {
  return candidates.find((one) => one !== leader && one.serves && !one.member.isLearner);
}

/** Whom etcd would raise the alarm for again, with the next write. */
function stillFull({ state, rooms, wishes }: SpaceRequest): Refusal[] {
  return state.serving.flatMap(({ host, status }) => {
    const quotaBytes = host === undefined ? undefined : rooms.get(host)?.quotaBytes;
    if (host === undefined || !status || quotaBytes === undefined || status.dbSizeBytes < quotaBytes) return [];
    const whole = wishes.has('compact') && wishes.has('defrag');
    const reason = `its database has ${size(status.dbSizeBytes)}, and its quota is ${size(quotaBytes)}: disarmed, the alarm would come back with the next write${whole ? ': the keys themselves fill it' : ''}`;
    const next = whole
      ? 'Delete what is not needed (play keys_etcd -e prefix=… -e delete=true), then run this again. Or set a larger ETCD_QUOTA_BACKEND_BYTES in the inventory, play reload_etcd, and run this again.'
      : 'Make room first: play space_etcd -e do=compact,defrag,disarm';
    return [{ host, reason, next }];
  });
}

/** What is wrong beside it: a full cluster must not wait for that. */
function doubts(state: ClusterState): string[] {
  return unhealthy(state, { alarmed: true }).map(({ host, reason }) =>
    host === undefined ? reason : `${host}: ${reason}`,
  );
}
