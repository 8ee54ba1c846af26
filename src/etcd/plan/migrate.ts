import { count, some } from '../v2/still.ts';
import { minorOf } from '../versions.ts';
import { type ChangePlan, type MemberAction, type Planned, refuse } from './action.ts';
import { unhealthy } from './health.ts';
import type { PlanStep, Refusal } from './plan.ts';
import { groundFor, rollSteps } from './roll.ts';
import { assess, type ClusterSight, type ClusterState } from './sight.ts';

/** What brings keys of v2 to v3. */
export type MigrateAction =
  /** A member is restarted with the v2 API on, or as the inventory has it. */
  | { do: 'switch'; host: string; on: boolean }
  /** etcd.conf as the inventory has it, where the process never ran with another. */
  | { do: 'files'; hosts: readonly string[] }
  | { do: 'back up'; host: string }
  | { do: 'copy' }
  | Extract<MemberAction, { do: 'move leader' }>;

/** How a host stands with the v2 API. */
export interface V2Host {
  /** What its member answers; undefined where it does not. `locked`: users must log in. */
  service: 'on' | 'off' | 'locked' | undefined;
  /** ETCD_ENABLE_V2 of the process, and of etcd.conf as it lies there. */
  running: string | undefined;
  onDisk: string | undefined;
  /** It is on with what the inventory says. */
  isWanted: boolean;
  /** What else a restart would bring. */
  drift: readonly string[];
  /** The time of a migration by etcd's own tool that was cut off, and has left its data in place here. */
  cutOff?: string | undefined;
}

/** What was read of v2, and what v3 has under the same names. */
export interface V2Found {
  keys: number;
  /** Nothing is there in v3: they are written. */
  missing: number;
  /** With the same value and end. */
  same: number;
  /** Brought by an earlier run, with a lease that ends at another time by now. */
  late: number;
  /** Another value, or another end. */
  different: readonly { name: string; how: string }[];
  /** They end too soon to be brought. */
  short: number;
  /** Keys whose bytes the v2 API does not show. */
  unreadable: readonly string[];
  /** Why writers do not stand still. */
  unrest: string | undefined;
  /** Keys whose name would be empty. */
  nameless: readonly string[];
  /** Keys that are more than one request of v3 may be. */
  large: readonly string[];
}

export interface MigrateRequest {
  sight: ClusterSight;
  limited: readonly string[];
  allHosts: readonly string[];
  hosts: ReadonlyMap<string, V2Host>;
  /** Undefined where no member serves v2. */
  found: V2Found | undefined;
  overwrite: boolean;
  /** What cannot be read is left out. */
  leaveOut: boolean;
  /** This run has switched v2 on. */
  switched: boolean;
  /** It has seen what speaks against it: all that is left is to go back. */
  stopped: boolean;
  /** It has taken its backups; it has copied, and proven it. */
  backedUp: boolean;
  done: boolean;
  word: string;
}

/** What `migrate_etcd_v2_to_v3` has to do. `found` is refused only before anything was done: see `afterwards`. */
export type MigratePlan = ChangePlan<MigrateAction> & {
  /** What speaks against it was seen only when this run had switched v2 on: it is switched off again first. */
  afterwards?: Refusal[];
};

export function planMigrate(request: MigrateRequest): MigratePlan {
  const { sight, hosts, found, switched, stopped, backedUp, done } = request;
  const state = assess(sight);
  const cut = refuseCutOff(hosts);
  if (cut.length > 0) return refuse(...cut);
  const ground = [...refuseLimit(request), ...unhealthy(state), ...refuseVersion(state), ...refuseUsers(hosts)];
  if (ground.length > 0) return refuse(...ground);
  const back = backSteps(state, hosts);
  if (done || stopped) return plan('v2 to v3', back);
  if (!found) return planUnseen(state, request);
  const refusals = refuseFound(request, found);
  if (refusals.length > 0) {
    // What is not of this run is left as it was met.
    return switched ? { ...plan('the v2 API back as it was', back), afterwards: refusals } : refuse(...refusals);
  }
  const due = found.missing + found.late + found.different.length;
  const actions: Planned<MigrateAction>[] = [
    ...(due > 0 && !backedUp ? [backupStep(servedBy(state, hosts)!)] : []),
    ...(due > 0 ? [copyStep(found)] : []),
    ...back,
  ];
  const title =
    due > 0 ? `bring ${count(due, 'key', 'keys')} of v2 to v3` : `v2 to v3: all ${found.keys} keys are there already`;
  const { different } = found;
  const confirm = {
    question: `${count(different.length, 'key', 'keys')} of v3 will be overwritten by what v2 has. Type ${request.word} to go on`,
    word: request.word,
  };
  return { ...plan(title, actions), ...(different.length > 0 && due > 0 && { confirm }) };
}

function plan(
  title: string,
  actions: Planned<MigrateAction>[],
  warnings: readonly string[] = [],
): Extract<ChangePlan<MigrateAction>, { kind: 'plan' }> {
  return { kind: 'plan', title, actions, warnings };
}

/** v2 is off everywhere: one member is enough to read it, and a follower's restart is the least harm. */
export function switchOn(state: ClusterState, hosts: ReadonlyMap<string, V2Host>) {
  const able = state.serving.filter(({ host, member }) => host !== undefined && !member.isLearner);
  const begun = able.find(({ host }) => hosts.get(host!)?.onDisk === 'true');
  const follower = able.find(({ host }) => host !== state.leader?.host);
  const host = (begun ?? follower ?? able[0])!.host!;
  const { drift = [], isWanted = false } = hosts.get(host) ?? {};
  const refusals: Refusal[] = [];
  if (drift.length > 0) {
    refusals.push({
      host,
      reason: `to read v2 it is restarted, and it does not run with what the inventory says (${drift.join(', ')})`,
      next: 'One thing at a time: play reload_etcd brings that first, or set it back.',
    });
  }
  const actions = switchSteps(state, [host], true, 'restart with ETCD_ENABLE_V2=true: v2 is off, and is read there');
  return { host, isWanted, refusals, actions };
}

function planUnseen(state: ClusterState, { hosts, backedUp }: MigrateRequest): MigratePlan {
  const { host, isWanted, refusals, actions: on } = switchOn(state, hosts);
  if (refusals.length > 0) return refuse(...refusals);
  const off = isWanted ? [] : switchSteps(state, [host], false, OFF);
  const copying = [...(backedUp ? [] : [backupStep(host)]), copyStep(undefined)];
  const { warnings } = groundFor(state, [{ host, why: '' }]);
  return plan('bring the keys of v2 to v3', [...on, ...copying, ...off], warnings);
}

const OFF = 'restart as the inventory has it: v2 is off again';

function switchSteps(state: ClusterState, due: readonly string[], on: boolean, why: string): Planned<MigrateAction>[] {
  const { actions } = rollSteps(
    state,
    due.map((host) => ({ host, why })),
  );
  return actions.flatMap(({ action, step }): Planned<MigrateAction>[] => {
    if (action.do === 'restart') return [{ action: { do: 'switch', host: action.host, on }, step }];
    return action.do === 'move leader' ? [{ action, step }] : [];
  });
}

/** What this run, or one that was ended, has switched on goes back to what the inventory has. */
export function backSteps(state: ClusterState, hosts: ReadonlyMap<string, V2Host>): Planned<MigrateAction>[] {
  const all = [...hosts];
  const isLeft = (now: string | undefined, { isWanted }: V2Host) => now === 'true' && !isWanted;
  const due = all.filter(([, one]) => isLeft(one.running, one)).map(([host]) => host);
  const files = all.filter(([host, one]) => !due.includes(host) && isLeft(one.onDisk, one)).map(([host]) => host);
  const rewrite: Planned<MigrateAction> = {
    action: { do: 'files', hosts: files },
    step: { hosts: files, does: 'etcd.conf as the inventory has it, no restart', ...NO_HARM, undo: 'not needed' },
  };
  return [...switchSteps(state, due, false, OFF), ...(files.length > 0 ? [rewrite] : [])];
}

const NO_HARM = { quorum: 'untouched' };

/** The host by which v2 is read: the leader's where that serves it. Undefined where none does. */
export function servedBy({ leader, serving }: ClusterState, hosts: ReadonlyMap<string, V2Host>): string | undefined {
  const all = [leader, ...serving].flatMap((one) => one?.host ?? []);
  return all.find((host) => hosts.get(host)?.service === 'on');
}

function backupStep(host: string): Planned<MigrateAction> {
  const does = 'back up v3 and v2, and verify both; save the keys of v2 to a file';
  return { action: { do: 'back up', host }, step: { hosts: [host], does, ...NO_HARM, undo: 'delete the files' } };
}

function copyStep(found: V2Found | undefined): Planned<MigrateAction> {
  const step = (does: string): PlanStep => ({
    hosts: [],
    does: `${does}, with leases for those that end; compare all`,
    ...NO_HARM,
    undo: 'what was written is taken back where it fails',
  });
  if (!found) return { action: { do: 'copy' }, step: step('write to v3 what it does not have') };
  const { missing, late, different } = found;
  const parts = [
    ...(missing > 0 || late + different.length === 0 ? [`write ${count(missing, 'key', 'keys')} to v3`] : []),
    ...(late > 0 ? [`set right the end of ${count(late, 'key', 'keys')}`] : []),
    ...(different.length > 0 ? [`overwrite ${count(different.length, 'key', 'keys')}`] : []),
  ];
  return { action: { do: 'copy' }, step: step(parts.join(', ')) };
}

/** All hosts are looked at and may be restarted: one that is left out might serve, and take writes. */
export function refuseLimit({ limited, allHosts }: Pick<MigrateRequest, 'limited' | 'allHosts'>): Refusal[] {
  const left = allHosts.filter((host) => !limited.includes(host));
  if (left.length === 0) return [];
  return [
    { reason: `keys belong to the whole cluster, and -l leaves out ${left.join(', ')}`, next: 'Run without -l.' },
  ];
}

/** Its keys have not all got their ends yet, or its data are not everywhere: what serves now is neither v2 nor v3 as a whole. */
function refuseCutOff(hosts: ReadonlyMap<string, V2Host>): Refusal[] {
  const stamps = [...hosts].flatMap(([, { cutOff }]) => cutOff ?? []);
  if (stamps.length === 0) return [];
  return [
    {
      reason: `a migration by etcd's own tool was cut off (${stamps[0]})`,
      next: 'It goes on, or back, by itself: play migrate_etcd_v2_to_v3 -e offline=true',
    },
  ];
}

function refuseVersion(state: ClusterState): Refusal[] {
  const [version = ''] = state.versions;
  const minor = minorOf(version);
  if (minor === '3.3' || minor === '3.4' || minor === '3.5') return [];
  return [
    {
      reason: `etcd ${version} has no v2 API`,
      next: 'Nothing of v2 can be in it: 3.6 does not start on keys of v2. A backup of before is migrated in a cluster of 3.5 or older.',
    },
  ];
}

export function refuseUsers(hosts: ReadonlyMap<string, V2Host>): Refusal[] {
  const locked = [...hosts].filter(([, { service }]) => service === 'locked').map(([host]) => host);
  if (locked.length === 0) return [];
  return [
    {
      reason: `the users of v2 are in force (${locked.join(', ')}), and not all keys may be read`,
      next: 'Switch them off for the time of the migration: ETCDCTL_API=2 etcdctl auth disable. They have no twin in v3: make users there anew.',
    },
  ];
}

export function refuseUnrest(unrest: string | undefined): Refusal[] {
  if (unrest === undefined) return [];
  return [
    {
      reason: `v2 is being written: ${unrest}`,
      next: 'Stop what writes to v2 (or point it to v3), then run again. -e still_for=30s looks longer.',
    },
  ];
}

function refuseFound({ overwrite, leaveOut }: MigrateRequest, found: V2Found): Refusal[] {
  const { unrest, different, unreadable, nameless, large } = found;
  const refusals: Refusal[] = refuseUnrest(unrest);
  if (different.length > 0 && !overwrite) {
    const named = different.map(({ name, how }) => `${name} (${how})`);
    refusals.push({
      reason: `v3 has ${count(different.length, 'key', 'keys')} of these names already, and not as in v2: ${some(named)}`,
      next: 'Look at them: play keys_etcd -e key=NAME. Delete what v3 does not need, bring v2 under another name (-e dest_prefix=/v2/), or let v2 win: -e overwrite=true (what is overwritten is saved).',
    });
  }
  if (unreadable.length > 0 && !leaveOut) {
    refusals.push({
      reason: `${count(unreadable.length, 'key holds', 'keys hold')} bytes that are no UTF-8, which the v2 API does not give out: ${some(unreadable)}`,
      next: 'Write them anew as text (base64), or leave them out: -e leave_out=true.',
    });
  }
  if (large.length > 0) {
    refusals.push({
      reason: `${count(large.length, 'key is', 'keys are')} larger than a request of v3 may be: ${some(large)}`,
      next: 'Let it take larger requests: a larger ETCD_MAX_REQUEST_BYTES, and play reload_etcd.',
    });
  }
  if (nameless.length > 0) {
    refusals.push({
      reason: `nothing would be left of the name of ${some(nameless)}`,
      next: 'Give a dest_prefix, or a shorter prefix.',
    });
  }
  return refusals;
}
