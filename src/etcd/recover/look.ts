import { createGunzip } from 'node:zlib';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { parseStatus } from '../backup/database.ts';
import { dataParts, hasOwnLog, staysTest } from '../data-parts.ts';
import type { HostData } from '../plan/survivors.ts';
import { markPath, parseMark } from '../restore/mark.ts';
import type { EtcdSettings } from '../variables.ts';
import { type LogFacts, LogReader } from '../wal.ts';
import { recoveringMark } from './places.ts';

/** A database of gigabytes is read wholly to tell its revision. */
const STATUS_MS = 900_000;

/**
 * Looks at the data that lie on a host, whether etcd runs on them or not: its log tells who it is and how far it has come. The
 * revision is asked of the database only where nothing runs. Undefined where there is no log.
 */
export async function lookAtData(
  connection: Connection,
  settings: EtcdSettings,
  isRunning: boolean,
): Promise<HostData | undefined> {
  const { dataDir, walDir, binDir } = settings;
  const mark = quote(recoveringMark(settings));
  const wal = walDir ?? `${dataDir}/member/wal`;
  const tool = `t=${quote(`${binDir}/etcdutl`)}; [ -x "$t" ] || t=${quote(`${binDir}/etcdctl`)}; [ -x "$t" ] || t=`;
  const script = [
    tool,
    `for f in ${quote(wal)}/*.wal; do [ -e "$f" ] && last=$f; done; [ -n "$last" ] || exit 0`,
    'echo "log ${last##*/}"',
    ...sizeLines(settings),
    `[ -f ${mark} ] && { read -r m <${mark}; echo "begun $m"; }`,
    `[ -f ${quote(markPath(dataDir))} ] && { read -r m <${quote(markPath(dataDir))}; echo "restored $m"; }`,
    ...(isRunning ? [] : [statusLines(`${dataDir}/member/snap/db`)]),
    ':',
  ];
  const found = await connection.run(script.join('\n'), { timeoutMs: STATUS_MS });
  if (found.code !== 0) throw new RemoteCommandError('looking at the data', found, { next: 'Run again.' });
  const lines = new Map(
    found.stdout.split('\n').map((line) => {
      const at = line.indexOf(' ');
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
  const name = lines.get('log');
  if (name === undefined) return undefined;
  let log = await readLog(connection, `${wal}/${name}`, name);
  // A process may just have been writing its end.
  if (log.fault !== undefined && isRunning) log = await readLog(connection, `${wal}/${name}`, name);
  const begun = /^(\d{8}T\d{6}Z) (copied|formed)$/.exec(lines.get('begun') ?? '');
  const unreadable = lines.get('unreadable');
  return {
    ...log,
    fault:
      log.fault ??
      (unreadable === undefined ? undefined : `its database cannot be read (${unreadable || 'no word why'})`),
    revision: parseStatus(lines.get('status') ?? '')?.revision,
    sizeBytes: Number(lines.get('kib') ?? 0) * 1024,
    logBytes: Number(lines.get('log-kib') ?? 0) * 1024,
    begun: begun ? { stamp: begun[1]!, formed: begun[2] === 'formed' } : undefined,
    restored: parseMark(lines.get('restored') ?? ''),
  };
}

/** What a copy of the data takes, and of a log that lies elsewhere. */
function sizeLines(settings: EtcdSettings): string[] {
  const size = (isMount: boolean, isLog: boolean) => {
    const isOwnLog = (path: string) => hasOwnLog(settings) && path === settings.walDir;
    const paths = dataParts(settings, isMount).flatMap(({ now }) => (isOwnLog(now) === isLog ? [quote(now)] : []));
    return `du -sk -- ${paths.join(' ')} 2>/dev/null | { s=0; while read -r k _; do s=$((s+k)); done; echo $s; }`;
  };
  return [
    `echo "kib $(if ${staysTest(settings.dataDir)}; then ${size(true, false)}; else ${size(false, false)}; fi)"`,
    ...(hasOwnLog(settings) ? [`echo "log-kib $(${size(false, true)})"`] : []),
  ];
}

/** etcd's own tool reads the whole of it, or says why it cannot; a panic comes with many lines of where. */
function statusLines(database: string): string {
  const db = quote(database);
  return [
    // Whoever else has it open, as what an earlier run has started, would keep the tool waiting for ever.
    `if [ -n "$t" ] && [ -f ${db} ] && flock -n -s ${db} true; then`,
    `  if s=$(ETCDCTL_API=3 "$t" snapshot status ${db} -w json 2>&1); then echo "status $s"`,
    `  else echo "unreadable $(printf '%s\\n' "$s" | grep -m 1 -E '^(panic|fatal error|unexpected fault|Error):' | cut -c1-200)"; fi`,
    'fi',
  ].join('\n');
}

/** Most of the file is zeros, which cost nothing when they are packed. */
async function readLog(connection: Connection, path: string, name: string): Promise<LogFacts> {
  const reader = new LogReader(name);
  const unpack = createGunzip();
  const unpacked = new Promise<void>((resolve, reject) => {
    unpack.on('data', (piece: Buffer) => reader.push(piece));
    unpack.on('end', resolve);
    unpack.on('error', reject);
  });
  unpacked.catch(() => undefined);
  const write = (piece: Buffer) =>
    unpack.write(piece) ? undefined : new Promise<void>((resolve) => unpack.once('drain', resolve));
  const result = await connection.run(`gzip -1 -c -- ${quote(path)}`, { output: { write } });
  if (result.code !== 0) {
    unpack.destroy();
    throw new RemoteCommandError('reading the log', result, { next: 'Run again.' });
  }
  unpack.end();
  await unpacked;
  return reader.facts;
}
