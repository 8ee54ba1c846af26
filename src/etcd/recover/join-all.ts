import { once, type Play, play } from '../../runner/playbook.ts';
import { carryOut, prove } from '../live/carry-out.ts';
import type { LiveCluster } from '../live/cluster.ts';
import { perform } from '../live/perform.ts';
import type { MemberAction } from '../plan/action.ts';
import { planAdd } from '../plan/add.ts';
import { listSteps } from '../plan/join.ts';
import { type ClusterState, clusterPairs, memberAt } from '../plan/sight.ts';
import { markFormed, removeMark } from './force.ts';

export interface Joining {
  /** The host that the new cluster began with, and when. */
  first: string;
  stamp: string;
  hosts: readonly string[];
}

/** One after the other joins the new cluster as `add_etcd` would have it; then all is proven, and the mark goes. */
export async function* joinAll(cluster: LiveCluster, { first, stamp, hosts }: Joining): AsyncGenerator<Play> {
  yield play('The new cluster serves', {
    tasks: [
      once('It is noted that it has formed', async () => {
        await markFormed(await cluster.run.connect(first), cluster.own(first), stamp);
        return { changed: true };
      }),
      ...cluster.look(),
    ],
  });
  for (const host of stillDue(cluster.state(), hosts)) {
    yield* carryOut<MemberAction>(cluster, {
      plan: () => ({
        ...planAdd({
          sight: cluster.sight(),
          limited: [host],
          // Old data there are what is moved aside.
          complaints: cluster.complaintsAbout([host]).filter(({ reason }) => !reason.includes('is not empty')),
          ca: cluster.ca,
          certLocalDir: cluster.own(host).certLocalDir,
        }),
        // How many there will be in the end was said before.
        warnings: [],
      }),
      perform: (action) => perform(cluster, action),
      proof: 'none',
    });
  }
  // A cluster that stays as small as it began lists no others either.
  const state = cluster.state();
  for (const { action } of listSteps(state, clusterPairs(state))) yield perform(cluster, action);
  yield* prove<MemberAction>(
    cluster,
    {
      plan: () => ({ kind: 'plan', title: '', actions: [], warnings: [] }),
      perform: (action) => perform(cluster, action),
    },
    true,
  );
  yield play('The recovery is done', {
    tasks: [
      once('Its mark is taken away', async () => {
        await removeMark(await cluster.run.connect(first), cluster.own(first));
        return { changed: true };
      }),
    ],
  });
}

/** Who has been found to serve since is through; who was added already comes first: nobody else is added before that one has started. */
export function stillDue(state: ClusterState, hosts: readonly string[]): string[] {
  const known = (host: string) => memberAt(state, host);
  const isDue = (host: string) => {
    const own = known(host);
    return !own?.serves || own.member.isLearner;
  };
  const isListed = (host: string) => Number(known(host) !== undefined);
  return hosts.filter(isDue).toSorted((a, b) => isListed(b) - isListed(a));
}
