import type { Minor } from '../versions.ts';
import { minorOf } from '../versions.ts';
import type { MemberAction, Planned } from './action.ts';
import { unhealthy } from './health.ts';
import type { Refusal } from './plan.ts';
import { canBeRevived, rollSteps } from './roll.ts';
import { plural } from './seen.ts';
import { type ClusterState, standing } from './sight.ts';
import { isOn, type VersionSight, versionAt } from './version-sight.ts';

/** What brings another version to a cluster. */
export type VersionAction =
  /** A verified backup on the control machine. */
  | { do: 'backup'; before: string }
  /** The release beside what runs; nothing is switched. */
  | { do: 'install'; hosts: readonly string[]; version: string }
  /** Link, etcd.conf and etcd.service of one host, and its member is restarted; put back if it does not come up. */
  | { do: 'swap'; host: string; to: string }
  /** Until the cluster calls itself by the version of its members; their data are compared. */
  | { do: 'settle'; to: string }
  | { do: 'enable downgrade'; to: Minor }
  | { do: 'cancel downgrade' }
  | Extract<MemberAction, { do: 'move leader' }>;

/** Members that are not wholly on a version yet. */
export function dueFor(state: ClusterState, versions: VersionSight, to: string): string[] {
  return state.members.flatMap(({ host }) => (host !== undefined && !isOn(versions, host, to) ? [host] : []));
}

export interface RollWish {
  to: string;
  due: readonly string[];
  /** What may be done once a member runs it. */
  undo: string;
  leader?: string | undefined;
  /** By then all serve and run this, whatever is seen now. */
  later?: string;
}

/** The release where it is missing, then one member after the other, the leader last. */
export function rollTo(
  state: ClusterState,
  versions: VersionSight,
  { to, due, undo, leader, later }: RollWish,
): { actions: Planned<VersionAction>[]; leader: string | undefined } {
  const isMissing = (host: string) => due.includes(host) && !versions.hosts.get(host)?.installed.includes(to);
  const missing = state.sight.hosts.flatMap(({ host }) => (isMissing(host) ? [host] : []));
  const install: Planned<VersionAction>[] =
    missing.length === 0
      ? []
      : [
          {
            action: { do: 'install', hosts: missing, version: to },
            step: {
              hosts: missing,
              does: `etcd ${to} is unpacked beside what runs`,
              quorum: 'untouched',
              undo: `delete /opt/etcd/v${to}`,
            },
          },
        ];
  const rolled = rollSteps(
    state,
    due.map((host) => {
      const from = later ?? versionAt(versions, host) ?? 'nothing';
      const becomes = `etcd ${from} becomes ${to}${mayNotReadLog(from, to) ? ', behind a snapshot of its log' : ''}`;
      return { host, why: from === to ? `etcd ${to} is started anew` : becomes };
    }),
    { ...(leader !== undefined && { leader }), allServe: later !== undefined },
  );
  const swaps = rolled.actions.flatMap(({ action, step }): Planned<VersionAction>[] => {
    if (action.do === 'move leader') return [{ action, step }];
    if (action.do !== 'restart') return [];
    return [{ action: { do: 'swap', host: action.host, to }, step: { ...step, undo } }];
  });
  return { actions: [...install, ...swaps], leader: rolled.leader };
}

/**
 * Whether a release may find in a member's log what it cannot read: 3.7 panics at what members of 3.5 wrote at their start,
 * which the log of a member of 3.6 may still hold. Source: E/server/etcdserver/apply/apply.go of 3.7, `publish` of 3.5.
 */
export function mayNotReadLog(from: string | undefined, to: string): boolean {
  return from !== undefined && minorOf(from) === '3.6' && minorOf(to) === '3.7';
}

export function backupStep(before: string): Planned<VersionAction> {
  return {
    action: { do: 'backup', before },
    step: {
      hosts: [],
      does: `a backup is taken from the leader, and proven, before ${before}`,
      quorum: 'untouched',
      undo: 'delete the file',
    },
  };
}

/**
 * What asks something of the cluster comes before the restarts; where no member serves, once the first of those that are
 * down is back: a switch that was begun was prepared for.
 */
export function prepared(
  { serving }: ClusterState,
  preparations: readonly Planned<VersionAction>[],
  restarts: readonly Planned<VersionAction>[],
): Planned<VersionAction>[] {
  const from = serving.length > 0 ? 0 : restarts.findIndex(({ action }) => action.do === 'swap') + 1;
  return [...restarts.slice(0, from), ...preparations, ...restarts.slice(from)];
}

export function settleStep(to: string, undo: string): Planned<VersionAction> {
  return {
    action: { do: 'settle', to },
    step: {
      hosts: [],
      does: `wait until the cluster calls itself ${minorOf(to)}; compare the data of all members`,
      quorum: 'untouched',
      undo,
    },
  };
}

/**
 * Whether members may be restarted now. All must serve but those that are to be started by it: with any other one down the
 * cluster never comes to call itself by a new version (E/server/etcdserver/version/monitor.go).
 */
export function firmGround(state: ClusterState, due: readonly string[]): Refusal[] {
  const revived = state.members.filter((one) => due.includes(one.host ?? '') && canBeRevived(one));
  const ids = revived.map(({ member }) => member.id);
  // That versions differ is what the operation is about.
  const refusals = unhealthy({ ...state, versions: [] }, { ids, mayWait: revived.length > 0 });
  const answering = state.voters.filter(({ status }) => status !== undefined).length;
  const firstUp = answering + (revived.some(({ status }) => status === undefined) ? 1 : 0);
  if (refusals.length === 0 && firstUp < state.quorum) {
    const silent = revived.map(({ host }) => host).join(', ');
    refusals.push({
      reason: `${standing(state)}: one after the other they cannot come back`,
      next: `Start etcd on ${silent} (systemctl start etcd), then run again.`,
    });
  }
  return refusals;
}

/** Before it stops, etcd waits for open streams, its longest request time: 5 s and two election timeouts (E/server/embed/etcd.go, Close). */
export function smallWarning({ voters }: ClusterState): string[] {
  if (voters.length > 2) return [];
  const size = `${voters.length} ${plural(voters, 'member', 'members')}`;
  return [
    `with ${size} nothing is served while one of them is restarted: some seconds each time, up to ten where clients watch; shorter leases may expire`,
  ];
}

/** All members at once: it is a matter of the whole cluster. */
export function refuseLimit(state: ClusterState, limited: readonly string[]): Refusal[] {
  const left = state.members.flatMap(({ host }) => (host !== undefined && !limited.includes(host) ? [host] : []));
  if (left.length === 0) return [];
  return [
    {
      reason: `a version is brought to all members, and -l leaves out ${left.join(', ')}`,
      next: 'Run without -l: it goes one member at a time anyway.',
    },
  ];
}
