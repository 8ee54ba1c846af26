import { PlayError } from '../../errors.ts';
import type { LiveCluster } from '../live/cluster.ts';
import { startAgain } from './in-turn.ts';
import type { RestorePlaces } from './places.ts';
import { stopEtcd, swapBack, tidy } from './swap.ts';

export interface WayBack {
  hosts: readonly string[];
  /** Where restored data were put in place, or half so. */
  swapped: ReadonlySet<string>;
  /** Where etcd ran before. */
  ran: readonly string[];
  places(host: string): RestorePlaces;
}

/** Puts the old data back, and starts again what ran. Gives the error of the run, with what has become of the data. */
export async function goBack(
  cluster: LiveCluster,
  { hosts, swapped, ran, places }: WayBack,
  error: unknown,
): Promise<PlayError> {
  const { run } = cluster;
  // What runs on restored data is given up; where they never came into place nothing has to be stopped.
  await Promise.allSettled([...swapped].map(async (host) => stopEtcd(await run.connect(host), { kill: true })));
  const back = await Promise.allSettled(
    [...swapped].map(async (host) => swapBack(await run.connect(host), places(host))),
  );
  await Promise.allSettled(hosts.map(async (host) => tidy(await run.connect(host), places(host))));
  await startAgain(cluster, ran);
  const failed = [...swapped].filter((_, i) => back[i]!.status === 'rejected');
  const cause = error instanceof PlayError ? error : new PlayError((error as Error).message, { cause: error });
  const what =
    failed.length > 0
      ? `The old data could not be put back. They lie aside: ${failed.map((host) => `${host} in ${places(host).aside.join(' and ')}`).join(', ')}.`
      : 'The old data were put back.';
  const started = ran.length > 0 ? ' What ran before was started again.' : '';
  return new PlayError(cause.message, {
    details: cause.details,
    cause: error,
    next: `${what}${started} ${cause.next ?? ''}`.trim(),
  });
}
