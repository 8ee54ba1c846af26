import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { PlayError } from '../../errors.ts';
import { configurationFile } from '../configuration.ts';
import type { EtcdSettings } from '../variables.ts';
import { RecoverPlaces } from './places.ts';

/** Started for one moment, and known to systemd for that long only: no file of it is left, and no boot brings it back. */
export const ONCE = 'etcd-play-recover.service';

/** Replaying a log and opening gigabytes takes its time. */
const STARTING_S = 600;

/** Ends what an earlier run has started so. */
export async function endOnce(connection: Connection): Promise<void> {
  const script = `systemctl stop ${ONCE} 2>/dev/null; systemctl reset-failed ${ONCE} 2>/dev/null; :`;
  await connection.run(script, { timeoutMs: 120_000 });
}

/** A copy of the data as they are, whole or not at all; then the mark. Nothing runs on them meanwhile. */
export async function keepCopy(connection: Connection, settings: EtcdSettings, stamp: string, isMount: boolean) {
  const places = new RecoverPlaces(settings);
  const lines = places.all.map((path) => {
    const [from, to] = [quote(path), quote(places.kept(path, stamp, isMount))];
    const part = quote(isMount ? `${path}/aside-part` : `${path}.bak-part`);
    const copy = isMount
      ? `mkdir -- ${part} && cp -a --reflink=auto -- ${from}/member ${part}/`
      : `cp -a --reflink=auto -T -- ${from} ${part}`;
    return `rm -rf -- ${part} && ${copy} && sync -f ${part} && mv -T -- ${part} ${to} && echo ${to}`;
  });
  const script = [STOPPED, ...lines.map((line) => `${line} || exit 1`), markLine(places, stamp, 'copied')];
  const result = await connection.run(script.join('\n'), { timeoutMs: 3_600_000 });
  if (result.code !== 0) {
    throw new RemoteCommandError('keeping a copy of the data', result, {
      next: 'Put right what it says, then run again.',
    });
  }
  return result.stdout.split('\n').filter((line) => line !== '');
}

export async function markFormed(connection: Connection, settings: EtcdSettings, stamp: string): Promise<void> {
  const result = await connection.run(markLine(new RecoverPlaces(settings), stamp, 'formed'));
  if (result.code !== 0) throw new RemoteCommandError('noting that the cluster has formed', result);
}

export async function removeMark(connection: Connection, settings: EtcdSettings): Promise<void> {
  const result = await connection.run(`rm -f -- ${quote(new RecoverPlaces(settings).mark)}`);
  if (result.code !== 0) throw new RemoteCommandError('noting that the recovery is done', result);
}

function markLine({ mark }: RecoverPlaces, stamp: string, state: 'copied' | 'formed'): string {
  const [part, path] = [quote(`${mark}~`), quote(mark)];
  return `printf '%s\\n' '${stamp} ${state}' >${part} && sync -f ${part} && mv -T -- ${part} ${path}`;
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

/** Why etcd ended: the journal may come a moment after its end. */
function lastWords(): string[] {
  const said = `journalctl -u ${ONCE} -n 200 --no-pager -o cat 2>/dev/null`;
  return [
    'n=0; w=',
    'while [ $c -ne 0 ] && [ -z "$w" ] && [ $n -lt 20 ]; do',
    '  [ $n -eq 0 ] || sleep 0.1; n=$((n+1))',
    `  w=$(${said} | grep -E '^panic:|^fatal error:|"level":"(panic|fatal)"' | sed 's/,"stacktrace".*//' | tail -n 3 | cut -c1-400)`,
    'done',
    `[ $c -eq 0 ] || echo "\${w:-see there: journalctl -u ${ONCE}}"`,
  ];
}

/** What was tried becomes `.failed-<time>`, the copy takes its place again, and the mark goes. */
export async function putBack(connection: Connection, settings: EtcdSettings, stamp: string): Promise<void> {
  const places = new RecoverPlaces(settings);
  const lines = places.all.map((path) => {
    const [now, kept, failed] = [path, places.kept(path, stamp, false), `${path}.failed-${stamp}`].map(quote);
    return `if [ -e ${kept} ]; then { [ ! -e ${now} ] || mv -T -- ${now} ${failed}; } && mv -T -- ${kept} ${now} || exit 1; fi`;
  });
  const result = await connection.run([...lines, `rm -f -- ${quote(places.mark)}`, 'sync'].join('\n'));
  if (result.code !== 0) throw new RemoteCommandError('putting the data back', result);
}

const STOPPED =
  'case $(systemctl show etcd.service -p ActiveState) in *=inactive|*=failed) ;; *) echo "etcd runs" >&2; exit 1 ;; esac';
