import { isPublished } from '../cluster.ts';
import type { MemberAction, Planned } from './action.ts';
import { alarmKinds, noMember, unhealthy } from './health.ts';
import type { Refusal } from './plan.ts';
import { hasData, plural } from './seen.ts';
import { type ClusterState, callName, type MemberSight, memberAt } from './sight.ts';

/** What changes files and restarts members, and nothing else: who is a member stays as it is. */
export type RollAction =
  /** Certificates are issued here, where they are due, and sent; nothing is restarted. */
  | { do: 'certificates'; hosts: readonly string[]; issue: readonly string[] }
  /** etcd.conf and etcd.service as wanted; nothing is restarted. */
  | { do: 'files'; hosts: readonly string[] }
  /** The same on one host, and its member is restarted. */
  | { do: 'restart'; host: string; phase?: 1 | 3 }
  | Extract<MemberAction, { do: 'move leader' }>;

/** A member that is to be restarted, and why: for the plan to show. */
export interface Due {
  host: string;
  why: string;
}

export interface RollOptions {
  /** The host that leads when the first one is restarted. */
  leader?: string | undefined;
  phase?: 1 | 3;
  /** By then all will serve, whatever is seen now. */
  allServe?: boolean;
}

export interface Rolled {
  actions: Planned<RollAction>[];
  /** The host that leads when all is done. */
  leader: string | undefined;
}

/**
 * One member after the other: first those that do not answer, then followers, the leader last, when another one that is
 * level leads (etcd-io/website op-guide/maintenance; upgrades go the same way).
 */
export function rollSteps(
  state: ClusterState,
  due: readonly Due[],
  { leader = state.leader?.host, phase, allServe = false }: RollOptions = {},
): Rolled {
  const inOrder = state.sight.hosts.flatMap(({ host }) => due.find((one) => one.host === host) ?? []);
  const answers = ({ host }: Due) => allServe || memberAt(state, host)?.status !== undefined;
  const row = [
    ...inOrder.filter((one) => !answers(one)),
    ...inOrder.filter((one) => answers(one) && one.host !== leader),
    ...inOrder.filter((one) => answers(one) && one.host === leader),
  ];
  const actions: Planned<RollAction>[] = [];
  let leads = leader;
  for (const [at, { host, why }] of row.entries()) {
    if (host === leads) {
      const restarted = row.slice(0, at).map((one) => one.host);
      const heir = heirOf(state, host, (one) => allServe || one.serves || restarted.includes(one.host ?? ''));
      if (heir?.host !== undefined) {
        actions.push({
          action: { do: 'move leader', from: host, to: heir.host, toId: heir.member.id },
          step: {
            hosts: [host],
            does: `hand leadership to ${heir.host}, once it is level`,
            quorum: 'untouched',
            undo: 'etcdctl move-leader',
          },
        });
        leads = heir.host;
      }
    }
    actions.push({
      action: { do: 'restart', host, ...(phase && { phase }) },
      step: {
        hosts: [host],
        does: `${why}; wait until it is level`,
        quorum: effect(state, host, allServe),
        undo: 'the files of before are put back if it does not come up',
      },
    });
  }
  return { actions, leader: leads };
}

/** The first voter that could lead by then: that it is level is waited for, before it is asked to. */
function heirOf(state: ClusterState, leader: string, serves: (one: MemberSight) => boolean): MemberSight | undefined {
  const others = state.voters.filter((one) => one.host !== leader && serves(one));
  return state.sight.hosts.flatMap(({ host }) => others.find((one) => one.host === host) ?? [])[0];
}

function effect(state: ClusterState, host: string, allServe: boolean): string {
  const own = memberAt(state, host);
  if (!own || own.member.isLearner) return 'untouched: learners have no vote';
  const { voters, quorum } = state;
  if (!own.serves && !allServe) return 'untouched: it does not serve now';
  const without = voters.length - 1;
  if (without < quorum) return `${without} of ${voters.length} for a moment, ${quorum} are needed`;
  return `${without} of ${voters.length} for a moment, ${quorum} are needed: kept`;
}

/** Members that were started once, whose data are there, and that do not serve: a restart may help, and harms nobody. */
export function canBeRevived({ member, seen, serves }: MemberSight): boolean {
  return !serves && !member.isLearner && isPublished(member) && seen !== undefined && hasData(seen);
}

export interface Ground {
  refusals: Refusal[];
  warnings: string[];
  /** Members that are down, and are borne with. */
  down: string[];
}

/**
 * Whether members may be restarted now. A member that is down and not among those to be restarted is borne with only
 * where a quorum serves while one more is down.
 * @param borne IDs of members that were down when the run began: no other one may fall meanwhile.
 */
export function groundFor(state: ClusterState, due: readonly Due[], borne?: readonly string[]): Ground {
  if (state.members.length === 0) return { refusals: [noMember(state)], warnings: [], down: [] };
  const chosen = (one: MemberSight) => due.some(({ host }) => host === one.host);
  const revived = state.members.filter((one) => chosen(one) && canBeRevived(one));
  const down = state.voters.filter((one) => isPublished(one.member) && !one.serves && !revived.includes(one));
  const ids = (some: readonly MemberSight[]) => some.map(({ member }) => member.id);
  const up = state.voters.length - down.length;
  const stays = up - 1 >= state.quorum && down.every(({ member }) => borne?.includes(member.id) ?? true);
  const stopsServing = due.some(({ host }) => memberAt(state, host)?.serves);
  const except = [...ids(revived), ...(stays || !stopsServing ? ids(down) : [])];
  // A larger quota comes by a restart alone: where no more than that is wrong, it is borne with.
  const isFull = alarmKinds(state).join() === 'NOSPACE';
  const refusals = unhealthy(state, { ids: except, mayWait: revived.length > 0, alarmed: isFull });
  const answering = state.voters.filter(({ status }) => status !== undefined).length;
  const firstUp = answering + (revived.some(({ status }) => status === undefined) ? 1 : 0);
  if (refusals.length === 0 && firstUp < state.quorum) {
    refusals.push({
      reason: `${answering} of ${state.voters.length} members answer, and ${state.quorum} are needed: one after the other they cannot come back`,
      next: 'Start all together: play create_etcd. Where members are lost for good: play recover_etcd.',
    });
  }
  const left = down.filter(({ member }) => except.includes(member.id));
  const warnings = left.map((one) => `${callName(one)} does not serve, and is left as it is`);
  if (isFull)
    warnings.push('the cluster has the alarm NOSPACE and takes no writes: play space_etcd makes room and clears it');
  const small = state.voters.length <= 2 && stopsServing;
  if (small) {
    const size = `${state.voters.length} ${plural(state.voters, 'member', 'members')}`;
    warnings.push(`with ${size} nothing is served while one of them is restarted: some seconds`);
  }
  return { refusals, warnings, down: ids(down) };
}

/** What is wrong, as warnings: for what restarts nothing, and so needs no firm ground. */
export function doubts(state: ClusterState): string[] {
  return unhealthy(state).map(({ host, reason }) => (host === undefined ? reason : `${host}: ${reason}`));
}
