import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { keepFile } from '../backup/keep.ts';
import { backupFileName, v2FileName } from '../backup/naming.ts';
import { prove } from '../backup/prove.ts';
import { makeManifest } from '../backup/report.ts';
import { streamSnapshot } from '../backup/take.ts';
import type { EtcdTools } from '../backup/tools.ts';
import { takeV2, type V2Request } from '../backup/v2/take.ts';
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
  /** Where the v2 API holds something: how it is asked. */
  v2?: Pick<V2Request, 'connection' | 'get'> | undefined;
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
  const naming = { cluster, takenAt: now, revision, compression: 'none', encryption: 'none' } as const;
  const name = backupFileName(naming);
  const v2File = join(work, 'safety.v2');
  await rm(v2File, { force: true });
  const v2 = request.v2 && (await takeV2({ ...request.v2, settings, file: v2File, folder: work, tools, signal }));
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
    v2: v2 && { name: v2FileName(naming), ...v2 },
  });
  return (await keepFile(file, folder, manifest, v2 && v2File)).path;
}
