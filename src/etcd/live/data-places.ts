import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { staysTest } from '../data-parts.ts';
import type { EtcdSettings } from '../variables.ts';
import { freeTime } from './aside.ts';

/** Where a member's data lie on a host: all in `member`, but for the log where that has a directory of its own. */
export interface DataPlace {
  member: string;
  wal: string | undefined;
}

type Directories = Pick<EtcdSettings, 'dataDir' | 'walDir'>;

/** Data that are in use. */
export function ownPlace({ dataDir, walDir }: Directories): DataPlace {
  return { member: `${dataDir}/member`, wal: walDir };
}

/** Beside the place for use, so that a rename suffices also where the data directory is a mount point. */
export function asidePlace({ dataDir, walDir }: Directories, why: 'moving' | 'arriving', id: string): DataPlace {
  return { member: `${dataDir}/${why}-${id}/member`, wal: walDir && `${walDir}.${why}-${id}` };
}

const RUNS =
  'case $(systemctl show etcd.service -p ActiveState) in *=active|*=activating|*=deactivating) echo "etcd runs" >&2; exit 1 ;; esac';

async function must(connection: Connection, what: string, script: readonly string[]): Promise<string> {
  const result = await connection.run(['set -e', ...script].join('\n'), { timeoutMs: 600_000 });
  if (result.code !== 0) {
    throw new RemoteCommandError(what, result, { next: 'Put right what it says, then run again.' });
  }
  return result.stdout;
}

/** Notes on the host whose member is leaving it: found again by the next look, also where no member answers any more. */
export async function mark(connection: Connection, settings: EtcdSettings, id: string): Promise<void> {
  const dir = quote(`${settings.dataDir}/moving-${id}`);
  await must(connection, 'noting the move', [`mkdir -p -m 0700 -- ${dir}`, `sync -f ${dir}`]);
}

export async function unmark(connection: Connection, settings: EtcdSettings, id: string): Promise<void> {
  const dir = quote(`${settings.dataDir}/moving-${id}`);
  await must(connection, 'ending the move', [`[ ! -d ${dir} ] || rmdir -- ${dir}`]);
}

/** What was copied in part is taken away; nothing else is in that directory. */
export async function dropCopy(connection: Connection, settings: EtcdSettings, id: string): Promise<void> {
  const { member, wal } = asidePlace(settings, 'arriving', id);
  const dirs = [member.replace(/\/member$/, ''), ...(wal === undefined ? [] : [wal])].map(quote);
  await must(connection, 'taking the first copy away', [`rm -rf -- ${dirs.join(' ')}`]);
}

/**
 * Holds a member's data back by rename. What remains is a directory in which etcd cannot write, so that it does not begin
 * with nothing when somebody starts it.
 */
export async function hold(connection: Connection, settings: EtcdSettings, id: string): Promise<void> {
  const data = quote(settings.dataDir);
  await must(connection, `holding ${settings.dataDir} back`, [
    RUNS,
    `mkdir -p -m 0700 -- ${quote(`${settings.dataDir}/moving-${id}`)}`,
    ...renames(ownPlace(settings), asidePlace(settings, 'moving', id)),
    `chown root: -- ${data}`,
    `chmod 0500 -- ${data}`,
    `sync -f ${data}`,
  ]);
}

/** Puts data that were held back where they were. */
export async function unhold(connection: Connection, settings: EtcdSettings, id: string): Promise<void> {
  const data = quote(settings.dataDir);
  await must(connection, `putting ${settings.dataDir} back`, [
    RUNS,
    ...renames(asidePlace(settings, 'moving', id), ownPlace(settings)),
    `chown ${quote(`${settings.user}:`)} -- ${data}`,
    `chmod 0700 -- ${data}`,
    `sync -f ${data}`,
  ]);
}

/** The log goes last: only with it a directory counts as the data of a member. */
function renames(from: DataPlace, to: DataPlace): string[] {
  const pairs = [
    [from.member, to.member],
    [from.wal, to.wal],
  ];
  return pairs.flatMap(([source, dest]) =>
    source === undefined || dest === undefined
      ? []
      : [`[ ! -e ${quote(source)} ] || mv -T -- ${quote(source)} ${quote(dest)}`],
  );
}

/** A copy that was proven becomes the data of the member here. */
export async function settle(connection: Connection, settings: EtcdSettings, id: string): Promise<void> {
  const [arriving, own] = [asidePlace(settings, 'arriving', id), ownPlace(settings)];
  const dirs = [arriving.member, ...(arriving.wal === undefined ? [] : [arriving.wal])].map(quote).join(' ');
  await must(connection, `putting the copy into ${settings.dataDir}`, [
    RUNS,
    `chown -R ${quote(`${settings.user}:`)} -- ${dirs}`,
    `find ${dirs} -type d -exec chmod 0700 {} + -o -type f -exec chmod 0600 {} +`,
    `! command -v restorecon >/dev/null || restorecon -R ${dirs}`,
    `sync -f ${quote(arriving.member)}`,
    ...renames(arriving, own),
    `rm -rf -- ${quote(`${settings.dataDir}/arriving-${id}`)}`,
    `sync -f ${quote(settings.dataDir)}`,
  ]);
}

/** Where a settling was cut off between data and log: the part that was put in place goes back to the copy. */
export async function unsettle(connection: Connection, settings: EtcdSettings, id: string): Promise<void> {
  const [arriving, own] = [asidePlace(settings, 'arriving', id), ownPlace(settings)];
  const [dir, dest] = [quote(`${settings.dataDir}/arriving-${id}`), quote(arriving.member)];
  await must(connection, `making room for the copy in ${settings.dataDir}`, [
    RUNS,
    `mkdir -p -m 0700 -- ${dir}`,
    `[ ! -e ${quote(own.member)} ] || [ -e ${dest} ] || mv -T -- ${quote(own.member)} ${dest}`,
    `[ ! -e ${quote(own.member)} ] || { echo ${quote(`${own.member} is in the way`)} >&2; exit 1; }`,
  ]);
}

/** What was held back becomes one of the directories that were moved aside; gives its path. */
export async function release(connection: Connection, settings: EtcdSettings, id: string): Promise<string> {
  const stamp = await freeTime([{ connection, settings }]);
  const { dataDir, walDir } = settings;
  const [data, dir] = [quote(dataDir), quote(`${dataDir}/moving-${id}`)];
  const wal = walDir && quote(`${walDir}.moving-${id}`);
  const [beside, within] = [`${dataDir}.aside-${stamp}`, `${dataDir}/aside-${stamp}`];
  const stdout = await must(connection, 'moving the old data aside', [
    ...(wal ? [`[ ! -d ${wal} ] || mv -T -- ${wal} ${quote(`${walDir}.aside-${stamp}`)}`] : []),
    `[ ! -d ${dir} ] || if ${staysTest(dataDir)}; then mv -T -- ${dir} ${quote(within)} && echo ${quote(within)}; else mv -T -- ${dir} ${quote(beside)} && echo ${quote(beside)}; fi`,
    `rmdir -- ${data} 2>/dev/null || :`,
    `sync -f ${quote(dataDir.replace(/\/[^/]*$/, '') || '/')}`,
  ]);
  return stdout.trim();
}
