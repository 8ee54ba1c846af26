import { compareVersions, minorOf } from '../versions.ts';
import { type ChangePlan, type Planned, refuse } from './action.ts';
import { refuseOtherCa, refuseStranger, refuseTwoClusters } from './create-refusals.ts';
import { noMember } from './health.ts';
import type { Refusal } from './plan.ts';
import { type Leg, upgradePath } from './release-path.ts';
import { hasData, type SeenHost } from './seen.ts';
import { assess, type ClusterSight, type ClusterState } from './sight.ts';
import { type Gate, type GateRequest, gatesBefore } from './upgrade-gates.ts';
import { isBegun, type Spread, sameMinor, spreadOf, type VersionSight, versionAt } from './version-sight.ts';
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

export interface UpgradeRequest extends Omit<GateRequest, 'state' | 'ground' | 'versions'> {
  sight: ClusterSight;
  versions: VersionSight;
  limited: readonly string[];
  /** The release that is wanted; those to go through, and those that are at hand. */
  to: string;
  via: readonly string[];
  atHand: readonly string[];
  /** Go back to what the others still run. */
  back: boolean;
  /** This run has changed something already. */
  begun: boolean;
  /** Legs that this run has taken a backup for, as their `to`. */
  backedUp: ReadonlySet<string>;
  ca: string | undefined;
  certLocalDir: string;
  /** Settings that belong to a member's identity, and differ, by host. */
  frozen: ReadonlyMap<string, readonly string[]>;
}

export type UpgradePlan = ChangePlan<VersionAction> & { gates?: { leg: Leg; gates: readonly Gate[] }[] };

/**
 * What brings a cluster to a release: leg after leg, gates before each, one member at a time, the leader last. A cluster
 * that is between two releases is understood: on to the newer one first, or, if asked for, back. Pure.
 */
export function planUpgrade(request: UpgradeRequest): UpgradePlan {
  const { sight, versions, back, limited, to } = request;
  const state = assess(sight);
  const lone = loneMember(state);
  if (lone) return planLone(lone, request);
  if (state.members.length === 0) return refuse(noMember(state));
  const grounds = [
    ...refuseTwoClusters(sight.hosts),
    ...refuseLimit(state, limited),
    ...sight.hosts.flatMap(refuseStranger),
    ...refuseOtherCa({ hosts: sight.hosts, limited, ca: request.ca, certLocalDir: request.certLocalDir }),
    ...refuseFrozen(request),
  ];
  if (grounds.length > 0) return refuse(...grounds);
  const spread = spreadOf(state, versions);
  if (Array.isArray(spread)) return refuse(...spread);
  if (back) return planBack(state, spread, request);
  const legs = legsFrom(spread, request);
  if (!Array.isArray(legs)) return refuse(legs);
  return planLegs(state, spread, legs, { ...request, to });
}

/** On to what some run already, then from there to the goal. */
function legsFrom({ oldest, newest, isMixed }: Spread, { to, via, atHand }: UpgradeRequest): Leg[] | Refusal {
  if (!isMixed) return to === oldest ? [] : upgradePath({ from: oldest, to, via, atHand });
  if (!sameMinor(oldest, newest) && minorOf(newest) !== followingMinor(oldest)) {
    return {
      reason: `members run ${oldest} and ${newest}, which are more than one minor version apart`,
      next: 'etcd does not allow that for long: bring the odd one to the version of the others by hand.',
    };
  }
  if (compareVersions(to, newest) < 0) {
    return {
      reason: `some members run ${newest} already, and ${to} is wanted`,
      next: `Finish it: play upgrade_etcd -e ETCD_VERSION=${newest}. Or go back to ${oldest}: play upgrade_etcd -e back=true`,
    };
  }
  // Where another patch is wanted by now, nobody needs the one that some run; unless it was asked for on the way.
  const first = sameMinor(to, newest) && !via.includes(newest) ? to : newest;
  const leg: Leg = { from: oldest, to: first, minor: !sameMinor(oldest, first) };
  if (first === to) return [leg];
  const rest = upgradePath({ from: first, to, via, atHand });
  return Array.isArray(rest) ? [leg, ...rest] : rest;
}

function followingMinor(version: string): string {
  const [major, minor] = version.split('.').map(Number);
  return `${major}.${minor! + 1}`;
}

function planLegs(state: ClusterState, spread: Spread, legs: readonly Leg[], request: UpgradeRequest): UpgradePlan {
  const { versions, to, backedUp } = request;
  const { oldest, isMixed } = spread;
  const due = legs[0] ? dueFor(state, versions, legs[0].to) : dueFor(state, versions, to);
  // Nothing is begun with a member down: who knows why it is.
  const ground = firmGround(state, isBegun(spread, versions) ? due : []);
  const gated = legs.map((leg, at) => ({
    leg,
    gates: gatesBefore(leg, { ...request, state, ground, drift: isMixed ? NO_DRIFT : request.drift }, at === 0),
  }));
  const shut = gated.flatMap(({ gates }) => gates.flatMap(({ refusals }) => refusals));
  if (shut.length > 0) return { ...refuse(...distinct(shut)), gates: gated };
  const actions: Planned<VersionAction>[] = [];
  // Where nothing is wanted but what runs, it may be half in place, or not settled yet.
  if (legs.length === 0) {
    if (due.length > 0 && ground.length > 0) return refuse(...ground);
    actions.push(...rollTo(state, versions, { to, due, undo: 'not needed' }).actions);
  }
  const lags = versions.cluster !== undefined && versions.cluster !== minorOf(oldest);
  if (lags && !isMixed) actions.push(settleStep(oldest, backFrom(oldest, versions.cluster!)));
  let leader = state.leader?.host;
  for (const [at, leg] of legs.entries()) {
    const hosts = at === 0 ? due : state.members.flatMap(({ host }) => host ?? []);
    // One before the run's first step, and one before each minor version.
    const isDue = (leg.minor && !backedUp.has(leg.to)) || (at === 0 && backedUp.size === 0);
    const backup = isDue && hosts.length > 0 ? [backupStep(leg.to)] : [];
    const rolled = rollTo(state, versions, {
      to: leg.to,
      due: hosts,
      undo: undoOf(leg),
      leader,
      ...(at > 0 && { later: leg.from }),
    });
    actions.push(...(at === 0 ? prepared(state, backup, rolled.actions) : [...backup, ...rolled.actions]));
    leader = rolled.leader;
    if (leg.minor) actions.push(settleStep(leg.to, backFrom(leg.to, minorOf(leg.from)!)));
  }
  const way = [...new Set([oldest, ...legs.map((leg) => leg.to)])].join(' → ');
  const restarts = actions.filter(({ action }) => action.do === 'swap').length;
  const title =
    actions.length === 0
      ? `the cluster ${state.clusterId} runs etcd ${to}`
      : `upgrade the cluster ${state.clusterId}: ${way}, ${restarts} ${restarts === 1 ? 'restart' : 'restarts, one at a time'}`;
  const warnings = restarts > 0 ? smallWarning(state) : [];
  return { kind: 'plan', title, actions, warnings, gates: gated };
}

const NO_DRIFT: ReadonlyMap<string, readonly string[]> = new Map();

/** What can be undone while a leg is under way. */
function undoOf({ from, minor }: Leg): string {
  const back = `etcd ${from} again: -e back=true`;
  return minor ? `${back}, until the last member runs the new one` : back;
}

/** What can be undone once a cluster calls itself by its new version. */
function backFrom(to: string, before: string): string {
  return ['3.6', '3.7'].includes(minorOf(to)!)
    ? `from here on: play downgrade_etcd to ${before}`
    : 'from here on: only by restoring the backup taken before';
}

/** Those that run something newer go back to what the others still run: as long as the cluster's version is the old one. */
function planBack(state: ClusterState, { oldest, newest }: Spread, request: UpgradeRequest): UpgradePlan {
  const { versions } = request;
  const due = dueFor(state, versions, oldest);
  if (due.length === 0 && request.begun) {
    return { kind: 'plan', title: `the cluster ${state.clusterId} runs etcd ${oldest}`, actions: [], warnings: [] };
  }
  if (due.length === 0) {
    const settled = versions.cluster === minorOf(oldest);
    return refuse({
      reason: `all members run etcd ${oldest}${settled ? ` and the cluster calls itself ${versions.cluster}` : ''}: nothing is half done`,
      next: 'To an older version: play downgrade_etcd -e ETCD_VERSION=…',
    });
  }
  const ground = [...firmGround(state, due), ...request.settingsFaults(oldest)];
  if (ground.length > 0) return refuse(...ground);
  const { actions } = rollTo(state, versions, { to: oldest, due, undo: `etcd ${newest} again: run without back` });
  const title = `take the cluster ${state.clusterId} back to etcd ${oldest}: ${due.length} of ${state.members.length} restarted, one at a time`;
  return { kind: 'plan', title, actions, warnings: smallWarning(state) };
}

/** A cluster of one whose member does not come up lists no member: its host alone tells what was tried. */
function loneMember({ members, sight }: ClusterState): SeenHost | undefined {
  const [only, ...others] = sight.hosts;
  if (members.length > 0 || !only || others.length + sight.lost.length > 0 || !hasData(only)) return undefined;
  return only;
}

function planLone(seen: SeenHost, { versions, back, to }: UpgradeRequest): UpgradePlan {
  const { host } = seen;
  const found = versions.hosts.get(host);
  const stranger = refuseStranger(seen);
  if (stranger.length > 0) return refuse(...stranger);
  const kept = found?.kept;
  const wanted = back ? kept : (versionAt(versions, host) ?? to);
  // What ran before is kept only until the new one has come up.
  if (kept === undefined || wanted === undefined) {
    return refuse({
      host,
      reason: 'its etcd does not answer, and no upgrade is under way here',
      next: 'See there: journalctl -u etcd.service. To start it: play create_etcd.',
    });
  }
  const action: VersionAction = { do: 'swap', host, to: wanted };
  const does = `etcd ${wanted} is put in place and started`;
  const step = { hosts: [host], does, quorum: 'there is none while it is down', undo: 'run again' };
  const title = back ? `take ${host} back to etcd ${wanted}` : `go on with etcd ${wanted} on ${host}`;
  return { kind: 'plan', title, actions: [{ action, step }], warnings: [] };
}

function refuseFrozen({ frozen }: UpgradeRequest): Refusal[] {
  return [...frozen]
    .filter(([, names]) => names.length > 0)
    .map(([host, names]) => ({
      host,
      reason: `${names.join(', ')} of the inventory is not what its member has, and cannot change by an upgrade`,
      next: 'Set it back: play reload_etcd -C says more.',
    }));
}

function distinct(refusals: readonly Refusal[]): Refusal[] {
  return [...new Map(refusals.map((one) => [`${one.host}\0${one.reason}`, one])).values()];
}
