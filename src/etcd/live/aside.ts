import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { staysTest } from '../data-parts.ts';
import type { EtcdSettings } from '../variables.ts';

/**
 * The time that names what is put aside, made or restored, as in `20261121T101500Z`: the first second from `now` on that names nothing
 * yet beside or within the data on any of these hosts. A run that was cut off may have used this very second.
 */
export async function freeTime(members: readonly Member[], now = new Date()): Promise<string> {
  const names = await Promise.all(members.map(({ connection, settings }) => timesOn(connection, settings)));
  const taken = new Set(names.flat());
  let time = Math.floor(now.getTime() / 1000);
  const stamp = () => new Date(time * 1000).toISOString().replace(/[-:]|\.\d+/g, '');
  while (taken.has(stamp())) time += 1;
  return stamp();
}

interface Member {
  connection: Connection;
  settings: { dataDir: string; walDir?: string | undefined };
}

async function timesOn(connection: Connection, { dataDir, walDir }: Member['settings']): Promise<string[]> {
  const globs = [dataDir, ...(walDir ? [walDir] : [])].flatMap((path) => {
    const hidden = posix.join(posix.dirname(path), `.${posix.basename(path)}`);
    return [`${quote(path)}.*-*`, `${quote(path)}/*-*`, `${quote(path)}/.*-*`, `${quote(hidden)}.*-*`];
  });
  const result = await connection.run(`for f in ${globs.join(' ')}; do [ ! -e "$f" ] || echo "\${f##*/}"; done`);
  if (result.code !== 0) throw new RemoteCommandError('looking for a free name', result, { next: 'Run again.' });
  return result.stdout.match(/\d{8}T\d{6}Z/g) ?? [];
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
  settings: EtcdSettings,
  { purge = false }: { purge?: boolean } = {},
): Promise<string[]> {
  const { dataDir, walDir } = settings;
  const stamp = await freeTime([{ connection, settings }]);
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
