import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { PlayError } from '../../errors.ts';
import { configurationFile } from '../configuration.ts';
import { backLines, emptied, foldersOf, moved } from '../data-parts.ts';
import { noteEnd, sinceNoted } from '../journal.ts';
import type { EtcdSettings } from '../variables.ts';
import { type RecoverPlaces, recoveringMark } from './places.ts';

/** Started for one moment, and known to systemd for that long only: no file of it is left, and no boot brings it back. */
export const ONCE = 'etcd-play-recover.service';

/** Replaying a log and opening gigabytes takes its time. */
const STARTING_S = 600;

/** Ends what an earlier run has started so. */
export async function endOnce(connection: Connection): Promise<void> {
  const script = `systemctl stop ${ONCE} 2>/dev/null; systemctl reset-failed ${ONCE} 2>/dev/null; :`;
  await connection.run(script, { timeoutMs: 120_000 });
}

/** A copy of the data as they are, whole or not at all; then the mark. Nothing runs on them meanwhile. Gives where it is. */
export async function keepCopy(connection: Connection, places: RecoverPlaces, stamp: string): Promise<string[]> {
  const { parts } = places;
  const lines = parts.map((part) => {
    const [from, copy, to] = [part.now, part.under(PART), part.under(`bak-${stamp}`)].map(quote) as [
      string,
      string,
      string,
    ];
    const made = `mkdir -p -m 0700 -- "$(dirname -- ${copy})" && cp -a --reflink=auto -T -- ${from} ${copy}`;
    return `rm -rf -- ${copy} && ${made} && sync -f ${copy} && ${moved(part, copy, to, `bak-${stamp}`)} || exit 1`;
  });
  const script = [STOPPED, ...lines, ...emptied(parts, PART), markLine(places.mark, stamp, 'copied')];
  const result = await connection.run(script.join('\n'), { timeoutMs: 3_600_000 });
  if (result.code !== 0) {
    throw new RemoteCommandError('keeping a copy of the data', result, {
      next: 'Put right what it says, then run again.',
    });
  }
  return places.kept(stamp);
}

export async function markFormed(connection: Connection, settings: EtcdSettings, stamp: string): Promise<void> {
  const result = await connection.run(markLine(recoveringMark(settings), stamp, 'formed'));
  if (result.code !== 0) throw new RemoteCommandError('noting that the cluster has formed', result);
}

export async function removeMark(connection: Connection, settings: EtcdSettings): Promise<void> {
  const result = await connection.run(`rm -f -- ${quote(recoveringMark(settings))}`);
  if (result.code !== 0) throw new RemoteCommandError('noting that the recovery is done', result);
}

function markLine(path: string, stamp: string, state: 'copied' | 'formed'): string {
  const [part, mark] = [quote(`${path}~`), quote(path)];
  return `printf '%s\\n' '${stamp} ${state}' >${part} && sync -f ${part} && mv -T -- ${part} ${mark}`;
}

/**
 * Starts etcd on the data with `--force-new-cluster`, once and not as etcd.service, until it leads its cluster of one: then all other
 * members are gone from its list. @throws PlayError with its last words.
 */
export async function startForced(connection: Connection, settings: EtcdSettings): Promise<void> {
  const { user, binDir } = settings;
  const properties = [
    `User=${user}`,
    `EnvironmentFile=${configurationFile(settings)}`,
    'LimitNOFILE=65536',
    'UMask=0077',
    `TimeoutStartSec=${STARTING_S}`,
    // Whoever starts the service ends this one first: they never meet on the same data.
    'Conflicts=etcd.service',
  ];
  const words = properties.map((one) => `-p ${quote(one)}`).join(' ');
  const binary = quote(posix.join(binDir, 'etcd'));
  const script = [
    STOPPED,
    `systemctl reset-failed ${ONCE} 2>/dev/null`,
    noteEnd(ONCE),
    `systemd-run -q --collect --unit=${ONCE} --service-type=notify ${words} -- ${binary} --force-new-cluster`,
    'c=$?',
    ...lastWords(),
    'exit $c',
  ];
  const result = await connection.run(script.join('\n'), { timeoutMs: (STARTING_S + 60) * 1000 });
  if (result.code === 0) return;
  const said = result.stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '');
  throw new PlayError('etcd does not form a new cluster with these data', {
    details: said.length > 0 ? said : [result.stderr.trim()],
    next: 'Choose other data: -e from=HOST or -e snapshot=FILE.',
  });
}

/** Why etcd ended this time: the journal may come a moment after its end. */
function lastWords(): string[] {
  return [
    'n=0; w=',
    'while [ $c -ne 0 ] && [ -z "$w" ] && [ $n -lt 20 ]; do',
    '  [ $n -eq 0 ] || sleep 0.1; n=$((n+1))',
    `  w=$(${sinceNoted(ONCE)} | grep -E '^panic:|^fatal error:|"level":"(panic|fatal)"' | sed 's/,"stacktrace".*//' | tail -n 3 | cut -c1-400)`,
    'done',
    `[ $c -eq 0 ] || echo "\${w:-see there: journalctl -u ${ONCE}}"`,
  ];
}

/** What was tried goes under `failed-<time>`, the copy takes its place, and the mark goes. Before the copy was whole nothing was touched. */
export async function putBack(connection: Connection, places: RecoverPlaces, stamp: string): Promise<void> {
  const { parts } = places;
  const rid = (paths: string[]) => `rm -rf -- ${paths.map(quote).join(' ')}`;
  const script = [
    `if grep -qs '^${stamp} ' ${quote(places.mark)}; then`,
    ...backLines(parts, stamp, ({ under }) => `[ -e ${quote(under(`bak-${stamp}`))} ]`),
    `else ${rid(places.kept(stamp))}; fi`,
    rid(foldersOf(parts, PART)),
    `rm -f -- ${quote(places.mark)}`,
    'sync',
  ];
  const result = await connection.run(script.join('\n'));
  if (result.code !== 0) throw new RemoteCommandError('putting the data back', result);
}

/** A copy that is not whole. */
const PART = 'bak-part';

const STOPPED =
  'case $(systemctl show etcd.service -p ActiveState) in *=inactive|*=failed) ;; *) echo "etcd runs" >&2; exit 1 ;; esac';
