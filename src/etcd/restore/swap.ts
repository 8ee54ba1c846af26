import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import type { MemberPair } from '../plan/action.ts';
import { BUMP } from '../plan/restore.ts';
import { pairsText } from '../plan/sight.ts';
import type { EtcdSettings } from '../variables.ts';
import { compareVersions } from '../versions.ts';
import { markPath, markText, type RestoredMark } from './mark.ts';

/** Names of what a restore makes on a host, by the time of the run: two runs are never in each other's way. */
export class RestorePlaces {
  readonly stamp: string;
  readonly #settings: EtcdSettings;

  constructor(settings: EtcdSettings, stamp: string) {
    this.#settings = settings;
    this.stamp = stamp;
  }

  /** Where the snapshot is sent to. It lies beside the data, and so on a disk of their size. */
  get snapshot(): string {
    return `${this.#settings.dataDir}.restore-${this.stamp}.db`;
  }

  /** Data, and a log directory of its own where there is one: what is in place, and what it is restored to. */
  get pairs(): { now: string; fresh: string }[] {
    const { dataDir, walDir } = this.#settings;
    const fresh = (path: string) => `${path}.restore-${this.stamp}`;
    const inside = walDir === undefined || walDir.startsWith(`${dataDir}/`);
    const data = { now: dataDir, fresh: fresh(dataDir) };
    return inside ? [data] : [data, { now: walDir, fresh: fresh(walDir) }];
  }
}

export interface RestoreOptions {
  settings: EtcdSettings;
  places: RestorePlaces;
  members: readonly MemberPair[];
  token: string;
  bump: boolean;
  /** A database file that was copied: it has no sum of its own. */
  isBare: boolean;
  /** Written into the restored data. */
  mark?: RestoredMark | undefined;
}

/** Room is measured where the data lie. A data directory that is a disk of its own is refused before this. */
export async function restoreBeside(connection: Connection, options: RestoreOptions): Promise<void> {
  const { settings, places, members, token, bump, isBare, mark } = options;
  const { name, advertisePeerUrl, binDir, user, version, dataDir, walDir } = settings;
  const tool = posix.join(binDir, compareVersions(version, '3.5.0') >= 0 ? 'etcdutl' : 'etcdctl');
  const [data, log] = places.pairs;
  const wal = walDir === undefined ? undefined : (log?.fresh ?? walDir.replace(dataDir, data!.fresh));
  const words = [
    quote(tool),
    'snapshot restore',
    quote(places.snapshot),
    `--name ${quote(name)}`,
    `--initial-cluster ${quote(pairsText(members))}`,
    `--initial-cluster-token ${quote(token)}`,
    `--initial-advertise-peer-urls ${quote(advertisePeerUrl)}`,
    `--data-dir ${quote(data!.fresh)}`,
    ...(wal === undefined ? [] : [`--wal-dir ${quote(wal)}`]),
    ...(isBare ? ['--skip-hash-check'] : []),
    ...(bump ? [`--bump-revision ${BUMP} --mark-compacted`] : []),
  ];
  const made = places.pairs.map(({ fresh }) => quote(fresh)).join(' ');
  const script = [
    'umask 077',
    // What an earlier try left half made is nobody's data.
    `rm -rf -- ${made}`,
    `ETCDCTL_API=3 ${words.join(' ')} >&2 || exit 1`,
    ...(mark ? [`printf '%s\\n' '${markText(mark)}' >${quote(markPath(data!.fresh))} || exit 1`] : []),
    `chown -R -- ${quote(`${user}:`)} ${made} && chmod -R go-rwx -- ${made} && rm -f -- ${quote(places.snapshot)}`,
    'sync',
  ].join('\n');
  const result = await connection.run(script, { timeoutMs: 1_800_000 });
  if (result.code !== 0)
    throw new RemoteCommandError('etcd: snapshot restore', result, { next: 'Nothing was stopped.' });
}

/** What is in place becomes `.bak-<time>`, and what was restored takes its place: renames, on one disk. */
export async function swapIn(connection: Connection, places: RestorePlaces): Promise<string[]> {
  // The data last: where they are in place, all is.
  const lines = places.pairs.toReversed().map(({ now, fresh }) => {
    const [n, f, old] = [now, fresh, `${now}.bak-${places.stamp}`].map(quote);
    return `if [ -e ${n} ]; then mv -T -- ${n} ${old} && echo ${old} || exit 1; fi; mv -T -- ${f} ${n} || exit 1`;
  });
  const { stdout } = await move(connection, [STOPPED, ...lines], 'putting the restored data in place');
  return stdout.split('\n').filter((line) => line !== '');
}

/** The other way round: what was restored becomes `.failed-<time>`. Does what is left to do, wherever it was cut off. */
export async function swapBack(connection: Connection, places: RestorePlaces): Promise<void> {
  const lines = places.pairs.map(({ now, fresh }) => {
    const [n, f, old, failed] = [now, fresh, `${now}.bak-${places.stamp}`, `${now}.failed-${places.stamp}`].map(quote);
    // Where the restored data never came into place there is nothing to take away.
    return `if [ -e ${f} ]; then [ -e ${n} ] || [ ! -e ${old} ] || mv -T -- ${old} ${n}; elif [ -e ${old} ]; then mv -T -- ${n} ${failed} && mv -T -- ${old} ${n}; elif [ -e ${n} ]; then mv -T -- ${n} ${failed}; fi || exit 1`;
  });
  await move(connection, [STOPPED, ...lines], 'putting the old data back');
}

/** The recovery that wrote it is done. */
export async function removeRestoredMark(connection: Connection, { dataDir }: EtcdSettings): Promise<void> {
  const result = await connection.run(`rm -f -- ${quote(markPath(dataDir))}`);
  if (result.code !== 0) throw new RemoteCommandError('noting that the recovery is done', result);
}

/** Deletes what earlier runs made and never put in place: they hold no lock any more, so nobody works on it. */
export async function removeLeftovers(connection: Connection, places: RestorePlaces): Promise<string[]> {
  const lines = places.pairs.map(
    ({ now }) =>
      `for f in ${quote(now)}.restore-*; do [ -e "$f" ] || continue; rm -rf -- "$f" && echo "$f" || exit 1; done`,
  );
  const result = await connection.run(lines.join('\n'), { timeoutMs: 600_000 });
  if (result.code !== 0) throw new RemoteCommandError('removing what an earlier run left', result);
  return result.stdout.split('\n').filter((line) => line !== '');
}

/** Deletes what was only made for this run. */
export async function tidy(connection: Connection, places: RestorePlaces): Promise<void> {
  await connection.run(
    `rm -rf -- ${[places.snapshot, ...places.pairs.map(({ fresh }) => fresh)].map(quote).join(' ')}`,
  );
}

const STOPPED =
  'case $(systemctl show etcd.service -p ActiveState) in *=inactive|*=failed) ;; *) echo "etcd runs" >&2; exit 1 ;; esac';

async function move(connection: Connection, lines: readonly string[], what: string) {
  const result = await connection.run([...lines, 'sync', ':'].join('\n'));
  if (result.code !== 0)
    throw new RemoteCommandError(what, result, { next: 'Put right what it says, then run again.' });
  return result;
}

/** Stops etcd, and waits for its end: also one that hangs. It stays enabled. @param kill at once. */
export async function stopEtcd(connection: Connection, { kill = false }: { kill?: boolean } = {}): Promise<void> {
  const killed = 'systemctl kill -s KILL etcd.service 2>/dev/null; systemctl stop etcd.service';
  const script = [
    kill ? killed : `timeout 30 systemctl stop etcd.service || { ${killed}; }`,
    'systemctl reset-failed etcd.service 2>/dev/null; :',
  ].join('\n');
  const result = await connection.run(script, { timeoutMs: 120_000 });
  if (result.code !== 0) throw new RemoteCommandError('stopping etcd.service', result);
}
