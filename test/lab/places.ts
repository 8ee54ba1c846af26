import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the lab's own sources, for the scripts that lie beside them. */
export const sourceDir = dirname(fileURLToPath(import.meta.url));
export const projectDir = join(sourceDir, '..', '..');

/** Root file systems and etcd releases: slow to make, the same for all labs, kept by `down`. */
export const cacheDir = process.env.ETCD_PLAY_LAB_CACHE || '/var/cache/etcd-play-lab';
export const releasesDir = join(cacheDir, 'releases');
/** The same layout, but all binaries static: they run on every host, also on Debian 11. */
export const staticReleasesDir = join(cacheDir, 'releases-static');
export const rootsDir = join(cacheDir, 'roots');

/** One folder for each lab that is up: keys, disks, records. Removed by `down`. */
export const stateDir = '/var/lib/etcd-play-lab';
export const lockDir = '/run/lock/etcd-play-lab';

/** What every name that the lab gives away begins with: network namespaces, cgroups, machines, link aliases. */
export const mark = 'etcd-play-lab';

/** The script of that name beside the sources. */
export function script(name: string): string {
  return join(sourceDir, name);
}
