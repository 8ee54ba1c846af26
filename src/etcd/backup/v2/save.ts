import { posix } from 'node:path';
import type { Connection } from '../../../connection/connection.ts';
import { RemoteCommandError } from '../../../connection/errors.ts';
import { quote } from '../../../connection/quote.ts';
import { PlayError } from '../../../errors.ts';
import { BlockFile } from '../../../local/block-file.ts';
import type { EtcdSettings } from '../../variables.ts';
import { compareVersions } from '../../versions.ts';
import { explainedFor } from '../on-disk.ts';

const SAVING_MS = 900_000;

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
  { file: path, signal }: { file: string; signal: AbortSignal },
): Promise<{ sizeBytes: number; sha256: string }> {
  const { host } = connection;
  const folder = settings.tmpBackupDir ?? '/var/tmp';
  const wal = settings.walDir === undefined ? '' : ` --wal-dir ${quote(settings.walDir)}`;
  const tool = quote(posix.join(settings.binDir, 'etcdctl'));
  const script = [
    `umask 077; mkdir -p -- ${quote(folder)} && d=$(mktemp -d ${quote(`${folder}/.play-work.XXXXXX`)}) || exit 1`,
    // However it ends, also by a hang-up: nothing stays.
    `trap 'rm -rf -- "$d"' EXIT; trap 'exit 1' HUP INT TERM`,
    `ETCDCTL_API=2 ${tool} backup --data-dir ${quote(settings.dataDir)}${wal} --backup-dir "$d/data" >&2 || exit 1`,
    'tar -C "$d/data" -cf - member | gzip',
  ];
  const file = await BlockFile.create(path, { explained: explainedFor(path) });
  try {
    const output = {
      write(piece: Buffer) {
        if (signal.aborted) throw new PlayError('the run was ended', { host });
        return file.write(piece);
      },
    };
    const result = await connection.run(script.join('\n'), { output, timeoutMs: SAVING_MS });
    if (result.code !== 0) throw new RemoteCommandError('etcdctl backup', result, { host });
    return await file.finish();
  } finally {
    await file.abandon();
  }
}
