import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { staysTest } from '../data-parts.ts';
import type { EtcdSettings } from '../variables.ts';

/** `20261121T101500Z`: sorts by time, and stands in names of files. */
export function timeStamp(now: Date): string {
  return now.toISOString().replace(/[-:]|\.\d+/g, '');
}

/** Of a disk, and what was put aside before. */
const STAYING = ['lost+found', 'aside-*', 'bak-*', 'failed-*', 'restore-*'];

/**
 * Moves a member's data aside by rename, on the same disk: nothing is copied and nothing is lost. A directory that is a
 * mount point, or a link, stays where it is, and what is in it moves within. The log goes last: as long as it is there, so is work.
 * Gives where they went. @param purge deletes them instead.
 */
export async function setAside(
  connection: Connection,
  { dataDir, walDir }: EtcdSettings,
  { now, purge = false }: { now: Date; purge?: boolean },
): Promise<string[]> {
  const stamp = timeStamp(now);
  const away = (path: string) => {
    const [p, to] = [quote(path), quote(`${path}.aside-${stamp}`)];
    const entries = `find ${p}/ -mindepth 1 -maxdepth 1 ${STAYING.map((name) => `! -name '${name}'`).join(' ')}`;
    if (purge) return `if ${staysTest(path)}; then ${entries} -exec rm -rf -- {} +; else rm -rf -- ${p}; fi`;
    const dir = `${p}/aside-${stamp}`;
    const within = `mkdir -m 0700 -- ${dir} && ${entries} -exec mv -t ${dir} -- {} + && echo ${dir}`;
    return `if ${staysTest(path)}; then ${within}; else mv -T -- ${p} ${to} && echo ${to}; fi`;
  };
  const inside = walDir?.startsWith(`${dataDir}/`) ?? true;
  const paths = inside ? [dataDir] : [dataDir, walDir!];
  const script = [
    'case $(systemctl show etcd.service -p ActiveState) in *=active|*=activating|*=deactivating) echo "etcd runs" >&2; exit 1 ;; esac',
    ...paths.map((path) => `if [ -e ${quote(path)} ]; then ${away(path)} || exit 1; fi`),
    'sync -f / 2>/dev/null; :',
  ].join('\n');
  const result = await connection.run(script);
  if (result.code !== 0) {
    throw new RemoteCommandError(`moving ${dataDir} aside`, result, {
      next: 'Put right what it says, then run again.',
    });
  }
  return result.stdout.split('\n').filter((line) => line !== '');
}

/** Stops etcd, and keeps it from being started by systemd; a unit that is not there is stopped. */
export async function stopForGood(connection: Connection): Promise<void> {
  const script = [
    '[ -z "$(systemctl show etcd.service -p FragmentPath --value)" ] && exit 0',
    'systemctl stop etcd.service && systemctl disable -q etcd.service && { systemctl reset-failed etcd.service 2>/dev/null; :; }',
  ].join('\n');
  const result = await connection.run(script, { timeoutMs: 120_000 });
  if (result.code !== 0) {
    throw new RemoteCommandError('stopping etcd.service', result, { next: 'See there: systemctl status etcd.service' });
  }
}
