import type { Connection } from '../connection/connection.ts';
import { PlayError } from '../errors.ts';

const SLICE_SECONDS = 2;
/** systemd brings a member back five seconds after it ended; ending twice in a row is no accident. */
const MOST_ENDS = 2;

/**
 * Asks systemd to start etcd and does not wait: a member is ready only when its cluster is, so all must start at once.
 * One that has failed before begins with a clean count of restarts.
 */
export async function startEtcd(connection: Connection): Promise<void> {
  const script = [
    // Between two tries there is no process, and a mere start would wait for the next try.
    'case $(systemctl show etcd.service -p SubState) in *=auto-restart*) systemctl stop etcd.service ;; esac',
    'systemctl reset-failed etcd.service 2>/dev/null',
    'systemctl start --no-block etcd.service',
  ];
  const { code, stderr } = await connection.run(script.join('\n'));
  if (code !== 0) {
    throw new PlayError(`etcd.service could not be started: ${stderr.trim()}`, {
      next: 'See there: systemctl status etcd.service',
    });
  }
}

/**
 * Waits until etcd says that it is ready: it has joined its cluster and there is a leader.
 * @throws PlayError with the last lines of its log when it ends again and again, or is not ready in time.
 */
export async function waitUntilReady(
  connection: Connection,
  timeoutMs: number,
  signal: AbortSignal,
  mostEnds = MOST_ENDS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { stdout } = await connection.run(waitScript(mostEnds));
    const [verdict, ...log] = stdout.trim().split('\n');
    if (verdict === 'ready') return;
    const words = log.map((line) => `\n    ${line}`).join('');
    if (verdict === 'ended') {
      throw new PlayError(`etcd ends soon after it was started; its last words:${words}`, {
        next: 'Put right what it says, then run again. See there: journalctl -u etcd.service',
      });
    }
    if (signal.aborted) throw new PlayError('etcd was started; the run was ended before it was ready');
    if (performance.now() > deadline) {
      throw new PlayError(
        `etcd runs, but was not ready within ${Math.round(timeoutMs / 1000)} s; its last words:${words}`,
        {
          next: 'It waits for its peers. Check that they reach each other on the peer port (firewalls), then run again.',
        },
      );
    }
  }
}

/** Looks again and again on the host itself, so that waiting costs no round trips. */
function waitScript(mostEnds: number): string {
  return [
    `v=waiting; read -r t _ </proc/uptime; end=$(( \${t%%.*} + ${SLICE_SECONDS} ))`,
    'while :; do',
    '  u=$(systemctl show etcd.service -p ActiveState -p NRestarts -p SubState); r=${u#*NRestarts=}; r=${r%%[!0-9]*}; r=${r:-0}',
    '  case $u in',
    '    *ActiveState=active*) echo ready; exit 0 ;;',
    '    *ActiveState=failed*) v=ended ;;',
    // Between two tries, all that the last one had to say stands in the log.
    '    *SubState=auto-restart*) r=$(( r + 1 )) ;;',
    '  esac',
    `  [ "$r" -ge ${mostEnds} ] && v=ended`,
    '  [ $v = ended ] && break',
    '  read -r t _ </proc/uptime; [ "${t%%.*}" -lt "$end" ] || break',
    '  sleep 0.05',
    'done',
    'echo $v',
    'journalctl -u etcd.service -n 8 --no-pager -o cat 2>/dev/null',
    ':',
  ].join('\n');
}
