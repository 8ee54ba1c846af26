import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { quote } from '../../connection/quote.ts';
import { bringMadeOnHost } from '../backup/made-on-host.ts';
import type { EtcdSettings } from '../variables.ts';

/**
 * Has etcd's own tool migrate a copy of a member's log, on its host and beside the running member; the database that comes of it is
 * written to a file of this machine. Nothing stays there. The log is copied as it is: `etcdctl backup` gives keys that were made in
 * order other names. The tool is that of the member's own release: a newer or an older one refuses its data.
 */
export async function migrateCopy(
  connection: Connection,
  { dataDir, walDir = `${dataDir}/member/wal`, binDir }: EtcdSettings,
  { isMount, file, signal }: { isMount: boolean; file: string; signal: AbortSignal },
): Promise<void> {
  await bringMadeOnHost(connection, {
    what: 'etcdctl migrate',
    // On the disk of the data: there is room for their like.
    folder: `${dataDir}${isMount ? '/' : '.'}migrate.XXXXXX`,
    lines: [
      `run() { "$@" >"$d/said" 2>&1 || { tail -n 5 "$d/said" >&2; exit 1; }; }`,
      'mkdir -p "$d/data/member/snap" "$d/data/member/wal"',
      // The snapshots first: the log goes on behind them.
      `for f in ${quote(dataDir)}/member/snap/*.snap; do [ ! -f "$f" ] || run cp -- "$f" "$d/data/member/snap/"; done`,
      `run cp --sparse=always -- ${quote(walDir)}/*.wal "$d/data/member/wal/"`,
      `run env ETCDCTL_API=3 ${quote(posix.join(binDir, 'etcdctl'))} migrate --data-dir "$d/data"`,
      'cat -- "$d/data/member/snap/db"',
    ],
    file,
    signal,
    next: 'Nothing was stopped.',
  });
}
