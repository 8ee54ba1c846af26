import { PlayError, UnreachableError } from '../../errors.ts';
import { directory } from '../../resource/directory.ts';
import { type HostContext, once, type Play, play, step, type Task, task } from '../../runner/playbook.ts';
import { configurationFile } from '../configuration.ts';
import { clientAddress, peerAddress } from '../look.ts';
import { certificateResources, configurationResource, unitResources } from '../member.ts';
import type { MemberFiles } from '../plan/reload.ts';
import type { RollAction } from '../plan/roll.ts';
import { isRunning } from '../plan/seen.ts';
import { memberAt, runsAsConfigured } from '../plan/sight.ts';
import { untilMembersAgree } from '../proof.ts';
import { waitUntilReady } from '../start.ts';
import type { LiveCluster } from './cluster.ts';
import { certificatesAtHand, type FilesWish } from './files.ts';
import { handOver } from './hand-over.ts';
import { levelWithLeader } from './level.ts';
import { surroundingsTasks } from './perform.ts';
import { forgetFiles, isServing, putBack, restartEtcd, saveFiles } from './restart.ts';
import { proveServed } from './served.ts';

/** How long a member may take to be back among the others: its data are there. */
const READY_MS = 60_000;
const LEVEL_MS = 600_000;
const AGREEING_MS = 30_000;

/** What is wanted of an operation beside its plan. */
export interface RollWish extends FilesWish {
  onRestarted?(host: string): void;
}

/** The play that makes one action; `files` is what was seen last. */
export function performRoll(
  cluster: LiveCluster,
  action: RollAction,
  files: (host: string) => MemberFiles,
  wish: RollWish = {},
): Play {
  switch (action.do) {
    case 'certificates':
      return play('Certificates', { hosts: action.hosts, tasks: certificateTasks(cluster, action.hosts, wish) });
    case 'files':
      return play('Files', { hosts: action.hosts, tasks: fileTasks(cluster, files) });
    case 'move leader':
      return handOver(cluster, action);
    case 'restart': {
      const { host } = action;
      return play(`Restart ${host}`, {
        hosts: [host],
        tasks: [
          step('Files of before are kept', async ({ connect }) => {
            const seen = cluster.seen(host);
            // What the process does not run with is nothing to go back to.
            const isGood = isRunning(seen) && runsAsConfigured(seen) && !files(host).unitIsNewer;
            if (isGood) await saveFiles(await connect(), cluster.own(host));
          }),
          ...fileTasks(cluster, files),
          step('etcd is restarted', async (context) => {
            const outcome = await restart(cluster, context);
            wish.onRestarted?.(host);
            return outcome;
          }),
        ],
      });
    }
  }
}

export function fileTasks(cluster: LiveCluster, files: (host: string) => MemberFiles): Task[] {
  const { templateDirs } = cluster.run;
  return [
    task('etcd.conf is in place', ({ host }) => configurationResource(cluster.own(host), files(host).configuration)),
    task('etcd.service is in place', ({ host }) => unitResources(cluster.own(host), templateDirs)),
    ...surroundingsTasks(cluster),
  ];
}

/** What check mode shows beside the plan. */
export function compareFiles(
  cluster: LiveCluster,
  hosts: readonly string[],
  files: (host: string) => MemberFiles,
  wish: FilesWish = {},
): Play {
  const at = new Map<string, Awaited<ReturnType<typeof certificatesAtHand>>>();
  return play('Compare', {
    hosts,
    tasks: [
      step(
        'Certificates are compared',
        async ({ host }) => {
          at.set(host, await certificatesAtHand(cluster, host, wish));
        },
        { check: 'run' },
      ),
      task('Certificates are in place', ({ host }) =>
        certificateResources(cluster.own(host), at.get(host)?.certificates),
      ),
      ...fileTasks(cluster, files),
    ],
  });
}

function certificateTasks(cluster: LiveCluster, hosts: readonly string[], wish: FilesWish): Task[] {
  const certificates = new Map<string, NonNullable<Awaited<ReturnType<typeof certificatesAtHand>>['certificates']>>();
  return [
    once('Certificates are at hand', async () => {
      const issued = await cluster.certificates(hosts, wish.retired);
      await cluster.readCertificates();
      for (const host of hosts) certificates.set(host, issued.of(host));
      const { certLocalDir } = cluster.own(hosts[0]!);
      return {
        changed: issued.issued > 0,
        summary: issued.issued > 0 ? `${issued.issued} issued in ${certLocalDir}` : '',
      };
    }),
    task('Certificates are in place', ({ host }) => [
      directory({ path: cluster.own(host).certDir, mode: 0o755, onlyCreate: true }),
      ...certificateResources(cluster.own(host), certificates.get(host)),
    ]),
    step('New certificates are served', async ({ host, connect }) => {
      if (!(await isServing(await connect()))) return { skipped: true, summary: 'etcd does not run' };
      const { server, peer } = certificates.get(host)!;
      const at = cluster.listening(host);
      // One that reads its certificates in another place shows them after its restart.
      if (at.certDir !== cluster.own(host).certDir) return { skipped: true };
      const connection = await connect();
      await proveServed(connection, clientAddress(at), cluster.identity, { certPem: server.certPem, what: 'etcd' });
      await proveServed(connection, peerAddress(at), cluster.identity, {
        certPem: peer.certPem,
        what: 'its peer side',
      });
      return {};
    }),
  ];
}

/** One that does not come up gets its files of before, and is started with them: the cluster is whole again. */
async function restart(cluster: LiveCluster, context: HostContext): Promise<{ changed: boolean }> {
  const { connect, signal, run } = context;
  try {
    await restartEtcd(await connect());
    await waitUntilReady(await connect(), READY_MS, signal);
    await untilBack(cluster, context);
  } catch (error) {
    // Whoever ended the run, or lost the host, may go on from here.
    if (run.signal.aborted || error instanceof UnreachableError) throw error;
    const words = error instanceof PlayError ? error : new PlayError((error as Error).message, { cause: error });
    throw new PlayError(words.message, {
      details: words.details,
      cause: error,
      next: `The other members were left alone. ${await goBack(cluster, context)}`,
    });
  }
  await forgetFiles(await connect());
  return { changed: true };
}

async function goBack(cluster: LiveCluster, { host, connect, signal }: HostContext): Promise<string> {
  const again = `Correct what its log says, then run again: it begins with ${host}.`;
  const path = configurationFile(cluster.own(host));
  try {
    if (!(await putBack(await connect(), cluster.own(host)))) {
      return `There are no other settings to go back to. See there: journalctl -u etcd.service. ${again}`;
    }
    await restartEtcd(await connect());
    await waitUntilReady(await connect(), READY_MS, signal);
    await forgetFiles(await connect());
    return `${path} of before was put back, and it serves with that. Correct the inventory, then run again.`;
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    return `${path} of before was put back, and it does not serve with that either (${why}). ${again}`;
  }
}

/** Until it follows its leader, has what the leader had, and all that serve agree. */
export async function untilBack(
  cluster: LiveCluster,
  { host, signal, progress }: HostContext,
  readyMs = READY_MS,
): Promise<void> {
  const deadline = performance.now() + readyMs;
  for (;;) {
    await cluster.lookAgain();
    const { leader } = cluster.state();
    const own = memberAt(cluster.state(), host);
    if (own?.serves && leader?.host !== undefined) {
      if (leader.host !== host) {
        const level = { timeoutMs: LEVEL_MS, signal, onProgress: progress };
        await levelWithLeader(cluster, host, leader.host, level);
      }
      break;
    }
    if (signal.aborted || performance.now() > deadline) {
      throw new PlayError('etcd was restarted, and does not follow a leader', {
        next: 'See there: journalctl -u etcd.service.',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const serving = cluster.state().serving.flatMap((one) => one.host ?? []);
  const answers = new Map(serving.map((one) => [one, cluster.answers.get(one)!]));
  const ask = (one: string) => cluster.ask(one);
  await untilMembersAgree(answers, ask, AGREEING_MS, signal, cluster.state().members.length);
}
