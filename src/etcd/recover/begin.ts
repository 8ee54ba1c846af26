import { PlayError, UnreachableError } from '../../errors.ts';
import { once, type Play, play, step } from '../../runner/playbook.ts';
import { stopForGood } from '../live/aside.ts';
import { certain } from '../live/certain.ts';
import type { LiveCluster } from '../live/cluster.ts';
import { prepareTasks } from '../live/perform.ts';
import type { MemberPair } from '../plan/action.ts';
import { isRunning } from '../plan/seen.ts';
import { startAgain } from '../restore/in-turn.ts';
import { stopEtcd } from '../restore/swap.ts';
import { startEtcd, waitUntilReady } from '../start.ts';
import { endOnce, keepCopy, putBack, startForced } from './force.ts';
import { RecoverPlaces } from './places.ts';

const READY_MS = 120_000;

export interface Beginning {
  host: string;
  /** Names what is kept. */
  stamp: string;
  /** An earlier run has kept a copy already. */
  isKept: boolean;
  /** What etcd.conf lists until the new cluster has formed: by it a run that comes after a cut knows what was lost. */
  pairs: readonly MemberPair[];
}

/**
 * Makes a cluster of one of a host's data: the etcds of the others are stopped, a copy is kept, and etcd is started once with
 * `--force-new-cluster`. Where it does not come up, everything goes back to what it was.
 */
export async function* beginAnew(
  cluster: LiveCluster,
  { host, stamp, isKept, pairs }: Beginning,
): AsyncGenerator<Play> {
  const { run } = cluster;
  const settings = cluster.own(host);
  const places = new RecoverPlaces(settings, cluster.lastSeen(host).facts.data.isMount ?? false);
  const others = cluster.hosts.filter((one) => one !== host && run.hosts.includes(one));
  const ran = cluster
    .sight()
    .hosts.filter(isRunning)
    .map((seen) => seen.host);
  const safely = (name: string, act: () => Promise<string | undefined>) =>
    once(name, async () => {
      try {
        return { changed: true, summary: (await act()) ?? '' };
      } catch (error) {
        // Who ended the run, or lost the host, may go on from here: what was begun is seen there.
        if (run.signal.aborted || error instanceof UnreachableError) throw error;
        throw await goBack(cluster, { host, stamp, places, ran }, error);
      }
    });

  yield play(`Prepare ${host}`, { hosts: [host], tasks: prepareTasks(cluster, [host], pairs) });

  if (others.length > 0) {
    yield play('Others are stopped', {
      hosts: others,
      tasks: [
        step('etcd is stopped and disabled', async ({ host: other, connect }) => {
          const { service } = cluster.seen(other).facts;
          if (!isRunning(cluster.seen(other)) && service.enabled === false) return { changed: false };
          await stopForGood(await connect());
          return { changed: true };
        }),
      ],
    });
  }

  yield play(`A new cluster begins on ${host}`, {
    tasks: [
      once(`etcd is stopped on ${host}`, async () => {
        const connection = await run.connect(host);
        await endOnce(connection);
        await stopEtcd(connection);
        return { changed: true };
      }),
      ...(isKept
        ? []
        : [
            safely('A copy of the data is kept', async () => {
              const kept = await keepCopy(await run.connect(host), places, stamp);
              return kept.join(' ');
            }),
          ]),
      safely('The other members are forgotten', async () => {
        const connection = await run.connect(host);
        await startForced(connection, settings);
        await checkAlone(cluster, host);
        await endOnce(connection);
        return undefined;
      }),
      safely('etcd is started as ever', async () => {
        const connection = await run.connect(host);
        await startEtcd(connection);
        await waitUntilReady(connection, READY_MS, run.signal);
        await cluster.lookAgain();
        return undefined;
      }),
    ],
  });
}

/** It leads, and its list has nobody else; at an address of its own, where it has got another one since. */
async function checkAlone(cluster: LiveCluster, host: string): Promise<void> {
  const { advertisePeerUrl } = cluster.own(host);
  const { api } = await cluster.ask(host);
  const [own, ...others] = api?.members ?? [];
  if (!api || !own || others.length > 0 || own.id !== api.status.leaderId) {
    throw new PlayError(`etcd was started with --force-new-cluster, and lists ${api?.members.length ?? 'no'} members`);
  }
  if (own.peerUrls.includes(advertisePeerUrl)) return;
  const client = cluster.client(host);
  await certain(
    () => client.updateMember(own.id, advertisePeerUrl),
    async () => (await client.members()).some(({ peerUrls }) => peerUrls.includes(advertisePeerUrl)),
  );
}

/** The copy back in its place, and what ran before runs again: there is no quorum still, and nothing was lost. */
async function goBack(
  cluster: LiveCluster,
  { host, stamp, places, ran }: { host: string; stamp: string; places: RecoverPlaces; ran: readonly string[] },
  error: unknown,
): Promise<PlayError> {
  const { run } = cluster;
  const words = error instanceof PlayError ? error : new PlayError((error as Error).message, { cause: error });
  const back = async () => {
    const connection = await run.connect(host);
    await endOnce(connection);
    await stopEtcd(connection);
    await putBack(connection, places, stamp);
  };
  const undone = await back().then(
    () => 'The data are as they were.',
    (why) =>
      `Its data could not be put back (${(why as Error).message}): they lie there in ${places.kept(stamp).join(' and ')}.`,
  );
  await Promise.allSettled(ran.map(async (one) => (await run.connect(one)).run('systemctl enable -q etcd.service')));
  await startAgain(cluster, ran);
  const started = ran.length > 0 ? ` ${ran.join(', ')} ${ran.length === 1 ? 'was' : 'were'} started again.` : '';
  return new PlayError(words.message, {
    host,
    details: words.details,
    cause: error,
    next: `${undone}${started} ${words.next ?? ''}`.trim(),
  });
}
