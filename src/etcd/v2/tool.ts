import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { PlayError } from '../../errors.ts';
import { BlockFile } from '../../local/block-file.ts';
import { explainedFor } from '../backup/on-disk.ts';
import type { EtcdSettings } from '../variables.ts';

const MIGRATING_MS = 900_000;

/**
 * Has etcd's own tool migrate a copy of a member's log, on its host and beside the running member; the database that comes of it is
 * written to a file of this machine. Nothing stays there. The log is copied as it is: `etcdctl backup` gives keys that were made in
 * order other names. The tool is that of the member's own release: a newer or an older one refuses its data.
 */
export async function migrateCopy(
  connection: Connection,
  { dataDir, walDir = `${dataDir}/member/wal`, binDir }: EtcdSettings,
  { file: path, signal }: { file: string; signal: AbortSignal },
): Promise<void> {
  const { host } = connection;
  const script = [
    // On the disk of the data: there is room for their like.
    `umask 077; d=$(mktemp -d ${quote(`${dataDir}.migrate.XXXXXX`)}) || exit 1`,
    `trap 'rm -rf -- "$d"' EXIT; trap 'exit 1' HUP INT TERM`,
    `run() { "$@" >"$d/said" 2>&1 || { tail -n 5 "$d/said" >&2; exit 1; }; }`,
    'mkdir -p "$d/data/member/snap" "$d/data/member/wal"',
    // The snapshots first: the log goes on behind them.
    `for f in ${quote(dataDir)}/member/snap/*.snap; do [ ! -f "$f" ] || run cp -- "$f" "$d/data/member/snap/"; done`,
    `run cp --sparse=always -- ${quote(walDir)}/*.wal "$d/data/member/wal/"`,
    `run env ETCDCTL_API=3 ${quote(posix.join(binDir, 'etcdctl'))} migrate --data-dir "$d/data"`,
    'cat -- "$d/data/member/snap/db"',
  ];
  const file = await BlockFile.create(path, { explained: explainedFor(path) });
  try {
    const output = {
      write(piece: Buffer) {
        if (signal.aborted) throw new PlayError('the run was ended', { host });
        return file.write(piece);
      },
    };
    const result = await connection.run(script.join('\n'), { output, timeoutMs: MIGRATING_MS });
    if (result.code !== 0) throw new RemoteCommandError('etcdctl migrate', result, { next: 'Nothing was stopped.' });
    await file.finish();
  } finally {
    await file.abandon();
  }
}
