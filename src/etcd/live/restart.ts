import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { configurationFile } from '../configuration.ts';
import type { EtcdSettings } from '../variables.ts';

/** Kept until the member is back: then its own files are the good ones. */
const KEPT = '/run/etcd-play/before';
const UNIT = '/etc/systemd/system/etcd.service';
/** systemd gives a service 90 seconds to end. */
const STOPPING_MS = 120_000;

/** Stops etcd and has it started again; both in one go, so that a lost connection leaves it no longer down than needed. */
export async function restartEtcd(connection: Connection): Promise<void> {
  const script = [
    // The shell is hung up where the connection is lost. What was stopped is started all the same; the host is locked until then.
    "trap '' HUP",
    'systemctl stop etcd.service',
    'systemctl reset-failed etcd.service 2>/dev/null',
    'systemctl start --no-block etcd.service',
  ];
  const result = await connection.run(script.join('\n'), { timeoutMs: STOPPING_MS });
  if (result.code !== 0) {
    throw new RemoteCommandError('restarting etcd.service', result, {
      next: 'See there: systemctl status etcd.service',
    });
  }
}

export async function isServing(connection: Connection): Promise<boolean> {
  return (await connection.run('systemctl is-active -q etcd.service')).code === 0;
}

/** Keeps the files with which the process runs, for the case that it does not come up with others. */
export async function saveFiles(connection: Connection, settings: EtcdSettings): Promise<void> {
  const script = [
    `rm -rf ${KEPT}.new && mkdir -p -m 0700 ${KEPT}.new`,
    `cp -p -- ${quote(configurationFile(settings))} ${KEPT}.new/etcd.conf && cp -p -- ${UNIT} ${KEPT}.new/etcd.service`,
    `rm -rf ${KEPT} && mv -T ${KEPT}.new ${KEPT}`,
  ];
  const result = await connection.run(script.join(' && '));
  if (result.code !== 0) throw new RemoteCommandError('keeping etcd.conf', result, { next: 'Run again.' });
}

/** The member is back with what is in place: to what was kept nobody goes back any more. */
export async function forgetFiles(connection: Connection): Promise<void> {
  await connection.run(`rm -rf ${KEPT}`);
}

/** Puts the kept files back. False where there are none, or no others than those in place. */
export async function putBack(connection: Connection, settings: EtcdSettings): Promise<boolean> {
  const conf = quote(configurationFile(settings));
  const script = [
    `[ -d ${KEPT} ] || { echo none; exit 0; }`,
    `cmp -s ${KEPT}/etcd.conf ${conf} && cmp -s ${KEPT}/etcd.service ${UNIT} && { echo none; exit 0; }`,
    `put() { cp -p -- "$1" "$2.play-new" && mv -T -- "$2.play-new" "$2"; }`,
    `put ${KEPT}/etcd.conf ${conf} && put ${KEPT}/etcd.service ${UNIT} && systemctl daemon-reload`,
  ];
  const result = await connection.run(script.join('\n'));
  if (result.code !== 0) throw new RemoteCommandError('putting etcd.conf back', result, { next: 'Run again.' });
  return result.stdout.trim() !== 'none';
}
