import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { backLines, type DataPart, emptied, foldersOf, moved } from '../data-parts.ts';
import type { MemberPair } from '../plan/action.ts';
import { BUMP } from '../plan/restore.ts';
import { pairsText } from '../plan/sight.ts';
import type { EtcdSettings } from '../variables.ts';
import { compareVersions } from '../versions.ts';
import { markPath, markText, type RestoredMark } from './mark.ts';
import type { RestorePlaces } from './places.ts';

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

/** Room is measured where the data lie. */
export async function restoreBeside(connection: Connection, options: RestoreOptions): Promise<void> {
  const { settings, places, members, token, bump, isBare, mark } = options;
  const { name, advertisePeerUrl, binDir, user, version } = settings;
  const tool = posix.join(binDir, compareVersions(version, '3.5.0') >= 0 ? 'etcdutl' : 'etcdctl');
  const { dataDir, walDir } = places;
  const words = [
    quote(tool),
    'snapshot restore',
    quote(places.snapshot),
    `--name ${quote(name)}`,
    `--initial-cluster ${quote(pairsText(members))}`,
    `--initial-cluster-token ${quote(token)}`,
    `--initial-advertise-peer-urls ${quote(advertisePeerUrl)}`,
    `--data-dir ${quote(dataDir)}`,
    ...(walDir === undefined ? [] : [`--wal-dir ${quote(walDir)}`]),
    ...(isBare ? ['--skip-hash-check'] : []),
    ...(bump ? [`--bump-revision ${BUMP} --mark-compacted`] : []),
  ];
  const made = places.made.map(quote).join(' ');
  const script = [
    'umask 077',
    // What an earlier try left half made is nobody's data.
    `rm -rf -- ${made}`,
    `ETCDCTL_API=3 ${words.join(' ')} >&2 || exit 1`,
    ...(mark ? [`printf '%s\\n' '${markText(mark)}' >${quote(markPath(dataDir))} || exit 1`] : []),
    `chown -R -- ${quote(`${user}:`)} ${made} && chmod -R go-rwx -- ${made} && rm -f -- ${quote(places.snapshot)}`,
    'sync',
  ].join('\n');
  const result = await connection.run(script, { timeoutMs: 1_800_000 });
  if (result.code !== 0)
    throw new RemoteCommandError('etcd: snapshot restore', result, { next: 'Nothing was stopped.' });
}

/** What is in place goes under `bak-<time>`, and what was restored takes its place: renames, on one disk. */
export async function swapIn(connection: Connection, places: RestorePlaces): Promise<string[]> {
  const { stdout } = await move(connection, [STOPPED, ...swapInLines(places)], 'putting the restored data in place');
  return stdout.split('\n').filter((line) => line !== '');
}

/** The other way round: what was restored goes under `failed-<time>`. Does what is left to do, wherever it was cut off. */
export async function swapBack(connection: Connection, places: RestorePlaces): Promise<void> {
  await move(connection, [STOPPED, ...swapBackLines(places)], 'putting the old data back');
}

/** The log is the first to go and the last to come: only with it there are data, and where there are data all is in place. */
export function swapInLines({ parts, stamp }: RestorePlaces): string[] {
  const away = parts.map((part) => {
    const [now, old] = [quote(part.now), quote(part.under(`bak-${stamp}`))];
    const kept = `${moved(part, now, old, `bak-${stamp}`)} && echo ${old} || exit 1`;
    return `if [ -e ${now} ]; then rmdir -- ${now} 2>/dev/null || { ${kept}; }; fi`;
  });
  const into = parts.map(({ now, under }) => `mv -T -- ${quote(under(`restore-${stamp}`))} ${quote(now)} || exit 1`);
  return [...away.toReversed(), ...into, ...emptied(parts, `restore-${stamp}`)];
}

/** Where the restored part is not beside any more, it is in place. */
export function swapBackLines({ parts, stamp }: RestorePlaces): string[] {
  return backLines(parts, stamp, ({ under }) => `[ ! -e ${quote(under(`restore-${stamp}`))} ]`);
}

/** The recovery that wrote it is done. */
export async function removeRestoredMark(connection: Connection, { dataDir }: EtcdSettings): Promise<void> {
  // A run that was killed may have left the directory in which it had restored: empty since.
  const result = await connection.run(
    `rm -f -- ${quote(markPath(dataDir))} && { rmdir -- ${quote(dataDir)}/restore-* 2>/dev/null || :; }`,
  );
  if (result.code !== 0) throw new RemoteCommandError('noting that the recovery is done', result);
}

/**
 * Deletes what earlier runs made and never put in place: they hold no lock any more, so nobody works on it. Where one was cut off
 * between its renames, or on its way back, the old data go back first: so they are kept in one piece.
 */
export async function removeLeftovers(connection: Connection, places: RestorePlaces): Promise<string[]> {
  const names = [...new Set(places.parts.flatMap((part) => leftoverGlobs(part)))];
  const list = await connection.run(`for f in ${names.join(' ')}; do [ ! -e "$f" ] || echo "$f"; done`);
  if (list.code !== 0) throw new RemoteCommandError('looking for what an earlier run left', list);
  const found = list.stdout.split('\n').flatMap((path) => {
    const [, why, stamp] = /(restore|failed)-(\d{8}T\d{6}Z)[^/]*$/.exec(path) ?? [];
    return stamp === undefined ? [] : [{ path, stamp, isFresh: why === 'restore' }];
  });
  const left = found.flatMap(({ path, isFresh }) => (isFresh ? [path] : []));
  const half = [...new Set(found.map(({ stamp }) => stamp))].flatMap((stamp) => halfLines(places.of(stamp)));
  if (half.length === 0) return [];
  const lines = [...half, ...left.map((path) => `rm -rf -- ${quote(path)} || exit 1`)];
  const result = await connection.run(lines.join('\n'), { timeoutMs: 600_000 });
  if (result.code !== 0) throw new RemoteCommandError('removing what an earlier run left', result);
  return left;
}

/** What is sent has a hidden name on its way. */
function leftoverGlobs(part: DataPart): string[] {
  const [fresh, failed] = [part.folder('restore-'), part.folder('failed-')];
  const hidden = posix.join(posix.dirname(fresh), `.${posix.basename(fresh)}`);
  return [fresh, hidden, failed].map((one) => `${quote(one)}*`);
}

function halfLines(places: RestorePlaces): string[] {
  const { pairs, stamp, parts } = places;
  const any = (paths: string[]) => `{ ${paths.map((path) => `[ -e ${quote(path)} ]`).join(' || ')}; }`;
  const [isThere, isBack] = [any(pairs.map(({ fresh }) => fresh)), any(pairs.map(({ failed }) => failed))];
  const copies = foldersOf(parts, `failed-${stamp}`).map(quote).join(' ');
  return [
    `n=; ${isThere} && n=1`,
    // One that was told to start meanwhile tries in vain.
    `if ${any(pairs.map(({ kept }) => kept))} && { [ -n "$n" ] || ${isBack}; } && ! systemctl -q is-active etcd.service; then`,
    'systemctl stop etcd.service 2>/dev/null',
    STOPPED,
    ...swapBackLines(places),
    // What never came wholly into place was never started: nobody wants to know why.
    `[ -z "$n" ] || rm -rf -- ${copies} || exit 1`,
    'fi',
  ];
}

/** Deletes what was only made for this run. */
export async function tidy(connection: Connection, places: RestorePlaces): Promise<void> {
  await connection.run(`rm -rf -- ${[places.snapshot, ...places.made].map(quote).join(' ')}`);
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
