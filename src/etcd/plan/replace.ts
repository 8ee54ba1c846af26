import { isPublished } from '../cluster.ts';
import { type ChangePlan, type Planned, refuse } from './action.ts';
import { refuseOtherCa, refuseStranger } from './create-refusals.ts';
import { unhealthy } from './health.ts';
import { joinSteps } from './join.ts';
import { cleanSteps, leaveSteps, refuseLeaving } from './leave.ts';
import type { Refusal } from './plan.ts';
import { hasData, type SeenHost } from './seen.ts';
import { assess, type ClusterSight, type MemberSight, memberAt, seenAt } from './sight.ts';

export interface ReplaceRequest {
  sight: ClusterSight;
  /** The hosts that `-l` chose: the one whose member is replaced. */
  limited: readonly string[];
  /** The host that takes its place; undefined: the same one. */
  replacement: string | undefined;
  /** Also a member that serves, or whose data may be good. */
  force: boolean;
  /** The ID that the member on this host had when the run began: another one is the new member. */
  oldId?: string | undefined;
  /** What speaks against the host of the new member. */
  complaints: readonly Refusal[];
  ca: string | undefined;
  certLocalDir: string;
}

/**
 * What `replace_etcd` has to do: a member whose disk or host is lost goes, and a new one comes in its place. Removing
 * comes first: a dead member counts for the quorum, and strict-reconfig-check may refuse another beside it. Pure.
 * Sources of the rules: etcd-io/website op-guide/runtime-configuration, "Replace a failed machine"; faq.
 */
export function planReplace(request: ReplaceRequest): ChangePlan {
  const { sight, limited, replacement, complaints, ca, certLocalDir } = request;
  const [host] = limited;
  if (host === undefined || limited.length > 1) {
    return refuse({
      reason: `one member is replaced at a time, and ${limited.length} are chosen (${limited.join(', ')})`,
      next: 'Name it: play replace_etcd -l HOST',
    });
  }
  const to = replacement ?? host;
  const state = assess(sight);
  const target = seenAt(state, to);
  if (!target) return refuse(missing(sight, to));
  const own = memberAt(state, host);
  const idle = to === host && own?.serves === true && !request.force;
  const leaving = own && !idle && isToGo(own, { same: to === host, oldId: request.oldId }) ? own : undefined;
  const newcomer = to === host ? undefined : memberAt(state, to);
  const isNew = !(to === host ? own : newcomer) || (leaving !== undefined && to === host);
  const grounds = [
    ...refuseStranger(target),
    ...(isNew ? complaints.filter((one) => one.host !== to || !isOwnData(one)) : []),
    ...refuseOtherCa({ hosts: sight.hosts.filter((seen) => seen.host !== to), limited, ca, certLocalDir }),
    // Of different versions or not: an upgrade that has lost a host goes on only with all members.
    ...unhealthy({ ...state, versions: [] }, { hosts: [host, to], mayWait: isJoiningAt(own, newcomer) }),
    ...silentNewcomer(leaving ? undefined : (newcomer ?? own)),
    ...(leaving ? [...notNeeded(request, leaving, newcomer), ...refuseLeaving(state, leaving)] : []),
  ];
  if (grounds.length > 0) return refuse(...grounds);
  const old = to === host ? undefined : seenAt(state, host);
  const actions: Planned[] = [
    ...leaveSteps(state, leaving),
    ...(old ? cleanSteps(old, { leaves: leaving !== undefined }) : []),
    ...joinSteps(state, target, leaving ? [leaving.member.id] : []),
  ];
  const place = to === host ? `${host} by a new member on the same host` : `${host} by ${to}`;
  const title = `replace the member on ${place}, cluster ${state.clusterId}, etcd ${state.versions[0]}`;
  const question = `The member on ${host} (${own?.member.id}) is taken out, and ${to} takes its place. Type ${host} to go on`;
  return {
    kind: 'plan',
    title,
    actions,
    warnings: idle && actions.length === 0 ? [nothingToReplace(host)] : after(sight, host, to, actions),
    ...(leaving && { confirm: { question, word: host } }),
  };
}

/** The ID of the member that a run is about, to be remembered for the whole of it; `none` where an earlier run took it out. */
export function replacedId(sight: ClusterSight, host: string, to: string): string {
  const own = memberAt(assess(sight), host);
  return own && isToGo(own, { same: to === host, oldId: undefined }) ? own.member.id : 'none';
}

/** On the same host, one that was added and has not come up yet is the new one: it is what an earlier run left. */
function isToGo(
  { member, serves }: MemberSight,
  { same, oldId }: { same: boolean; oldId: string | undefined },
): boolean {
  if (oldId !== undefined && oldId !== member.id) return false;
  return !same || (!member.isLearner && (isPublished(member) || serves));
}

function isJoiningAt(...members: (MemberSight | undefined)[]): boolean {
  return members.some((one) => one && (one.member.isLearner || !isPublished(one.member)));
}

function nothingToReplace(host: string): string {
  return `the member on ${host} serves: there is nothing to replace (-e force=true replaces it all the same)`;
}

function missing(sight: ClusterSight, host: string): Refusal {
  const lost = sight.lost.find((one) => one.host === host);
  if (!lost) {
    return {
      reason: `${host} is not in the inventory`,
      next: 'Put it under [etcd]: -e replacement=HOST names a host there.',
    };
  }
  return {
    host,
    reason: `it cannot be reached: ${lost.reason}`,
    next: `Bring it back, or name another host for the new member: play replace_etcd -l HOST -e replacement=HOST2`,
  };
}

/** One that is a full member and does not serve has lost its data, or is stopped: it is not to be started on nothing. */
function silentNewcomer(newcomer: MemberSight | undefined): Refusal[] {
  if (!newcomer || newcomer.serves || isJoiningAt(newcomer)) return [];
  const { host } = newcomer;
  const next = `Start it: play create_etcd. If its data are gone: play replace_etcd -l ${host}`;
  return [{ host: host!, reason: 'it is a member already, and does not serve', next }];
}

/** A member that serves, or that only has to be started, is not thrown away by mistake. */
function notNeeded({ force }: ReplaceRequest, leaving: MemberSight, newcomer: MemberSight | undefined): Refusal[] {
  const { host, serves, seen } = leaving;
  if (newcomer) {
    return [
      {
        host: newcomer.host!,
        reason: 'this host carries a member already',
        next: `Name a host that carries none; or finish what was begun here: play add_etcd -l ${newcomer.host}. To take the other one out: play delete_etcd -l ${host}`,
      },
    ];
  }
  if (force) return [];
  if (serves) {
    const next = `To bring it to another host with its data: play move_etcd -l ${host} -e to=HOST. To replace it all the same: -e force=true`;
    return [{ host: host!, reason: 'this member serves: there is nothing to replace', next }];
  }
  if (seen && hasData(seen) && isStopped(seen)) {
    return [
      {
        host: host!,
        reason: 'this member is stopped, and its data are there',
        next: 'Start it: play create_etcd. To replace it all the same (its data are moved aside): -e force=true',
      },
    ];
  }
  return [];
}

const isStopped = ({ facts: { service } }: SeenHost) => service.activeState === 'inactive';
/** What the member that goes leaves behind is no reason against the new one. */
const isOwnData = ({ reason }: Refusal) => reason.includes('is not empty');

function after(sight: ClusterSight, host: string, to: string, actions: readonly Planned[]): string[] {
  if (to === host || actions.length === 0) return [];
  const lost = sight.lost.some((one) => one.host === host);
  const stays = lost ? ` ${host} cannot be reached: if it comes back, its etcd ends by itself.` : '';
  return [`take ${host} out of the inventory afterwards.${stays}`];
}
