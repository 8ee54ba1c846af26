import { PlayError } from '../../errors.ts';
import { once, type Play, play } from '../../runner/playbook.ts';
import { openVersionApi } from '../grpc/versions.ts';
import { clientAddress } from '../look.ts';
import type { VersionAction } from '../plan/version-steps.ts';
import { compareVersions } from '../versions.ts';
import { certain } from './certain.ts';
import type { LiveCluster } from './cluster.ts';
import { settle } from './version-settle.ts';

/** One of 3.5 does not know the order. */
const TAKES_SINCE = '3.6.0';

type Order = Extract<VersionAction, { do: 'enable downgrade' | 'cancel downgrade' }>;

/** Enables etcd's own downgrade and waits until all data are in its shape, or calls it off. */
export function downgradePlay(cluster: LiveCluster, action: Order, readyMs: number): Play {
  if (action.do === 'cancel downgrade') {
    const cancel = async () => {
      await give(cluster, 'cancel');
      return { changed: true };
    };
    return play('Cancel', { tasks: [once('The downgrade is cancelled', cancel)] });
  }
  const { to } = action;
  return play(`Downgrade to ${to} is enabled`, {
    tasks: [
      once(`etcd takes a downgrade to ${to}`, async () => {
        await give(cluster, 'enable', `${to}.0`);
        return { changed: true };
      }),
      once(`Data of all members are in the shape of ${to}`, async () => ({
        summary: await settle(cluster, `${to}.0`, { shapeOnly: true, timeoutMs: readyMs }),
      })),
    ],
  });
}

/** Gives the order to the leader, or to another member that takes it; what was done already is left as it is. */
async function give(cluster: LiveCluster, order: 'enable' | 'cancel', version?: string): Promise<void> {
  const { leader, serving } = cluster.state();
  const inOrder = [...(leader ? [leader] : []), ...serving];
  const taker = inOrder.find(({ host, status }) => host && compareVersions(status!.version, TAKES_SINCE) >= 0);
  if (taker?.host === undefined) throw new PlayError('no member of 3.6 or newer serves, which could take the order');
  const connection = await cluster.run.connect(taker.host);
  const api = await openVersionApi(connection, clientAddress(cluster.listening(taker.host)), cluster.identity);
  const isDone = async () => ((await api.versions()).downgrade !== undefined) === (order === 'enable');
  try {
    if (await isDone()) return;
    if (order === 'enable') await api.downgrade('validate', version);
    await certain(() => api.downgrade(order, version), isDone);
  } finally {
    api.close();
  }
}
