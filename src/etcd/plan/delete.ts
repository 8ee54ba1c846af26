import { sizeWarning } from '../quorum.ts';
import { type ChangePlan, refuse } from './action.ts';
import { refuseStranger, refuseTwoClusters } from './create-refusals.ts';
import { noMember } from './health.ts';
import { listSteps } from './join.ts';
import { cleanSteps, leaveSteps, refuseLeaving } from './leave.ts';
import {
  assess,
  type ClusterSight,
  type ClusterState,
  callName,
  clusterPairs,
  type MemberSight,
  memberAt,
  memberNamed,
  seenAt,
} from './sight.ts';

export interface DeleteRequest {
  sight: ClusterSight;
  /** The hosts that `-l` chose. */
  limited: readonly string[];
  /** A member by its name, ID or peer address: one that the inventory need not have. */
  member: string | undefined;
  /** In this run that member was found before: now it is gone. */
  wasFound?: boolean;
  /** Delete its data instead of moving them aside. */
  purge: boolean;
}

/**
 * What `delete_etcd` has to do, from wherever an earlier run was cut off; its host may be alive or dead. Pure.
 * Sources of the rules: etcd-io/website op-guide/runtime-configuration; no running process does not mean that the member
 * was removed (kubernetes-sigs/etcdadm#126).
 */
export function planDelete(request: DeleteRequest): ChangePlan {
  const { sight, limited, member: word, purge } = request;
  const state = assess(sight);
  const two = refuseTwoClusters(sight.hosts);
  if (two.length > 0) return refuse(...two);
  if (state.members.length === 0) return refuse(noMember(state));
  const found = word === undefined ? byHost(state, limited) : byName(state, word, request.wasFound ?? false);
  if ('kind' in found) return found;
  const { own, host } = found;
  const name = own ? callName(own) : (host ?? word!);
  const target = host === undefined ? undefined : seenAt(state, host);
  const grounds = own ? refuseLeaving(state, own) : leaderless(state, name);
  if (grounds.length === 0 && target && !own) grounds.push(...refuseStranger(target));
  if (grounds.length > 0) return refuse(...grounds);

  const leaving = own ? [own.member.id] : [];
  const pairs = clusterPairs(state, { leaving });
  const actions = [
    ...leaveSteps(state, own),
    ...(target ? cleanSteps(target, { leaves: own !== undefined, purge }) : []),
    ...listSteps(state, pairs, host === undefined ? [] : [host]),
  ];
  const size = pairs.length;
  const title = `take ${name} out of the cluster ${state.clusterId}: ${size} ${size === 1 ? 'member remains' : 'members remain'}`;
  const warnings = own ? warningsFor(state, own, size) : [];
  const word2 = own?.host ?? own?.member.name ?? name;
  const question = `${[title, ...warnings].join('. ')}. Type ${word2} to go on`;
  return {
    kind: 'plan',
    title,
    actions,
    warnings,
    ...(own || purge ? { confirm: { question, word: word2 || name } } : {}),
  };
}

type Found = { own: MemberSight | undefined; host: string | undefined } | ReturnType<typeof refuse>;

function byHost(state: ClusterState, limited: readonly string[]): Found {
  const [host] = limited;
  if (host === undefined || limited.length > 1) {
    return refuse({
      reason: `one member is taken out at a time, and ${limited.length} are chosen (${limited.join(', ')})`,
      next: 'Name it: play delete_etcd -l HOST; one that the inventory does not have: -e member=NAME_OR_ID',
    });
  }
  return { own: memberAt(state, host), host };
}

function byName(state: ClusterState, word: string, wasFound: boolean): Found {
  const found = memberNamed(state, word);
  const [own] = found;
  const list = state.members.map(({ member }) => `${member.name || '(not started)'} ${member.id}`).join(', ');
  if (own && found.length > 1) {
    const next = 'Say which by its ID: -e member=ID';
    return refuse({ reason: `${found.length} members are called ${word} (${list})`, next });
  }
  if (own?.host !== undefined) {
    return refuse({ reason: `${word} is the member on ${own.host}`, next: `Say: play delete_etcd -l ${own.host}` });
  }
  if (own) return { own, host: undefined };
  // An earlier run may have been cut off between taking it out and writing that down.
  const pairs = clusterPairs(state);
  if (wasFound || listSteps(state, pairs).length > 0) return { own: undefined, host: undefined };
  const next = 'Say one of those: -e member=NAME_OR_ID';
  return refuse({ reason: `the cluster has no member ${word}; it has ${list}`, next });
}

/** Where nobody leads, a list may be out of date: what is no member there may be one all the same. */
function leaderless(state: ClusterState, name: string) {
  if (state.leader) return [];
  const reason = `whether ${name} is a member cannot be told: the cluster has no leader`;
  return [{ reason, next: 'Bring back the members that are missing: play status_etcd shows them.' }];
}

function warningsFor(state: ClusterState, own: MemberSight, size: number): string[] {
  const lost = state.sight.lost.find(({ host }) => host === own.host);
  return [
    ...(sizeWarning(size) && !own.member.isLearner ? [sizeWarning(size)!] : []),
    ...(lost
      ? [`${lost.host} cannot be reached: what lies there stays as it is (run this again when it is back, to clean up)`]
      : []),
    ...(own.host === undefined
      ? ['its host is not in the inventory: stop etcd there, and keep it from coming back']
      : []),
  ];
}
