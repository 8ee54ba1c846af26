import { PlayError } from '../../errors.ts';
import { openMemberApi } from '../grpc/member.ts';
import { clientAddress } from '../look.ts';
import { minorOf } from '../versions.ts';
import type { LiveCluster } from './cluster.ts';
import { lookAtVersions } from './versions.ts';

/** The leader compares versions every four to five seconds (server/etcdserver, monitorVersionInterval, DowngradeCheckTime). */
const SETTLING_MS = 60_000;
const PAUSE_MS = 250;

/**
 * Waits until the cluster calls itself by a minor version, the data of all members are in its shape where they tell, and, but
 * for `shapeOnly`, no downgrade is under way; then compares the data of all members. Gives what is to be said of it.
 */
export async function settle(
  cluster: LiveCluster,
  to: string,
  { shapeOnly = false, timeoutMs = SETTLING_MS }: { shapeOnly?: boolean; timeoutMs?: number } = {},
): Promise<string> {
  const minor = minorOf(to)!;
  const deadline = performance.now() + Math.max(timeoutMs, SETTLING_MS);
  for (;;) {
    const seen = await lookAtVersions(cluster, { checkV2: false });
    const odd = [...seen.storage].filter(([, storage]) => storage !== minor);
    const missing = [
      ...(seen.cluster === minor ? [] : [`the cluster calls itself ${seen.cluster ?? 'nothing'}, not ${minor}`]),
      ...odd.map(([host, storage]) => `the data of ${host} are in the shape of ${storage}`),
      ...(shapeOnly || seen.downgrade === undefined ? [] : [`the downgrade to ${seen.downgrade} has not ended`]),
    ];
    if (missing.length === 0) break;
    if (cluster.run.signal.aborted || performance.now() > deadline) {
      throw new PlayError(missing.join('; '), {
        next: 'Look at the log of the leader (journalctl -u etcd.service), then run again: it goes on from here.',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    await cluster.lookAgain();
  }
  if (shapeOnly) return minor;
  const { hosts, revision } = await compareData(cluster);
  return `data of ${hosts} members are equal at revision ${revision}`;
}

/** @throws PlayError naming the members, where their data differ at one revision. */
async function compareData(cluster: LiveCluster): Promise<{ hosts: number; revision: bigint }> {
  const serving = cluster.state().serving.flatMap(({ host }) => host ?? []);
  const apis = await Promise.all(
    serving.map(async (host) =>
      openMemberApi(await cluster.run.connect(host), clientAddress(cluster.listening(host)), cluster.identity),
    ),
  );
  try {
    const revisions = await Promise.all(apis.map(async (api) => (await api.status()).revision));
    // All have applied at least what the one that is furthest behind has.
    const revision = revisions.reduce((least, one) => (one < least ? one : least));
    const hashes = await Promise.all(apis.map(async (api) => api.keyHash(revision)));
    const words = hashes.map(({ hash, compactRevision }) => `${hash} from ${compactRevision}`);
    // Where one has compacted meanwhile their hashes are of different stretches, and say nothing.
    const stretches = new Set(hashes.map(({ compactRevision }) => compactRevision));
    if (stretches.size === 1 && new Set(words).size > 1) {
      throw new PlayError(
        `the data of the members differ at revision ${revision}: ${serving.map((host, at) => `${host} ${words[at]}`).join(', ')}`,
        { next: 'The one that stands apart is damaged: play replace_etcd -l HOST.' },
      );
    }
    return { hosts: serving.length, revision };
  } finally {
    for (const api of apis) api.close();
  }
}
