import type { PlayError } from '../../errors.ts';
import { copy } from '../../resource/copy.ts';
import { once, type Play, play, step, type Task, task } from '../../runner/playbook.ts';
import type { V2Node } from '../backup/v2/keys.ts';
import { openMemberApi } from '../grpc/member.ts';
import { freeTime } from '../live/aside.ts';
import type { LiveCluster } from '../live/cluster.ts';
import { prepareTasks } from '../live/perform.ts';
import { clientAddress } from '../look.ts';
import { proveMember, untilMembersAgree } from '../proof.ts';
import { clusterReport } from '../report.ts';
import { waitUntilReady } from '../start.ts';
import { type Content, checkContent } from './content.ts';
import { goBack } from './go-back.ts';
import { startInTurn, stopInTurn } from './in-turn.ts';
import { placesOn, type RestorePlaces } from './places.ts';
import { removeLeftovers, removeRestoredMark, restoreBeside, swapIn, tidy } from './swap.ts';
import { putBackV2 } from './v2.ts';

const FORMING_MS = 120_000;
const AGREEING_MS = 30_000;

export interface RestoreWork extends Content {
  /** The members of the restored cluster. */
  hosts: readonly string[];
  /** The snapshot on this machine, unpacked. */
  plain: string;
  isBare: boolean;
  bump: boolean;
  /** The backup that a recovery goes back to: written into the data until all is done, for a run that comes after a cut. */
  markAs?: string | undefined;
  /** What the v2 API is to hold. */
  v2?: V2Node | undefined;
  /** A last look before members are stopped: what it throws keeps them running. */
  beforeStop?(): Promise<void>;
  /** What else belongs to it, once the restored cluster serves; `back` puts the old data back. */
  after?(back: (error: unknown) => Promise<PlayError>): AsyncIterable<Play>;
}

/**
 * Restores one snapshot on all hosts: beside what is there, then by renames. Where the restored cluster does not come up, the old
 * data go back and what ran before is started again.
 */
export async function* restoreOn(cluster: LiveCluster, work: RestoreWork): AsyncGenerator<Play> {
  const { run } = cluster;
  const { hosts, plain, isBare, bump, markAs } = work;
  const members = hosts.map((host) => {
    const { name, advertisePeerUrl } = cluster.own(host);
    return { name, peerUrl: advertisePeerUrl };
  });
  const stamp = await freeTime(
    await Promise.all(
      hosts.map(async (host) => ({ connection: await run.connect(host), settings: cluster.own(host) })),
    ),
  );
  const token = `${cluster.allSettings[0]!.clusterToken}-restored-${stamp}`;
  const mark =
    markAs === undefined ? undefined : { stamp, members: hosts.length, revision: work.revision, file: markAs };
  const places = (host: string) => placesOn(cluster, host, stamp);

  yield play('Prepare', { hosts, tasks: prepareTasks(cluster, hosts, members) });

  yield play('Restore beside', {
    hosts,
    tasks: [
      step('What an earlier run has left is removed', async ({ host, connect }) => {
        const left = await removeLeftovers(await connect(), places(host));
        return { changed: left.length > 0, summary: left.join(' ') };
      }),
      task('Snapshot is sent', ({ host }) => copy({ source: plain, path: places(host).snapshot, mode: 0o600 })),
      step('Snapshot is restored', async ({ host, connect }) => {
        const settings = cluster.own(host);
        await restoreBeside(await connect(), { settings, places: places(host), members, token, bump, isBare, mark });
        return { changed: true };
      }),
    ],
  });

  // From here on there is an outage.
  const ran = cluster
    .sight()
    .hosts.filter(
      ({ host, facts }) => hosts.includes(host) && ['active', 'activating'].includes(facts.service.activeState),
    )
    .map(({ host }) => host);
  const swapped = new Set<string>();
  const back = (error: unknown) => goBack(cluster, { hosts, swapped, ran, places }, error);
  const safely = (name: string, act: () => Promise<unknown>) =>
    once(name, async () => {
      try {
        await act();
      } catch (error) {
        throw await back(error);
      }
      return { changed: true };
    });

  yield play('Swap', {
    tasks: [
      ...(work.beforeStop ? [lastLook(cluster, hosts, places, work.beforeStop)] : []),
      safely('etcd is stopped', () => stopInTurn(cluster, hosts)),
      safely('Restored data are put in place', () =>
        Promise.all(
          hosts.map(async (host) => {
            swapped.add(host);
            await swapIn(await run.connect(host), places(host));
          }),
        ),
      ),
      safely('Restored members are started', () => startInTurn(cluster, hosts)),
      safely('Restored members are ready', () =>
        Promise.all(hosts.map(async (host) => waitUntilReady(await run.connect(host), FORMING_MS, run.signal))),
      ),
      safely('Keys and revision are as in the backup', () => checkFormed(cluster, work)),
    ],
  });

  yield proofOf(cluster, hosts);
  if (work.v2) yield putBackV2(cluster, hosts[0]!, work.v2);
  if (work.after) yield* work.after(back);
  if (mark) yield restoredMarksGo(cluster, hosts);
}

/** Where it is not content, nothing was stopped, and what was restored beside is of no use. */
function lastLook(
  cluster: LiveCluster,
  hosts: readonly string[],
  places: (host: string) => RestorePlaces,
  look: () => Promise<void>,
): Task {
  return once('A last look', async () => {
    try {
      await look();
    } catch (error) {
      await Promise.allSettled(hosts.map(async (host) => tidy(await cluster.run.connect(host), places(host))));
      throw error;
    }
  });
}

/** What an earlier run restored on all these hosts is started, and proven: there is nothing older to go back to. */
export async function* finishRestore(
  cluster: LiveCluster,
  { hosts, revision, v2 }: { hosts: readonly string[]; revision: bigint; v2?: V2Node | undefined },
): AsyncGenerator<Play> {
  const { run } = cluster;
  yield play('Start', {
    tasks: [
      once('Restored members are started', async () => {
        await startInTurn(cluster, hosts);
        return { changed: true };
      }),
      once('Restored members are ready', async () => {
        await Promise.all(hosts.map(async (host) => waitUntilReady(await run.connect(host), FORMING_MS, run.signal)));
      }),
      once('Revision is not behind the backup', () => checkFormed(cluster, { hosts, revision, keyCount: 0n })),
    ],
  });
  yield proofOf(cluster, hosts);
  if (v2) yield putBackV2(cluster, hosts[0]!, v2);
  yield restoredMarksGo(cluster, hosts);
}

export function restoredMarksGo(cluster: LiveCluster, hosts: readonly string[]): Play {
  return play('All is done', {
    hosts,
    tasks: [
      step('Its mark is taken away', async ({ host, connect }) => {
        await removeRestoredMark(await connect(), cluster.own(host));
        return { changed: true };
      }),
    ],
  });
}

function proofOf(cluster: LiveCluster, hosts: readonly string[]): Play {
  const { run } = cluster;
  return play('Prove', {
    tasks: [
      once('Members take writes', async () => {
        const health = [];
        for (const host of hosts) {
          health.push(await proveMember(cluster.own(host), cluster.client(host), { write: true }));
        }
        run.say(
          clusterReport(
            hosts.map((host) => cluster.own(host)),
            cluster.answers,
            health,
          ),
        );
      }),
    ],
  });
}

/** All are one cluster, and it has what the backup has. */
async function checkFormed(cluster: LiveCluster, wanted: Content & Pick<RestoreWork, 'hosts'>): Promise<void> {
  const { hosts } = wanted;
  const { run } = cluster;
  await cluster.lookAgain();
  const answers = new Map(hosts.map((host) => [host, cluster.answers.get(host) ?? {}]));
  await untilMembersAgree(answers, (host) => cluster.ask(host), AGREEING_MS, run.signal, hosts.length);
  const at = clientAddress(cluster.listening(hosts[0]!));
  const open = async () => openMemberApi(await run.connect(hosts[0]!), at, cluster.identity);
  await checkContent(open, wanted, { timeoutMs: AGREEING_MS, signal: run.signal });
}
