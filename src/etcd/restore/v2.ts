import { PlayError } from '../../errors.ts';
import { once, type Play, play } from '../../runner/playbook.ts';
import { type V2Node, v2Facts, v2Missing, v2Writes } from '../backup/v2/keys.ts';
import { v2GetFrom, v2Tree } from '../backup/v2/look.ts';
import { writeV2 } from '../backup/v2/write.ts';
import type { LiveCluster } from '../live/cluster.ts';
import { clientAddress } from '../look.ts';
import { compareVersions } from '../versions.ts';

/** Whether etcd of this version serves the v2 API, told so or not. */
export function servesV2(version: string, enableV2: boolean | undefined): boolean {
  if (compareVersions(version, '3.6.0') >= 0) return false;
  return compareVersions(version, '3.4.0') >= 0 ? enableV2 === true : enableV2 !== false;
}

/** A snapshot restores v3 alone: the keys of v2 are written anew, where clients have not written them already. */
export function putBackV2(cluster: LiveCluster, host: string, root: V2Node): Play {
  return play('Keys of the v2 API', {
    tasks: [
      once('Keys of the v2 API are put back', async () => {
        const { run, identity } = cluster;
        const [connection, at] = [await run.connect(host), clientAddress(cluster.listening(host))];
        const get = v2GetFrom(connection, at, identity);
        await writeV2(connection, at, identity, v2Writes(root), run.signal);
        const found = await v2Tree(get);
        const missing = found ? v2Missing(root, found) : [];
        if (!found || missing.length > 0) {
          throw new PlayError(`${missing.length} keys of the v2 API are missing: ${missing.slice(0, 3).join(', ')}`, {
            host,
            next: 'All else is restored. Run again, or write them: they are in the backup.',
          });
        }
        return { changed: true, summary: `${v2Facts(found).keys} keys` };
      }),
    ],
  });
}
