import { quorumOf } from '../quorum.ts';
import type { MemberAction, Planned } from './action.ts';
import type { Refusal } from './plan.ts';
import { hasData, isRunning, type SeenHost } from './seen.ts';
import { type ClusterState, callName, type MemberSight, standing } from './sight.ts';

/** Why a member cannot be taken out now: a removal needs a quorum, and must leave one. */
export function refuseLeaving(state: ClusterState, leaving: MemberSight): Refusal[] {
  const name = callName(leaving);
  const stay = state.voters.filter((one) => one !== leaving);
  const isVoter = stay.length < state.voters.length;
  if (isVoter && stay.length === 0) {
    return [
      {
        reason: `${name} is the last member: without it the cluster and its data are gone`,
        next: `To give up the cluster: back it up (play backup_etcd), then stop etcd there by hand. To move it: play move_etcd -l ${name} -e to=HOST`,
      },
    ];
  }
  const up = stay.filter(({ serves }) => serves).length;
  if (state.leader && up >= quorumOf(stay.length)) return [];
  const lacks = state.leader
    ? `of the ${stay.length} members that would remain ${up} serve, and ${quorumOf(stay.length)} are needed`
    : `the cluster has no leader (${standing(state)}), and without one nothing can be changed`;
  return [
    {
      reason: `${name} cannot be taken out: ${lacks}`,
      next: 'Bring back members that are down first (play create_etcd starts what is stopped). Where the quorum is lost for good: play recover_etcd.',
    },
  ];
}

/** Leadership first where it is there, then out. Nothing for a member that is out already. */
export function leaveSteps(state: ClusterState, leaving: MemberSight | undefined): Planned[] {
  if (!leaving) return [];
  const name = callName(leaving);
  const hosts = leaving.host === undefined ? [] : [leaving.host];
  const stay = state.voters.filter((one) => one !== leaving);
  const planned: Planned[] = [];
  const heir = leaving === state.leader ? bestHeir(state, leaving) : undefined;
  if (heir?.host !== undefined) {
    planned.push({
      action: { do: 'move leader', from: leaving.host ?? name, to: heir.host, toId: heir.member.id },
      step: { hosts, does: `hand leadership to ${heir.host}`, quorum: 'untouched', undo: 'etcdctl move-leader' },
    });
  }
  const up = stay.filter(({ serves }) => serves).length;
  planned.push({
    action: { do: 'remove', id: leaving.member.id, name },
    step: {
      hosts,
      does: `take ${name} (${leaving.member.id}) out of the cluster`,
      quorum: `${quorumOf(stay.length)} of ${stay.length}, ${up} serve`,
      undo: 'no: it can only be added anew',
    },
  });
  return planned;
}

/** The voter that has seen most, of those that could lead at once. */
export function bestHeir(state: ClusterState, leaving: MemberSight): MemberSight | undefined {
  const voters = state.voters.filter((one) => one !== leaving && one.serves && one.host !== undefined);
  return voters.toSorted((a, b) => Number(b.status!.raftIndex - a.status!.raftIndex))[0];
}

/** What is left of a member on its host: the service is stopped for good, its data are moved aside. */
export function cleanSteps(
  target: SeenHost,
  { leaves, purge = false }: { leaves: boolean; purge?: boolean },
): Planned[] {
  const { host, facts, settings } = target;
  const planned: Planned[] = [];
  const isThere = facts.service.fragment !== '' && facts.service.enabled !== false;
  if (leaves || isRunning(target) || isThere) {
    planned.push({
      action: { do: 'stop', host },
      step: { hosts: [host], does: 'stop and disable etcd.service', quorum: 'untouched', undo: 'not needed' },
    });
  }
  if (hasData(target) || facts.data.kind === 'etcd') {
    const action: MemberAction = { do: 'set aside', host, ...(purge ? { purge } : {}) };
    const does = purge ? `DELETE ${settings.dataDir}, as asked for` : `move ${settings.dataDir} aside`;
    const undo = purge ? 'no' : 'of no use: the cluster does not take it back';
    planned.push({ action, step: { hosts: [host], does, quorum: 'untouched', undo } });
  }
  return planned;
}
