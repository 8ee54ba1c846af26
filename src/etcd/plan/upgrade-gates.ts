import { RELEASE_BYTES } from '../preflight.ts';
import { minorOf } from '../versions.ts';
import { alarms } from './health.ts';
import type { Refusal } from './plan.ts';
import { type Leg, leaveFrom } from './release-path.ts';
import type { SeenHost } from './seen.ts';
import type { ClusterState } from './sight.ts';
import { isContentOfV2, type VersionSight } from './version-sight.ts';

/** What must hold before a release is brought: whether it does, or that it is asked when its turn comes. */
export interface Gate {
  name: 'health' | 'alarms' | 'patch' | 'auth' | 'v2' | 'settings' | 'downgrade' | 'space' | 'backup';
  verdict: 'open' | 'later' | 'shut';
  words: string;
  refusals: readonly Refusal[];
}

export interface GateRequest {
  state: ClusterState;
  versions: VersionSight;
  /** What is wrong with the inventory's settings for a version. */
  settingsFaults(version: string): readonly Refusal[];
  /** Settings of running members that differ from the inventory: empty, or not looked at while versions are mixed. */
  drift: ReadonlyMap<string, readonly string[]>;
  /** Whether `ETCD_ENABLE_V2` is set to true. */
  servesV2(version: string): boolean;
  /** What is free for backups on the control machine. */
  backupFreeBytes: number;
  /** What is wrong with members, hosts and leader. */
  ground: readonly Refusal[];
}

const MIB = 1024 * 1024;
/** etcd makes its log in files of 64 MiB, one ahead (server/storage/wal). */
const LOG_BYTES = 130 * MIB;
/** A snapshot, its sum, and what is written meanwhile. */
const BACKUP_MARGIN_BYTES = 50 * MIB;

/** The gates before one leg, from what is seen now. `isNext`: it is the one that is about to begin. Pure. */
export function gatesBefore(leg: Leg, request: GateRequest, isNext: boolean): Gate[] {
  const { ground, versions, state } = request;
  return [
    isNext ? judged('health', ground, healthWords(state)) : later('health'),
    isNext ? judged('alarms', alarms(state), 'none') : later('alarms'),
    { name: 'patch', verdict: 'open', words: patchWords(leg), refusals: [] },
    authGate(leg, versions),
    v2Gate(leg, request, isNext),
    settingsGate(leg, request, isNext),
    judged('downgrade', downgradeFaults(versions), 'none is under way'),
    isNext ? judged('space', spaceFaults(leg, request), 'enough') : later('space'),
    { name: 'backup', verdict: 'later', words: backupWords(leg), refusals: [] },
  ];
}

function judged(name: Gate['name'], refusals: readonly Refusal[], words: string): Gate {
  if (refusals.length === 0) return { name, verdict: 'open', words, refusals };
  return { name, verdict: 'shut', words: refusals.map(({ reason }) => reason).join('; '), refusals };
}

function later(name: Gate['name']): Gate {
  return { name, verdict: 'later', words: 'is asked when it begins', refusals: [] };
}

function healthWords({ members, leader }: ClusterState): string {
  if (leader && members.every(({ serves }) => serves)) return 'all members serve, with one leader';
  return 'those that do not serve are started by it';
}

function patchWords({ from, minor }: Leg): string {
  const floor = minor ? leaveFrom[minorOf(from)!] : undefined;
  return floor ? `${from} is ${floor.least} or newer: ${floor.why}` : 'any';
}

function backupWords({ minor }: Leg): string {
  return minor ? 'is taken now, and proven' : 'is taken now and proven, where none was in this run';
}

/** Whether a leg crosses from one minor version into the next. */
const crosses = ({ from, to }: Leg, a: string, b: string) => minorOf(from) === a && minorOf(to) === b;

/** 3.5 writes changes of users and roles into the log in another shape (etcd-io/website upgrades/upgrade_3_5). */
function authGate(leg: Leg, { auth }: VersionSight): Gate {
  if (!crosses(leg, '3.4', '3.5'))
    return { name: 'auth', verdict: 'open', words: 'does not matter here', refusals: [] };
  if (auth === undefined) return later('auth');
  const refusal: Refusal = {
    reason: 'users and roles are in force, and a cluster with them cannot go from 3.4 to 3.5 one member at a time',
    next: 'Switch them off for the time of the upgrade, with clients kept out (etcdctl auth disable), and on again at its end.',
  };
  return judged('auth', auth ? [refusal] : [], 'users and roles are not in force');
}

function v2Gate(leg: Leg, { versions, servesV2 }: GateRequest, isNext: boolean): Gate {
  const { v2, v2Left } = versions;
  const open = (words: string): Gate => ({ name: 'v2', verdict: 'open', words, refusals: [] });
  if (crosses(leg, '3.3', '3.4')) {
    if (v2 !== 'content') return open(v2 === 'empty' ? 'nothing is stored by the v2 API' : 'the v2 API is off');
    if (servesV2(leg.to)) return open('v2 keys are there, and ETCD_ENABLE_V2 keeps them served');
    return judged(
      'v2',
      [{ reason: 'v2 keys are there, and 3.4 does not serve them unless it is told to', next: V2_KEEP }],
      '',
    );
  }
  if (!crosses(leg, '3.5', '3.6')) return open('does not matter here');
  if (v2 === 'content') {
    return judged('v2', [{ reason: 'v2 keys are there, and 3.6 does not start on them', next: V2_MIGRATE }], '');
  }
  if (!isNext || v2Left.size === 0) return later('v2');
  const left = [...v2Left].filter(([, found]) => found !== '');
  const refusals = left.map(([host, found]) => ({
    host,
    reason: isContentOfV2(found)
      ? `its data hold content of v2, and 3.6 does not start on that: ${found}`
      : `whether its data hold content of v2 could not be looked at: ${found}`,
    next: isContentOfV2(found) ? V2_MIGRATE : 'See there: etcdutl check v2store --data-dir=DIR. Then run again.',
  }));
  return judged('v2', refusals, 'no content of v2 is left on any member');
}

const V2_MIGRATE =
  'Bring them to v3 first: play migrate_etcd_v2_to_v3. Then delete them, and have a snapshot written (ETCD_SNAPSHOT_COUNT low for a while).';
const V2_KEEP = 'Bring them to v3 first: play migrate_etcd_v2_to_v3. Or keep them served: ETCD_ENABLE_V2=true.';

function settingsGate(leg: Leg, { settingsFaults, drift }: GateRequest, isNext: boolean): Gate {
  const changed = isNext ? [...drift].filter(([, names]) => names.length > 0) : [];
  const refusals = [
    ...settingsFaults(leg.to),
    ...changed.map(([host, names]) => ({
      host,
      reason: `it does not run with what the inventory says (${names.join(', ')})`,
      next: 'One thing at a time: play reload_etcd brings that first, or set it back.',
    })),
  ];
  return judged('settings', refusals, `etcd ${leg.to} knows all that are set`);
}

function downgradeFaults({ downgrade }: VersionSight): Refusal[] {
  if (downgrade === undefined) return [];
  return [
    {
      reason: `a downgrade to ${downgrade} is under way: newer members may not join meanwhile`,
      next: `Finish it: play downgrade_etcd -e ETCD_VERSION=${downgrade}.… Or cancel it: play downgrade_etcd -e back=true`,
    },
  ];
}

function spaceFaults({ to }: Leg, { state, versions, backupFreeBytes }: GateRequest): Refusal[] {
  const faults = state.sight.hosts.flatMap((seen) => {
    const isThere = versions.hosts.get(seen.host)?.installed.includes(to) ?? false;
    return [
      ...(isThere ? [] : tooLittle(seen, seen.settings.installDir, RELEASE_BYTES)),
      ...tooLittle(seen, seen.settings.dataDir, LOG_BYTES),
    ];
  });
  const sizeBytes = Math.max(0, ...state.members.map(({ status }) => status?.dbSizeBytes ?? 0));
  const needed = sizeBytes + BACKUP_MARGIN_BYTES;
  if (backupFreeBytes < needed) {
    faults.push({
      reason: `${mib(backupFreeBytes)} MiB are free for the backup on this machine, ${mib(needed)} MiB are needed`,
      next: 'Make room there, or set LOCAL_ETCD_BACKUP_DIR to another disk.',
    });
  }
  return faults;
}

function tooLittle({ host, facts }: SeenHost, path: string, bytes: number): Refusal[] {
  const disk = facts.disks.find((one) => one.path === path || one.path.startsWith(`${path}/`));
  if (!disk || disk.freeBytes >= bytes) return [];
  const reason = `${mib(disk.freeBytes)} MiB are free for ${path}, ${mib(bytes)} MiB are needed`;
  return [{ host, reason, next: 'Make room there, then run again.' }];
}

const mib = (bytes: number) => Math.ceil(bytes / MIB);

/** The gates as they are shown before the plan: a row for each. */
export function gatesText(legs: readonly { leg: Leg; gates: readonly Gate[] }[]): string {
  const sign = { open: 'ok', later: '..', shut: 'NO' };
  return legs
    .map(({ leg, gates }) => {
      const rows = gates.map(({ name, verdict, words }) => `  ${sign[verdict]}  ${name.padEnd(9)}  ${words}`);
      return [`GATES ${leg.from} → ${leg.to}`, ...rows].join('\n');
    })
    .join('\n');
}
