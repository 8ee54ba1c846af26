import type { LiveCluster } from '../live/cluster.ts';
import { peerAddress } from '../look.ts';
import { askPeerView } from '../peer-view.ts';
import { startEtcd } from '../start.ts';
import { stopEtcd } from './swap.ts';

const SERVING_MS = 5_000;

/**
 * Starts members one behind the other: each waits only until the one before hears its peers, not until it is ready, which it is
 * only with a quorum. Started at once, each asks the others for the hash of their data while none of them listens yet, and waits
 * seven seconds for each (etcd server/etcdserver/corrupt.go, InitialCheck).
 */
export async function startInTurn(cluster: LiveCluster, hosts: readonly string[]): Promise<void> {
  const { run, identity } = cluster;
  for (const host of hosts) {
    const connection = await run.connect(host);
    await startEtcd(connection);
    const deadline = performance.now() + SERVING_MS;
    while (performance.now() < deadline && !run.signal.aborted) {
      const hears = await askPeerView(connection, peerAddress(cluster.own(host)), identity, 1_000).catch(
        () => undefined,
      );
      if (hears) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Starts again what ran before, each of them that can be reached. */
export async function startAgain(cluster: LiveCluster, hosts: readonly string[]): Promise<void> {
  for (const host of hosts) await startInTurn(cluster, [host]).catch(() => undefined);
}

/** Stops followers first: a leader that ends looks for a successor, and would wait for one that ends, too. */
export async function stopInTurn(cluster: LiveCluster, hosts: readonly string[]): Promise<void> {
  const leader = cluster.state().leader?.host;
  const stop = async (host: string) => stopEtcd(await cluster.run.connect(host));
  await Promise.all(hosts.filter((host) => host !== leader).map(stop));
  await Promise.all(hosts.filter((host) => host === leader).map(stop));
}
