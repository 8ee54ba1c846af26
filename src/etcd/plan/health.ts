import { isPublished } from '../cluster.ts';
import { refuseTwoClusters } from './create-refusals.ts';
import type { Refusal } from './plan.ts';
import { type ClusterState, callName, type MemberSight, standing } from './sight.ts';

interface Except {
  hosts?: readonly string[];
  ids?: readonly string[];
  /** A cluster that stands still until one of these has started: going on is what helps. */
  mayWait?: boolean;
  /** The operation is there to clear alarms. */
  alarmed?: boolean;
}

/**
 * What is not in order with a running cluster, apart from the members and hosts that the operation is about. Members are
 * changed only where this is empty: one change at a time, and on firm ground (etcd-io/website runtime-configuration).
 */
export function unhealthy(state: ClusterState, except: Except = {}): Refusal[] {
  const { hosts = [], ids = [], mayWait = false, alarmed = false } = except;
  const { sight, members, versions } = state;
  const two = refuseTwoClusters(sight.hosts);
  if (two.length > 0) return two;
  if (members.length === 0) return [noMember(state)];
  const others = members.filter((one) => !ids.includes(one.member.id) && !(one.host && hosts.includes(one.host)));
  const refusals = others.flatMap((one) => (mayWait && one.status ? [] : complaintAbout(one, state)));
  if (!state.leader && refusals.length === 0 && !mayWait) {
    refusals.push({
      reason: `the cluster has no leader (${standing(state)})`,
      next: 'Wait for the election to end, or bring back the members that are missing: play status_etcd shows them.',
    });
  }
  if (versions.length > 1) {
    refusals.push({
      reason: `members of different versions run (${versions.join(', ')})`,
      next: `Finish the upgrade first: play upgrade_etcd -e ETCD_VERSION=${versions.at(-1)}`,
    });
  }
  return [...refusals, ...(alarmed ? [] : alarms(state))];
}

/** NOSPACE and CORRUPT, as members tell of them. */
export function alarmKinds(state: ClusterState): string[] {
  const words = state.members.flatMap(({ status }) => status?.errors ?? []);
  return [...new Set(words.flatMap((word) => /alarm:\s*(\w+)/.exec(word)?.[1] ?? []))].sort();
}

/** The alarms that members tell of: a cluster that is full or damaged is put right first. */
export function alarms(state: ClusterState): Refusal[] {
  return alarmKinds(state).map((kind) => ({
    reason: `the cluster has the alarm ${kind}`,
    next: kind === 'NOSPACE' ? 'Make room first: play space_etcd.' : 'Find the damaged member first: play space_etcd.',
  }));
}

export function noMember({ sight: { hosts, lost, clientEnded } }: ClusterState): Refusal {
  const all = [...hosts, ...lost].map(({ host }) => host).join(', ');
  if (clientEnded) {
    return {
      reason: `no member answers on ${all}: the client certificate ended on ${clientEnded.toISOString()}, and theirs may have too`,
      next: 'Have what has ended issued anew and sent, without a restart: play create_etcd',
    };
  }
  return {
    reason: `no member of a cluster answers on ${all}`,
    next: 'To make a cluster, or to start one that is stopped: play create_etcd. Where it has lost its quorum: play recover_etcd.',
  };
}

function complaintAbout(one: MemberSight, { sight }: ClusterState): Refusal[] {
  const { member, host, seen, status, serves } = one;
  const name = callName(one);
  const on = host === undefined ? {} : { host };
  if (host === undefined) {
    return [
      {
        reason: `the cluster has a member that the inventory does not: ${name} (${member.peerUrls.join(', ')})`,
        next: `Put it into the inventory, or take it out of the cluster: play delete_etcd -e member=${member.name || member.id}`,
      },
    ];
  }
  if (!isPublished(member) && !serves) {
    const reason = 'it was added to the cluster and has not started yet';
    return [
      {
        ...on,
        reason,
        next: `Finish that first: play add_etcd -l ${host}, or take it out: play delete_etcd -l ${host}`,
      },
    ];
  }
  if (member.isLearner) {
    const reason = 'it is still a learner';
    return [{ ...on, reason, next: `Finish that first: play add_etcd -l ${host}` }];
  }
  if (serves) return [];
  const lost = sight.lost.find((away) => away.host === host);
  const why = lost
    ? `its host cannot be reached (${lost.reason})`
    : status
      ? 'it knows of no leader'
      : 'it does not answer';
  const ends = seen?.facts.data.walFiles === 0 ? 'its data are gone' : why;
  return [
    {
      ...on,
      reason: `this member does not serve: ${ends}`,
      next: `Bring it back first (play create_etcd starts what is stopped), or replace it: play replace_etcd -l ${host}`,
    },
  ];
}
