import { compareVersions } from '../versions.ts';
import { refuseOtherCa, refuseStranger, refuseTwoClusters } from './create-refusals.ts';
import { asideName, noRoom, refuseLogMount, refuseLogRoom } from './disks.ts';
import type { PlanStep, Refusal } from './plan.ts';
import { memberList } from './seen.ts';
import { assess, type ClusterSight } from './sight.ts';

/** The backup as it was proven on the control machine. */
export interface ProvenBackup {
  file: string;
  revision: bigint;
  keyCount: bigint;
  sizeBytes: number;
  /** ISO, from its manifest; undefined for a file that has none. */
  takenAt: string | undefined;
  /** The name of the cluster it was taken from, and its ID; undefined where that is not known. */
  cluster: { name: string; id: string } | undefined;
}

export interface RestoreRequest {
  sight: ClusterSight;
  allHosts: readonly string[];
  limited: readonly string[];
  backup: ProvenBackup;
  version: string;
  clusterToken: string;
  /** The newest revision of what runs now; undefined where nothing runs. */
  revisionNow: bigint | undefined;
  complaints: readonly Refusal[];
  ca: string | undefined;
  certLocalDir: string;
  /** Room on each host for the snapshot and a restored copy of it. */
  freeBytes: ReadonlyMap<string, number>;
  /** A safety backup cannot be taken, or is not wanted. */
  safety: boolean;
  /** What the backup has of the v2 API. */
  v2?: V2Sight | undefined;
  /** Hosts whose v2 API holds something now. */
  v2Now?: readonly string[];
  /** Hosts whose v2 API could not be asked. */
  v2Untold?: readonly string[];
}

export interface V2Sight {
  /** Undefined where users must log in. */
  keys: number | undefined;
  /** The restored cluster will serve the v2 API. */
  isServed: boolean;
  /** They are to be put back. */
  isWanted: boolean;
}

export type RestorePlan =
  | { kind: 'refused'; refusals: Refusal[] }
  | {
      kind: 'restore';
      title: string;
      steps: PlanStep[];
      warnings: string[];
      confirm: { question: string; word: string };
      /** Watchers are given a jump of the revision, so that none of them holds one from the future. */
      bump: boolean;
      /** Takes the safety backup. */
      source: string | undefined;
    };

/** By this much the revision jumps: more than anyone writes while a backup grows old (etcd-io/etcd#16028). */
export const BUMP = 1_000_000_000;

/** Tools that can do that: 3.4.27, 3.5.10 and all later minor versions. */
export function canBump(version: string): boolean {
  const from = version.startsWith('3.4.') ? '3.4.27' : '3.5.10';
  return compareVersions(version, '3.4.0') >= 0 && compareVersions(version, from) >= 0;
}

/**
 * What `restore_etcd` has to do, and what would be lost by it. Everything that can be done beside the running cluster is
 * done first; what it stops for is a rename. Pure. Sources of the rules: etcd-io/website op-guide/recovery.
 */
export function planRestore(request: RestoreRequest): RestorePlan {
  const { sight, allHosts, backup, version, clusterToken, revisionNow } = request;
  const refusals = refusalsOf(request);
  if (refusals.length > 0) return { kind: 'refused', refusals };
  const state = assess(sight);
  const running = sight.hosts.filter(({ facts }) => facts.service.activeState !== 'inactive');
  const source = request.safety ? (state.leader ?? state.serving[0])?.host : undefined;
  const bump = canBump(version);
  const hosts = [...allHosts];
  const untouched = running.length > 0 ? 'untouched' : 'none';
  const steps: PlanStep[] = [];
  const push = (on: readonly string[], does: string, quorum: string, undo: string) =>
    steps.push({ hosts: on, does, quorum, undo });
  if (source) push([source], 'take a safety backup of what runs now', untouched, 'delete the file');
  push(hosts, `etcd ${version}, user, directories, certificates, etcd.conf, etcd.service`, untouched, 'not needed');
  push(hosts, `send the snapshot (${mib(backup.sizeBytes)}) and restore it beside the data`, untouched, 'delete it');
  const aside = sight.hosts.some(({ facts }) => facts.data.kind !== 'none');
  if (running.length > 0) {
    push(
      running.map(({ host }) => host),
      'stop etcd on all hosts',
      'gone: an outage begins',
      'start it again',
    );
  }
  push(
    hosts,
    `${aside ? `move the data aside as ${asideName(sight.hosts)}, ` : ''}put the restored ones in place`,
    'none',
    'swap back: done by itself where it does not come up',
  );
  push(hosts, 'start together, wait for one leader, compare keys and revision', 'the outage ends', 'swap back');
  if (request.v2?.isWanted)
    push([hosts[0]!], `write ${keysText(request.v2)} of the v2 API anew`, 'untouched', 'delete them');
  const title = `restore ${backup.file} on ${hosts.length} ${hosts.length === 1 ? 'host' : 'hosts'}, etcd ${version}`;
  const warnings = [...lossOf(request), ...v2Warnings(request), ...(bump ? [] : [noBump(version)])];
  const word = clusterToken;
  const what = running.length > 0 || aside ? lossText(backup, revisionNow) : `a new cluster is made of ${backup.file}`;
  return {
    kind: 'restore',
    title,
    steps,
    warnings,
    confirm: { question: `${what}. Type ${word} to go on`, word },
    bump,
    source,
  };
}

function refusalsOf(request: RestoreRequest): Refusal[] {
  const { sight, allHosts, limited, backup, complaints, ca, certLocalDir, freeBytes } = request;
  const refusals: Refusal[] = [];
  if (limited.length < allHosts.length) {
    const left = allHosts.filter((host) => !limited.includes(host)).join(', ');
    refusals.push({
      reason: `all members are restored from one file together, and -l leaves out ${left}`,
      next: 'Run without -l; to restore onto fewer hosts, take the others out of the inventory.',
    });
  }
  for (const { host, reason } of sight.lost) {
    refusals.push({
      host,
      reason: `it cannot be reached (${reason}), and might go on running with the old data`,
      next: 'Bring it back, or take it out of the inventory and see to it that its etcd does not come back.',
    });
  }
  refusals.push(...refuseTwoClusters(sight.hosts), ...sight.hosts.flatMap((seen) => refuseStranger(seen)));
  refusals.push(...refuseOtherCa({ hosts: sight.hosts, limited, ca, certLocalDir }));
  refusals.push(...complaints.filter(({ reason }) => !reason.includes('is not empty')));
  const urls = new Set([...sight.hosts, ...sight.lost].map(({ settings }) => settings.advertisePeerUrl));
  for (const member of memberList(sight.hosts) ?? []) {
    if (member.peerUrls.some((url) => urls.has(url))) continue;
    refusals.push({
      reason: `the running cluster has a member that the inventory does not: ${member.name || member.id} (${member.peerUrls.join(', ')})`,
      next: 'It would go on with the old data: put it into the inventory, or take it out of the cluster first.',
    });
  }
  refusals.push(...refuseLogMount(sight.hosts));
  const needed = 3 * backup.sizeBytes + 200 * 1024 * 1024;
  for (const [host, free] of freeBytes) {
    if (free < needed) refusals.push(noRoom(host, 'data lie', free, needed, 'the snapshot and the restored copy'));
  }
  refusals.push(...refuseLogRoom(sight.hosts));
  if (request.v2) refusals.push(...refuseV2(request.v2, request.version));
  return refusals;
}

function lossOf({ backup, revisionNow, sight }: RestoreRequest): string[] {
  const id = assess(sight).clusterId;
  const other = backup.cluster && id !== undefined && backup.cluster.id !== id;
  return [
    ...(revisionNow === undefined ? [] : [lossText(backup, revisionNow)]),
    ...(other ? [`the backup is of another cluster: ${backup.cluster!.name} (${backup.cluster!.id}), not ${id}`] : []),
  ];
}

/** What stands in the way of going back in time. */
export function lossText({ revision, takenAt, keyCount }: ProvenBackup, now: bigint | undefined): string {
  const snapshot = `the snapshot is of revision ${revision}${takenAt ? `, taken ${takenAt}` : ''}, with ${keyCount} keys`;
  if (now === undefined) return `${snapshot}; what the hosts hold now does not run, and is moved aside`;
  const lost = now - revision;
  if (lost > 0n) return `${snapshot}; the cluster is at revision ${now}: the last ${lost} changes will be gone`;
  return `${snapshot}; the cluster is at revision ${now}: what it holds now will be gone`;
}

/** Whether what a backup has of the v2 API can be put back. */
export function refuseV2(v2: V2Sight, version: string): Refusal[] {
  if (!v2.isWanted) return [];
  const leave = 'leave them out: -e v2=false';
  if (!v2.isServed) {
    const can = compareVersions(version, '3.6.0') < 0;
    const reason = `the backup has ${keysText(v2)} of the v2 API, and etcd ${version} ${can ? 'does not serve it unless it is told to' : 'has none'}`;
    return [
      { reason, next: can ? `Set ETCD_ENABLE_V2=true, or ${leave}.` : `Restore with an older version, or ${leave}.` },
    ];
  }
  if (v2.keys !== undefined) return [];
  const next = `Restore them as docs/backup_etcd.md has it, with the v2 data alone, or ${leave}.`;
  return [{ reason: 'users must log in to the v2 data of the backup, and so they cannot be read', next }];
}

function keysText({ keys }: V2Sight): string {
  return keys === 1 ? '1 key' : `${keys ?? 'the'} keys`;
}

function v2Warnings({ v2, v2Now = [], v2Untold = [] }: RestoreRequest): string[] {
  const none = v2?.isWanted ? '' : ', and nothing of it is put back';
  return [
    ...(v2 && !v2.isWanted ? [`${keysText(v2)} of the v2 API in the backup are left out`] : []),
    ...(v2Now.length > 0 ? [`what the v2 API of ${v2Now.join(', ')} holds now will be gone${none}`] : []),
    ...(v2Untold.length > 0
      ? [`the v2 API of ${v2Untold.join(', ')} gives no answer: what it may hold will be gone${none}`]
      : []),
  ];
}

function noBump(version: string): string {
  return `etcd ${version} cannot raise the revision on restoring: restart clients that watch or keep a revision (Kubernetes: all components)`;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`;
}
