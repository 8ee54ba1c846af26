import { hostname } from 'node:os';
import type { MemberStatus } from '../cluster.ts';
import type { BackupCandidate } from '../plan/backup.ts';
import type { EtcdSettings } from '../variables.ts';
import type { Manifest } from './manifest.ts';
import type { Proven } from './prove.ts';
import type { RetentionPolicy } from './retention.ts';
import type { SnapshotSums } from './snapshot-sum.ts';
import type { EtcdTools } from './tools.ts';

export interface ManifestInput {
  cluster: Manifest['cluster'];
  takenAt: Date;
  revision: bigint;
  source: { host: string; settings: EtcdSettings; status: MemberStatus };
  members: Manifest['members'];
  versions: readonly BackupCandidate[];
  snapshot: SnapshotSums;
  file: Manifest['file'];
  proven: Proven | undefined;
  tools: EtcdTools | undefined;
  v2?: Manifest['v2'];
}

export function makeManifest(input: ManifestInput): Manifest {
  const { source, proven, tools, snapshot } = input;
  const { status } = source;
  const { database, restored } = proven ?? {};
  return {
    format: 1,
    cluster: input.cluster,
    takenAt: input.takenAt.toISOString(),
    takenOn: hostname(),
    revision: String(input.revision),
    from: {
      host: source.host,
      name: source.settings.name,
      id: status.memberId,
      version: status.version,
      raftTerm: String(status.raftTerm),
      raftIndex: String(status.raftIndex),
    },
    members: input.members,
    versions: Object.fromEntries(
      input.versions.flatMap(({ host, status }) => (status ? [[host, status.version]] : [])),
    ),
    snapshot: { sizeBytes: snapshot.sizeBytes, sha256: snapshot.sha256 },
    file: input.file,
    ...(input.v2 && { v2: input.v2 }),
    proof: {
      trailer: snapshot.trailer === 'right',
      database: database && {
        tool: `${tools!.snapshot.split('/').at(-1)} ${tools!.version}`,
        hash: database.hash,
        revision: String(database.revision),
        keys: database.keys,
      },
      restored: restored && {
        etcd: tools!.version,
        revision: String(restored.revision),
        compactRevision: String(restored.compactRevision),
        keys: String(restored.keyCount),
        hash: restored.hash,
      },
      agree: proven?.agree ?? [],
      at: new Date().toISOString(),
    },
  };
}

const MIB = 1024 * 1024;

export function mebibytes(bytes: number): string {
  if (bytes < MIB) return `${Math.ceil(bytes / 1024)} KiB`;
  return bytes < 10 * MIB ? `${(bytes / MIB).toFixed(1)} MiB` : `${Math.round(bytes / MIB)} MiB`;
}

export interface ReportInput {
  path: string;
  manifest: Manifest;
  tookMs: number;
  totalMs: number;
  proven: Proven | undefined;
  removed: readonly string[];
}

/** What a run of backup_etcd ends with. */
export function backupReport({ path, manifest, tookMs, totalMs, proven, removed }: ReportInput): string {
  const { snapshot, file, from, proof } = manifest;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const speed = Math.round(snapshot.sizeBytes / MIB / (tookMs / 1000));
  const packed =
    file.sizeBytes === snapshot.sizeBytes && file.encryption === 'none'
      ? ''
      : `, ${[file.compression, file.encryption].filter((one) => one !== 'none').join(' and ')}: ${mebibytes(file.sizeBytes)}`;
  const lines = [
    `Backup ${path}`,
    `  snapshot  ${mebibytes(snapshot.sizeBytes)}${packed}; revision ${manifest.revision}${proof.restored ? `, ${proof.restored.keys} keys` : ''}`,
    `  sha256    ${file.sha256}`,
    `  taken     from ${from.host} (etcd ${from.version}) in ${seconds(tookMs)}, ${speed} MiB/s; ${seconds(totalMs)} in all`,
    `  verified  ${provenText(manifest, proven)}`,
    ...(manifest.v2 ? [`  v2 API    ${v2Text(manifest.v2)}`] : []),
    ...removed.map((name) => `  removed   ${name}`),
  ];
  return `\n${lines.join('\n')}`;
}

export function v2Text({ name, facts, startedBy, sizeBytes }: NonNullable<Manifest['v2']>): string {
  const keys = facts ? `${facts.keys} ${facts.keys === 1 ? 'key' : 'keys'}` : 'keys that nobody could count (log-in)';
  const renamed = facts?.inOrder ? `; ${facts.inOrder} made in order have other numbers in it, in the same order` : '';
  const tried = startedBy ? `, started on trial by etcd ${startedBy}` : '';
  return `${keys} in ${name} (${mebibytes(sizeBytes)})${tried}${renamed}`;
}

function provenText({ proof, from }: Manifest, proven: Proven | undefined): string {
  if (!proof.database) return 'not: its sum is right, and nothing else was looked at';
  if (!proof.restored) return `its sum is right and its database is whole (${proof.database.tool})`;
  const others = (proven?.agree ?? []).filter((host) => host !== from.host);
  const said = others.length > 0 ? `, and so say ${others.join(', ')}` : '';
  return `restored by etcd ${proof.restored.etcd}: revision, keys and hash are those of ${from.host}${said}`;
}

/** The rules in words, for the plan; empty where there are none. */
export function retentionText(policy: RetentionPolicy): string {
  const words = {
    last: 'the newest %',
    days: 'those of the last % days',
    hourly: 'one an hour for % hours',
    daily: 'one a day for % days',
    weekly: 'one a week for % weeks',
    monthly: 'one a month for % months',
  };
  const rules = Object.entries(words).flatMap(([rule, text]) => {
    const number = policy[rule as keyof RetentionPolicy];
    return number === undefined ? [] : [text.replace('%', String(number))];
  });
  return rules.length === 0 ? '' : `of all backups keep ${rules.join(', ')}`;
}
