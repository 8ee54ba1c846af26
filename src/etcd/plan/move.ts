import { quorumOf } from '../quorum.ts';
import { type ChangePlan, type MemberAction, type MemberPair, type Planned, refuse } from './action.ts';
import { refuseOtherCa, refuseStranger } from './create-refusals.ts';
import { noMember, unhealthy } from './health.ts';
import { isPrepared, listSteps } from './join.ts';
import { bestHeir } from './leave.ts';
import type { Refusal } from './plan.ts';
import { configurationOf, hasData, isRunning, type SeenHost } from './seen.ts';
import {
  assess,
  type ClusterSight,
  type ClusterState,
  clusterPairs,
  type MemberSight,
  memberAt,
  seenAt,
} from './sight.ts';

/** What moving a member is made of, beside what all operations are made of. Each can be made again without harm. */
export type MoveAction =
  | MemberAction
  /** A first copy while the member still runs: of no use by itself, but little is left to copy afterwards. */
  | { do: 'copy ahead'; from: string; to: string; id: string }
  /** Stop the service for good, and note whose member is leaving. */
  | { do: 'stop to move'; host: string; id: string }
  /** Its data are moved aside on the same disk, so that nobody starts on them by mistake. */
  | { do: 'hold'; host: string; id: string }
  /** From what is held, checked by sums, then put in place. */
  | { do: 'copy'; from: string; to: string; id: string }
  | { do: 'update'; id: string; peerUrl: string }
  /** Start on the new host and wait until it is level; goes back where that fails. */
  | { do: 'start moved'; from: string; to: string; id: string; small: boolean }
  /** What was held becomes one of the directories that were moved aside. */
  | { do: 'release'; host: string; id: string };

export interface MoveRequest {
  sight: ClusterSight;
  /** The hosts that `-l` chose: the one that the member leaves. */
  limited: readonly string[];
  /** The host that it goes to. */
  to: string | undefined;
  /** What speaks against that host. */
  complaints: readonly Refusal[];
  /** How much there is to copy, and how much of it lies there already; undefined where that was not measured. */
  size?: { dataBytes: number; walBytes: number; thereBytes: number } | undefined;
  ca: string | undefined;
  certLocalDir: string;
}

const MIB = 1024 * 1024;
/** A log file that is being written anew, and room to start. */
const SPARE_BYTES = 192 * MIB;

/**
 * What `move_etcd` has to do, from wherever an earlier run was cut off: the member keeps its ID and its data, and gets a new
 * host. Pure. Sources of the rules: etcd-io/website op-guide/runtime-configuration, "Update advertise peer URLs", and
 * etcd-io/etcd docs, "Migrate a member": stop, copy the data directory, member update, start.
 */
export function planMove(request: MoveRequest): ChangePlan<MoveAction> {
  const { sight, limited, to } = request;
  const asked = refuseRequest(request);
  if (asked.length > 0) return refuse(...asked);
  const from = seenAt(assess(sight), limited[0]!)!;
  const target = seenAt(assess(sight), to!)!;
  const state = withLone(assess(sight), from, target);
  if (state.members.length === 0) return refuse(noMember(state));
  const found = findMember(state, from, target);
  if ('kind' in found) return found;
  const { own } = found;
  const isThere = own.host === target.host && own.serves;
  const small = state.voters.length <= 2;
  const grounds = [
    ...refuseStranger(from),
    ...refuseStranger(target),
    ...refuseOtherCa({
      hosts: sight.hosts.filter((seen) => seen !== target),
      limited,
      ca: request.ca,
      certLocalDir: request.certLocalDir,
    }),
    ...unhealthy(state, { hosts: [from.host, target.host], ids: [own.member.id], mayWait: small && !own.serves }),
    ...(isThere ? leftBehind(from, target, own) : refuseMoving(request, state, { from, target, own })),
  ];
  if (grounds.length > 0) return refuse(...grounds);

  const actions = steps(state, { from, target, own, isThere, small, size: request.size });
  const { id } = own.member;
  const title = `move member ${id} from ${from.host} to ${target.host}, cluster ${state.clusterId ?? '(stopped)'}: it keeps its ID and its data`;
  const stops = actions.some(({ action }) => action.do === 'stop to move') && isRunning(from);
  const still =
    small && !isThere
      ? [
          `a cluster of ${state.voters.length} stands still from the stop on ${from.host} until etcd has started on ${target.host}`,
        ]
      : [];
  const after = [`take ${from.host} out of the inventory afterwards`];
  const warnings = actions.length > 0 ? [...still, ...after] : [`the member is on ${target.host} already`];
  const question = `${[title, ...still].join('. ')}. Type ${from.host} to go on`;
  return {
    kind: 'plan',
    title,
    actions,
    warnings,
    ...(stops && still.length > 0 && { confirm: { question, word: from.host } }),
  };
}

interface Moving {
  from: SeenHost;
  target: SeenHost;
  own: MemberSight;
}

const markOf = ({ facts }: SeenHost, id: string) => facts.moves?.moving.find((one) => one.id === id);
const isHeld = (from: SeenHost, id: string) => markOf(from, id)?.held === true;

/** What lies on the new host was copied before the member ran again where it was: it is old. */
const isStale = ({ from, target, own }: Moving) => hasData(target) && !isHeld(from, own.member.id);

/** How the cluster will list its members. */
function pairsAfter(state: ClusterState, target: SeenHost, id: string): MemberPair[] {
  return clusterPairs(state, { joining: [target.settings], leaving: [id] });
}

function steps(
  state: ClusterState,
  moving: Moving & { isThere: boolean; small: boolean; size: MoveRequest['size'] },
): Planned<MoveAction>[] {
  const { from, target, own, isThere, small, size } = moving;
  const { id } = own.member;
  const { voters } = state;
  const [here, there] = [from.host, target.host];
  const pairs = pairsAfter(state, target, id);
  const planned: Planned<MoveAction>[] = [];
  const push = (hosts: string[], action: MoveAction, does: string, quorum: string, undo: string) =>
    planned.push({ action, step: { hosts, does, quorum, undo } });
  const up = voters.filter((one) => one !== own && one.serves).length;
  const without = `${quorumOf(voters.length)} of ${voters.length}, ${up} serve${up < quorumOf(voters.length) ? ': it stands still' : ''}`;
  const all = `${quorumOf(voters.length)} of ${voters.length}`;
  const runsHere = isRunning(from);
  const goBack = `start on ${here} again`;

  const update = () => {
    const peerUrl = target.settings.advertisePeerUrl;
    if (own.member.peerUrls.length === 1 && own.member.peerUrls[0] === peerUrl) return;
    const does = `member update: ${id} is at ${peerUrl}`;
    push([here], { do: 'update', id, peerUrl }, does, small ? all : without, 'member update, to the address of before');
  };

  if (!isThere) {
    const stale = isStale(moving);
    const amount = size ? ` ${sizeText(size.dataBytes + size.walBytes)}` : '';
    if (stale) {
      if (isRunning(target)) {
        push([there], { do: 'stop', host: there }, 'stop and disable etcd.service', 'untouched', 'not needed');
      }
      const does = 'move the copy aside: the member has run since it was made';
      push([there], { do: 'set aside', host: there }, does, 'untouched', 'not needed');
    }
    if (stale || !isPrepared(target, pairs)) {
      const does = `etcd ${target.settings.version}, user, directories, certificates, etcd.conf, etcd.service; not started`;
      push([there], { do: 'prepare', host: there, pairs }, does, 'untouched', 'remove the files');
    }
    const ahead = target.facts.moves?.arriving.some((one) => one.id === id && one.ahead);
    if (runsHere && (stale || !ahead)) {
      const does = `copy${amount} while it runs, so that little is left for the stop`;
      push([here, there], { do: 'copy ahead', from: here, to: there, id }, does, 'untouched', 'remove the copy');
    }
    const heir = runsHere && own === state.leader ? bestHeir(state, own) : undefined;
    if (heir?.host !== undefined) {
      const action: MoveAction = { do: 'move leader', from: here, to: heir.host, toId: heir.member.id };
      push([here], action, `hand leadership to ${heir.host}`, 'untouched', 'etcdctl move-leader');
    }
    // While one of two is stopped nothing can be changed any more.
    if (small) update();
    // Between two tries of systemd nothing runs, and yet it would come back.
    const ends = ['inactive', 'failed'].includes(from.facts.service.activeState);
    if (!ends || from.facts.service.enabled !== false || !markOf(from, id)) {
      push([here], { do: 'stop to move', host: here, id }, 'stop and disable etcd.service', without, goBack);
    }
    if (!isHeld(from, id)) {
      const does = `hold its data back in ${from.settings.dataDir}/moving-${id}`;
      push([here], { do: 'hold', host: here, id }, does, without, goBack);
    }
    if (stale || !hasData(target)) {
      const does = `copy${amount} to ${target.settings.dataDir}, checked by sums`;
      push([here, there], { do: 'copy', from: here, to: there, id }, does, without, goBack);
    }
    if (!small) update();
    const does = 'start etcd, wait until its data are level';
    const undo = `by itself where it does not start: ${goBack}`;
    push([there], { do: 'start moved', from: here, to: there, id, small }, does, all, undo);
  }
  planned.push(...listSteps(state, pairs, isThere ? [] : [there], [here]));
  if (!isThere || markOf(from, id)) {
    const does = `keep the old data as ${from.settings.dataDir}.aside-…`;
    push([here], { do: 'release', host: here, id }, does, 'untouched', 'not needed');
  }
  return planned;
}

function refuseRequest({ sight, limited, to }: MoveRequest): Refusal[] {
  const [host] = limited;
  if (host === undefined || limited.length > 1) {
    return [
      {
        reason: `one member is moved at a time, and ${limited.length} are chosen (${limited.join(', ')})`,
        next: 'Name the host that it leaves, and the one it goes to: play move_etcd -l FROM -e to=TO',
      },
    ];
  }
  if (to === undefined || to === host) {
    const reason = to === undefined ? 'it is not said where the member goes' : `${host} is where it is already`;
    return [{ reason, next: `Name the host that it goes to: play move_etcd -l ${host} -e to=TO` }];
  }
  const refusals: Refusal[] = [];
  const lostFrom = sight.lost.find((one) => one.host === host);
  if (lostFrom) {
    const next = `Bring it back. If it is lost, a new member takes its place: play replace_etcd -l ${host} -e replacement=${to}`;
    refusals.push({ host, reason: `it cannot be reached: ${lostFrom.reason}`, next });
  }
  const lostTo = sight.lost.find((one) => one.host === to);
  if (lostTo) {
    const next = 'Bring it back, then run again; or name another host: -e to=TO';
    refusals.push({ host: to, reason: `it cannot be reached: ${lostTo.reason}`, next });
  } else if (!sight.hosts.some((one) => one.host === to)) {
    const next = 'Put it under [etcd]: -e to=HOST names a host there.';
    refusals.push({ reason: `${to} is not in the inventory`, next });
  }
  return refusals;
}

/** A cluster of one says nothing while it is stopped: then what lies on its hosts is all that there is to go by. */
function withLone(state: ClusterState, from: SeenHost, target: SeenHost): ClusterState {
  const { hosts } = state.sight;
  const [mark, ...more] = from.facts.moves?.moving ?? [];
  if (state.members.length > 0 || !mark || more.length > 0) return state;
  if (configurationOf(from)?.get('ETCD_INITIAL_CLUSTER')?.includes(',') !== false) return state;
  if (hosts.some((seen) => seen !== from && seen !== target && hasData(seen))) return state;
  const { name, advertiseClientUrls: clientUrls } = from.settings;
  const peerUrls = [target.settings.advertisePeerUrl];
  const member = { id: mark.id, name, peerUrls, clientUrls, isLearner: false };
  const one: MemberSight = { member, host: target.host, seen: target, status: undefined, serves: false };
  return { ...state, members: [one], voters: [one], quorum: 1 };
}

/** The member that is moved, on whichever of the two hosts the cluster has it now. */
function findMember(
  state: ClusterState,
  from: SeenHost,
  target: SeenHost,
): { own: MemberSight } | ReturnType<typeof refuse> {
  const ids = [from, target].map((seen) => (seen.api?.status ?? seen.status)?.memberId);
  if (ids[0] !== undefined && ids[0] === ids[1]) {
    const reason = `etcd runs as member ${ids[0]} on ${from.host} and on ${target.host} at the same time`;
    return refuse({
      reason,
      next: 'Stop at once the one that was started by mistake: systemctl disable --now etcd. Then run again.',
    });
  }
  const here = memberAt(state, from.host);
  const there = memberAt(state, target.host);
  if (here && there) {
    const next = `Name a host that carries none; or take that one out first: play delete_etcd -l ${target.host}`;
    return refuse({ host: target.host, reason: 'this host carries a member already', next });
  }
  if (here) return { own: here };
  if (there && (markOf(from, there.member.id) || (there.serves && from.facts.configuration !== undefined))) {
    return { own: there };
  }
  if (there && hasData(from)) return refuse(twoCopies(from, target));
  const reason = 'this host carries no member of the cluster';
  return refuse({ host: from.host, reason, next: 'See who does: play status_etcd' });
}

function twoCopies(from: SeenHost, target: SeenHost): Refusal {
  return {
    reason: `${from.host} and the cluster do not agree on where the member is: it is listed at ${target.settings.advertisePeerUrl}, and ${from.host} has data of it that are not held back`,
    next: `If it was last on ${from.host}, start it there (systemctl start etcd) and run again; if on ${target.host}, clean up here: play delete_etcd -l ${from.host}`,
  };
}

/** The member serves where it is to be: data where it was are old, and are not mixed up with those that were held. */
function leftBehind(from: SeenHost, target: SeenHost, { member }: MemberSight): Refusal[] {
  if (!hasData(from) && !isRunning(from)) return [];
  const reason = `member ${member.id} serves on ${target.host}, and here are data that are not held back`;
  return [{ host: from.host, reason, next: `They are not used any more. Clean up: play delete_etcd -l ${from.host}` }];
}

/** Why this member cannot be moved, or not there. */
function refuseMoving(
  { complaints, size }: MoveRequest,
  state: ClusterState,
  { from, target, own }: Moving,
): Refusal[] {
  const { host } = from;
  const mark = markOf(from, own.member.id);
  const refusals: Refusal[] = [];
  const complain = (on: string, reason: string, next: string) => refusals.push({ host: on, reason, next });
  if (own.member.isLearner) {
    complain(
      host,
      'it is still a learner, and before 3.5.31 and 3.6.12 member update makes a voter of it unasked',
      `Finish that first: play add_etcd -l ${host}`,
    );
  }
  if (mark?.held && hasData(from)) {
    complain(
      host,
      `${from.settings.dataDir} holds data, and so does ${from.settings.dataDir}/moving-${own.member.id}`,
      `Which of them are the member's cannot be told. Move the others away from ${from.settings.dataDir}, then run again.`,
    );
  }
  const { activeState } = from.facts.service;
  if (!mark && !hasData(from)) {
    complain(host, 'its data are gone', `Put a new member in its place: play replace_etcd -l ${host}`);
  } else if (!own.serves && !mark && activeState !== 'inactive') {
    complain(
      host,
      'this member does not serve: its data may be damaged',
      `See there: journalctl -u etcd.service. With new data: play replace_etcd -l ${host} -e replacement=${target.host}`,
    );
  }
  if (state.voters.length <= 2 && own.host === host && !own.serves && !isAt(own, target)) {
    complain(host, 'it does not serve, and without it nothing can be changed', 'Start it: play create_etcd');
  }
  const places = differentPlaces(from);
  if (places.length > 0) {
    complain(
      host,
      `${places.join(' and ')} of its etcd.conf are not those of the inventory`,
      'Set the inventory right: the data are looked for where it says.',
    );
  }
  const arrived = hasData(target);
  if (arrived && !mark) {
    complain(
      target.host,
      `${target.settings.dataDir} holds data`,
      `Nothing was touched. If they are of no use: play delete_etcd -l ${target.host} moves them aside.`,
    );
  }
  if (!arrived) refusals.push(...complaints, ...refuseSpace(target, size));
  return refusals;
}

const isAt = ({ member }: MemberSight, { settings }: SeenHost) => member.peerUrls[0] === settings.advertisePeerUrl;

function differentPlaces(from: SeenHost): string[] {
  const conf = configurationOf(from);
  const { dataDir, walDir } = from.settings;
  const wanted = { ETCD_DATA_DIR: dataDir, ETCD_WAL_DIR: walDir };
  return conf ? Object.entries(wanted).flatMap(([key, value]) => (conf.get(key) === value ? [] : [key])) : [];
}

/** Data and log may lie on one disk, or on two. */
function refuseSpace({ host, settings, facts }: SeenHost, size: MoveRequest['size']): Refusal[] {
  if (!size) return [];
  const needs = new Map<string, { free: number; bytes: number; paths: string[] }>();
  const need = (path: string, bytes: number) => {
    const disk = facts.disks.find((one) => one.path === path);
    if (!disk) return;
    const entry = needs.get(disk.device) ?? { free: disk.freeBytes, bytes: 0, paths: [] };
    needs.set(disk.device, { ...entry, bytes: entry.bytes + bytes, paths: [...entry.paths, path] });
  };
  need(settings.dataDir, size.dataBytes + SPARE_BYTES - size.thereBytes + (settings.walDir ? 0 : size.walBytes));
  if (settings.walDir) need(settings.walDir, size.walBytes + SPARE_BYTES);
  return [...needs.values()]
    .filter(({ free, bytes }) => free < bytes)
    .map(({ free, bytes, paths }) => ({
      host,
      reason: `${sizeText(free)} are free for ${paths.join(' and ')}, ${sizeText(bytes)} are needed`,
      next: 'Make room there, or name another host: -e to=TO',
    }));
}

export function sizeText(bytes: number): string {
  return bytes >= 1024 * MIB ? `${(bytes / MIB / 1024).toFixed(1)} GiB` : `${Math.ceil(bytes / MIB)} MiB`;
}
