import { posix } from 'node:path';
import type { Connection } from '../../../connection/connection.ts';
import { quote } from '../../../connection/quote.ts';
import type { EtcdSettings } from '../../variables.ts';
import { compareVersions } from '../../versions.ts';
import { bringMadeOnHost } from '../made-on-host.ts';

/** The v2 API went with 3.6. */
export function knowsV2(version: string): boolean {
  return compareVersions(version, '3.6.0') < 0;
}

/**
 * What the v2 API holds, by etcd's own tool on the host: it reads the log and the snapshots beside the running member, leaves out
 * members and all of v3, and the tar of it comes through the connection. Nothing stays there.
 */
export async function saveV2(
  connection: Connection,
  settings: EtcdSettings,
  { file, signal }: { file: string; signal: AbortSignal },
): Promise<{ sizeBytes: number; sha256: string }> {
  const folder = settings.tmpBackupDir ?? '/var/tmp';
  const wal = settings.walDir === undefined ? '' : ` --wal-dir ${quote(settings.walDir)}`;
  const tool = quote(posix.join(settings.binDir, 'etcdctl'));
  return bringMadeOnHost(connection, {
    what: 'etcdctl backup',
    folder: `${folder}/.play-work.XXXXXX`,
    lines: [
      `ETCDCTL_API=2 ${tool} backup --data-dir ${quote(settings.dataDir)}${wal} --backup-dir "$d/data" >&2 || exit 1`,
      'tar -C "$d/data" -cf - member | gzip',
    ],
    file,
    signal,
  });
}
