import { compareVersions, type Minor, minorOf, minors, versionProblem } from '../versions.ts';
import { type ChangePlan, type Planned, refuse } from './action.ts';
import { refuseOtherCa, refuseStranger, refuseTwoClusters } from './create-refusals.ts';
import { noMember } from './health.ts';
import type { Refusal } from './plan.ts';
import { assess, type ClusterSight, type ClusterState } from './sight.ts';
import { isBegun, type Spread, sameMinor, spreadOf, type VersionSight } from './version-sight.ts';
import {
  backupStep,
  dueFor,
  firmGround,
  prepared,
  refuseLimit,
  rollTo,
  settleStep,
  smallWarning,
  type VersionAction,
} from './version-steps.ts';

export interface DowngradeRequest {
  sight: ClusterSight;
  versions: VersionSight;
  limited: readonly string[];
  to: string;
  /** Cancel a downgrade that is under way, and bring the newer release back. */
  back: boolean;
  /** This run has changed something already. */
  begun: boolean;
  backedUp: ReadonlySet<string>;
  /** Verified backups of this cluster that were taken of this minor version, the newest first: for who can only restore. */
  backupsOf(minor: Minor): readonly string[];
  settingsFaults(version: string): readonly Refusal[];
  ca: string | undefined;
  certLocalDir: string;
}

/** The minor versions that etcd itself takes a cluster down from (etcd-io/website downgrades). */
const FROM: readonly Minor[] = ['3.6', '3.7'];

/**
 * What brings a cluster to an older release: the old binary again where the cluster's version allows it, etcd's own downgrade
 * where etcd has one, and where neither is possible what is left to do. Pure.
 */
export function planDowngrade(request: DowngradeRequest): ChangePlan<VersionAction> {
  const { sight, versions, limited, back, to } = request;
  const state = assess(sight);
  if (state.members.length === 0) return refuse(noMember(state));
  const grounds = [
    ...refuseTwoClusters(sight.hosts),
    ...refuseLimit(state, limited),
    ...sight.hosts.flatMap(refuseStranger),
    ...refuseOtherCa({ hosts: sight.hosts, limited, ca: request.ca, certLocalDir: request.certLocalDir }),
  ];
  if (grounds.length > 0) return refuse(...grounds);
  const spread = spreadOf(state, versions);
  if (Array.isArray(spread)) return refuse(...spread);
  if (back) return planCancel(state, spread, request);
  const refusal = refusedWay(spread, request);
  if (refusal) return refuse(refusal);
  const due = dueFor(state, versions, to);
  const half = isHalfUp({ ...spread, to }, versions);
  const revived = half ? due : isBegun(spread, versions) ? switched(spread, to) : [];
  const ground = [...firmGround(state, revived), ...request.settingsFaults(to)];
  if (ground.length > 0) return refuse(...ground);
  const steps = stepsDown(state, spread, due, request);
  const restarts = steps.filter(({ action }) => action.do === 'swap').length;
  const title =
    steps.length === 0
      ? `the cluster ${state.clusterId} runs etcd ${to}`
      : `take the cluster ${state.clusterId} from etcd ${spread.newest} down to ${to}: ${restarts} ${restarts === 1 ? 'restart' : 'restarts, one at a time'}`;
  return { kind: 'plan', title, actions: steps, warnings: restarts > 0 ? smallWarning(state) : [] };
}

/** Why there is no way down to it, and what is left. */
function refusedWay({ oldest, newest }: Spread, request: DowngradeRequest): Refusal | undefined {
  const { to, versions } = request;
  const fault = versionProblem(to);
  if (fault) return { reason: `etcd ${to} ${fault.problem}`, next: fault.next };
  if (compareVersions(to, newest) > 0) {
    return {
      reason: `etcd ${newest} runs, and ${to} is newer`,
      next: `play upgrade_etcd -e ETCD_VERSION=${to}`,
    };
  }
  const [wanted, top] = [minorOf(to)!, minorOf(newest)!];
  const target = versions.downgrade;
  if (target !== undefined && target !== wanted) {
    return {
      reason: `a downgrade to ${target} is under way, and ${to} is wanted`,
      next: `Finish it: play downgrade_etcd -e ETCD_VERSION=${target}.… Or cancel it: play downgrade_etcd -e back=true`,
    };
  }
  const steps = minors.indexOf(top) - minors.indexOf(wanted);
  if (steps === 0 || isHalfUp({ oldest, newest, to }, versions)) return undefined;
  if (steps === 1 && FROM.includes(top)) return undefined;
  if (minors.indexOf(wanted) >= minors.indexOf('3.5')) {
    const first = minors[minors.indexOf(top) - 1]!;
    return {
      reason: `etcd goes down one minor version at a time, and from ${newest} to ${to} there are ${steps}`,
      next: `Go to ${first} first: play downgrade_etcd -e ETCD_VERSION=${first}.…`,
    };
  }
  return {
    reason: `the cluster calls itself ${versions.cluster ?? top}, and etcd does not go down from that to ${wanted}`,
    next: restoreWords(to, request.backupsOf(wanted)),
  };
}

/** An upgrade that is half done: the old binary again is all that it takes. */
function isHalfUp(
  { oldest, newest, to }: { oldest: string; newest: string; to: string },
  { cluster, downgrade }: VersionSight,
): boolean {
  return downgrade === undefined && !sameMinor(oldest, newest) && sameMinor(oldest, to) && cluster === minorOf(to);
}

function restoreWords(to: string, backups: readonly string[]): string {
  const [latest] = backups;
  const what =
    latest === undefined
      ? `No backup of ${minorOf(to)} lies in the folder of backups`
      : `Stop etcd on all hosts, then: play restore_etcd -e ETCD_VERSION=${to} -e snapshot=${latest}`;
  return `Only a restore of the backup taken before the upgrade is left: what was written since is lost with that. ${what}.`;
}

function stepsDown(
  state: ClusterState,
  spread: Spread,
  due: readonly string[],
  { versions, to, backedUp }: DowngradeRequest,
): Planned<VersionAction>[] {
  const { newest } = spread;
  const wanted = minorOf(to)!;
  const half = isHalfUp({ ...spread, to }, versions);
  const crosses = !sameMinor(newest, to) && !half;
  const preparations = [
    ...(due.length > 0 && !backedUp.has(to) ? [backupStep(to)] : []),
    ...(crosses && !isReady(state, versions, wanted) ? [enableStep(wanted)] : []),
  ];
  const undo = crosses
    ? `downgrade_etcd -e back=true, until the last member runs ${to}`
    : half
      ? `etcd ${newest} again: play upgrade_etcd -e ETCD_VERSION=${newest}`
      : `play upgrade_etcd -e ETCD_VERSION=${newest}`;
  const steps = prepared(state, preparations, rollTo(state, versions, { to, due, undo }).actions);
  const unsettled = versions.downgrade !== undefined || versions.cluster !== wanted;
  if (crosses || (due.length === 0 && unsettled && sameMinor(newest, to))) {
    steps.push(settleStep(to, 'from here on: play upgrade_etcd'));
  }
  return steps;
}

/** The downgrade is enabled, and every member that is still newer has its data in the older shape. */
function isReady(state: ClusterState, { cluster, downgrade, storage, hosts }: VersionSight, wanted: Minor): boolean {
  if (downgrade !== wanted || cluster !== wanted) return false;
  return state.members.every(({ host }) => {
    const found = host === undefined ? undefined : hosts.get(host);
    // One that is down was switched only when its data were in shape.
    const version = found?.runs ?? found?.linked;
    return host === undefined || (version !== undefined && minorOf(version) === wanted) || storage.get(host) === wanted;
  });
}

/** Hosts that were switched already: their members may be down by that. One that is not, and is down, is refused. */
function switched({ members }: Spread, to: string): string[] {
  return members.flatMap(({ host, version }) => (sameMinor(version, to) ? [host] : []));
}

function enableStep(to: Minor): Planned<VersionAction> {
  return {
    action: { do: 'enable downgrade', to },
    step: {
      hosts: [],
      does: `etcd's downgrade to ${to} is validated and enabled; wait until the data of all members are in its shape`,
      quorum: 'untouched',
      undo: 'play downgrade_etcd -e back=true',
    },
  };
}

/** The downgrade is called off, and members that were taken down get the newer release again. */
function planCancel(
  state: ClusterState,
  { oldest, newest }: Spread,
  request: DowngradeRequest,
): ChangePlan<VersionAction> {
  const { versions } = request;
  const due = dueFor(state, versions, newest);
  const settled = versions.cluster === minorOf(newest);
  if (versions.downgrade === undefined && due.length === 0 && !request.begun && settled) {
    return refuse({
      reason: `no downgrade is under way: all members run etcd ${newest}`,
      next: 'To a newer version: play upgrade_etcd -e ETCD_VERSION=…',
    });
  }
  const ground = [...firmGround(state, due), ...request.settingsFaults(newest)];
  if (ground.length > 0) return refuse(...ground);
  const actions: Planned<VersionAction>[] = [];
  if (versions.downgrade !== undefined) {
    actions.push({
      action: { do: 'cancel downgrade' },
      step: {
        hosts: [],
        does: `etcd's downgrade to ${versions.downgrade} is cancelled`,
        quorum: 'untouched',
        undo: 'play downgrade_etcd',
      },
    });
  }
  actions.push(
    ...rollTo(state, versions, { to: newest, due, undo: `etcd ${oldest} again: play downgrade_etcd` }).actions,
    ...(settled && versions.downgrade === undefined ? [] : [settleStep(newest, 'from here on: play downgrade_etcd')]),
  );
  const title = `call off the downgrade of the cluster ${state.clusterId}: back to etcd ${newest}`;
  return { kind: 'plan', title, actions, warnings: smallWarning(state) };
}
