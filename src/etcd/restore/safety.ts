import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { keepFile } from '../backup/keep.ts';
import { backupFileName } from '../backup/naming.ts';
import { prove } from '../backup/prove.ts';
import { makeManifest } from '../backup/report.ts';
import { streamSnapshot } from '../backup/take.ts';
import type { EtcdTools } from '../backup/tools.ts';
import type { MemberApi } from '../grpc/member.ts';
import type { EtcdSettings } from '../variables.ts';

export interface SafetyRequest {
  host: string;
  settings: EtcdSettings;
  api: MemberApi;
  /** Where backups are kept, and a folder for work on the same disk. */
  folder: string;
  work: string;
  tools: EtcdTools;
  now: Date;
  signal: AbortSignal;
}

/**
 * A backup of what is about to be stopped, proven by its sum and its database: a full trial would only make the wait longer.
 * It bears a backup's name, and `etcd_snapshot.db` does not lead to it. Gives its path.
 */
export async function takeSafetyBackup(request: SafetyRequest): Promise<string> {
  const { host, settings, api, folder, work, tools, now, signal } = request;
  const file = join(work, 'safety.db');
  await rm(file, { force: true });
  const [status, members] = await Promise.all([api.status(), api.members()]);
  const sums = await streamSnapshot(host, api, {
    file,
    expectedBytes: status.dbSizeBytes,
    signal,
    onProgress: () => undefined,
  });
  const proven = await prove({ tools, file, folder: work, source: host, apis: new Map([[host, api]]), signal }, false);
  const revision = BigInt(proven.database.revision);
  const cluster = settings.clusterToken;
  const name = backupFileName({ cluster, takenAt: now, revision, compression: 'none', encryption: 'none' });
  const manifest = makeManifest({
    cluster: { name: cluster, id: status.clusterId },
    takenAt: now,
    revision,
    source: { host, settings, status },
    members,
    versions: [{ host, status, silence: '' }],
    snapshot: sums,
    file: { name, sizeBytes: sums.sizeBytes, sha256: sums.sha256, compression: 'none', encryption: 'none' },
    proven,
    tools,
  });
  return keepFile(file, folder, manifest);
}
