import { hasOwnLog } from '../data-parts.ts';
import type { Refusal } from './plan.ts';
import type { SeenHost } from './seen.ts';

const MIB = 1024 ** 2;
/** What a restore makes of a log, and what etcd makes beside it when it starts: three files of 64 MiB (server/storage/wal). */
const NEW_LOG_BYTES = 200 * MIB;
/** The next file of a log. */
const RESERVE_BYTES = 100 * MIB;

/** How the place of old data is called in a plan. */
export function asideName(hosts: readonly SeenHost[]): string {
  const within = hosts.filter(({ facts }) => facts.data.isMount).map(({ host }) => host);
  if (within.length === 0) return '.bak-<time>';
  return within.length === hosts.length
    ? 'bak-<time> within'
    : `.bak-<time> (on ${within.join(', ')} within: bak-<time>)`;
}

/** etcd makes its log directory under another name, and so does a restore. */
export function refuseLogMount(hosts: readonly SeenHost[]): Refusal[] {
  return hosts
    .filter(({ facts }) => facts.data.logIsMount)
    .map(({ host, settings: { dataDir, walDir } }) => ({
      host,
      reason: `its log directory ${walDir ?? `${dataDir}/member/wal`} is a mount point itself, and is to be renamed`,
      next: 'Mount that disk outside the data directory, and set ETCD_WAL_DIR to where: etcd gets a directory within.',
    }));
}

/** Room for a log on a disk of its own: a new one, or a copy of the one that is there. */
export function refuseLogRoom(hosts: readonly SeenHost[], copyBytes?: number): Refusal[] {
  const needed = copyBytes === undefined ? NEW_LOG_BYTES : copyBytes + RESERVE_BYTES;
  return hosts.flatMap((seen) => {
    const free = logDisk(seen)?.freeBytes;
    if (free === undefined || free >= needed) return [];
    return [noRoom(seen.host, 'log lies', free, needed, copyBytes === undefined ? 'the restored one' : 'a copy of it')];
  });
}

/** Undefined where the log lies on the same disk as the data. */
export function logDisk({ facts, settings }: SeenHost): { freeBytes: number } | undefined {
  if (!hasOwnLog(settings)) return undefined;
  const at = (path: string | undefined) => facts.disks.find((disk) => disk.path === path);
  const [data, log] = [at(settings.dataDir), at(settings.walDir)];
  return log && log.device !== data?.device ? log : undefined;
}

export function noRoom(host: string, what: string, free: number, needed: number, use: string): Refusal {
  const mib = (bytes: number) => `${Math.ceil(bytes / MIB)} MiB`;
  return {
    host,
    reason: `${mib(free)} are free where its ${what}, ${mib(needed)} are needed for ${use}`,
    next: 'Make room there: old data aside (aside-…, bak-…) are the first to look at.',
  };
}
