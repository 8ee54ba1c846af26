import type { Connection } from '../../connection/connection.ts';
import { PlayError, UnreachableError } from '../../errors.ts';
import { file } from '../../resource/file.ts';
import { type HostContext, once, type Play, play, step, type Task, task } from '../../runner/playbook.ts';
import { configurationFile } from '../configuration.ts';
import { quoteEnvironmentValue } from '../environment-file.ts';
import {
  accountResources,
  binaryResources,
  certificateResources,
  configurationResource,
  directoryResources,
  releaseResources,
  surroundingsResources,
  unitResources,
  wantsSurroundings,
} from '../member.ts';
import type { MemberAction, MemberPair } from '../plan/action.ts';
import { isJoining } from '../plan/join.ts';
import { isInstalled } from '../plan/seen.ts';
import { memberAt, pairsText } from '../plan/sight.ts';
import { obtainRelease, type Release } from '../releases.ts';
import { startEtcd, waitUntilReady } from '../start.ts';
import { setAside, stopForGood } from './aside.ts';
import { certain } from './certain.ts';
import type { LiveCluster } from './cluster.ts';
import { levelWithLeader } from './level.ts';

/** How long a member may take to join and follow its leader. */
const JOINING_MS = 120_000;
/** Data of gigabytes come by a snapshot, through the network and two disks. */
const LEVEL_MS = 1_800_000;

/** The play that makes one action. Each begins with what was seen last, and is followed by another look. */
export function perform(cluster: LiveCluster, action: MemberAction): Play {
  switch (action.do) {
    case 'prepare':
      return play(`Prepare ${action.host}`, {
        hosts: [action.host],
        tasks: prepareTasks(cluster, [action.host], action.pairs),
      });
    case 'set aside':
      return onHost(action.host, 'Old data are moved aside', async ({ connect }) => {
        const went = await setAside(await connect(), cluster.own(action.host), {
          purge: action.purge ?? false,
        });
        return { changed: true, summary: action.purge ? 'deleted' : went.join(' ') };
      });
    case 'add':
      return change(`${action.host} is added as a ${action.role}`, async () => {
        const client = cluster.leaderClient();
        await certain(
          () => client.addMember(action.peerUrl, action.role),
          async () => (await client.members()).some(({ peerUrls }) => peerUrls.includes(action.peerUrl)),
        );
      });
    case 'start':
      return onHost(action.host, 'etcd is started', (context) => start(cluster, context));
    case 'promote':
      return change(`${action.host} is promoted`, () => promote(cluster, action.host));
    case 'move leader':
      return change(`Leadership moves from ${action.from} to ${action.to}`, async () => {
        const client = cluster.leaderClient();
        const before = cluster.state().leader!.member.id;
        await certain(
          () => client.moveLeader(action.toId),
          // Another member may have come to lead by itself: then it is for the next plan to say what is left to do.
          async () => {
            const { leaderId } = await client.status();
            if (leaderId === undefined) throw new Error('no leader is known');
            return leaderId !== before;
          },
        );
      });
    case 'remove':
      return change(`${action.name} is removed`, async () => {
        const client = cluster.leaderClient();
        await certain(
          () => client.removeMember(action.id),
          async () => !(await client.members()).some(({ id }) => id === action.id),
        );
      });
    case 'stop':
      return onHost(action.host, 'etcd is stopped and disabled', async ({ connect }) => {
        await stopForGood(await connect());
        return { changed: true };
      });
    case 'list':
      return play('Lists', {
        hosts: action.hosts,
        tasks: [task('etcd.conf lists the members', ({ host }) => listResource(cluster, host, action.pairs))],
      });
  }
}

function onHost(
  host: string,
  name: string,
  run: (context: HostContext) => ReturnType<typeof start> | Promise<object>,
): Play {
  return play(name, { hosts: [host], tasks: [step(name, async (context) => run(context))] });
}

function change(name: string, run: () => Promise<void>): Play {
  const made = async () => {
    await run();
    return { changed: true };
  };
  return play(name, { tasks: [once(name, made)] });
}

/** Everything that members need, but for their start. */
export function prepareTasks(cluster: LiveCluster, hosts: readonly string[], pairs: readonly MemberPair[]): Task[] {
  const { run } = cluster;
  const own = (host: string) => cluster.own(host);
  const releases = new Map<string, Release>();
  let certificates: Awaited<ReturnType<LiveCluster['certificates']>> | undefined;
  const installed = (host: string) => isInstalled(cluster.seen(host));
  return [
    once('Release is at hand', async () => {
      const due = hosts.filter((host) => !installed(host));
      const { version, releaseDir: dir, releaseUrl: url } = own(hosts[0]!);
      for (const arch of new Set(due.map((host) => cluster.archOf(host)))) {
        releases.set(arch, await obtainRelease({ version, arch, dir, url, signal: run.signal }));
      }
      return { skipped: due.length === 0 };
    }),
    once('Certificates are at hand', async () => {
      certificates = await cluster.certificates(hosts);
      const { issued } = certificates;
      return { changed: issued > 0, summary: issued > 0 ? `${issued} issued in ${own(hosts[0]!).certLocalDir}` : '' };
    }),
    task('Release is installed', ({ host, progress }) =>
      releaseResources(own(host), releases.get(cluster.archOf(host)), installed(host), progress),
    ),
    task('Binaries are linked', ({ host }) => binaryResources(own(host))),
    task('User is there', ({ host }) => accountResources(own(host))),
    task('Directories are there', ({ host }) => directoryResources(own(host))),
    task('Certificates are in place', ({ host }) => certificateResources(own(host), certificates?.of(host))),
    task('etcd.conf is in place', ({ host }) => configurationResource(own(host), cluster.configuration(host, pairs))),
    task('etcd.service is in place', ({ host }) => unitResources(own(host), run.templateDirs)),
    ...surroundingsTasks(cluster),
  ];
}

/** None where nothing of that is asked for. */
export function surroundingsTasks(cluster: LiveCluster): Task[] {
  const all = cluster.allSettings;
  if (!wantsSurroundings(all)) return [];
  return [task('Surroundings are as wanted', ({ host }) => surroundingsResources(cluster.own(host), all))];
}

/** The line of the members alone: everything else in the file is the business of reload_etcd. */
function listResource(cluster: LiveCluster, host: string, pairs: readonly MemberPair[]) {
  const text = cluster.seen(host).facts.configuration!;
  const content = text.replace(
    /^ETCD_INITIAL_CLUSTER=.*$/m,
    () => `ETCD_INITIAL_CLUSTER=${quoteEnvironmentValue(pairsText(pairs))}`,
  );
  return file({ path: configurationFile(cluster.own(host)), content, mode: 0o644 });
}

/** A new member that cannot be brought up is taken out again: it would only be in the way. */
async function start(cluster: LiveCluster, context: HostContext): Promise<{ changed: boolean }> {
  const { host, connect, run } = context;
  const joining = isJoining(cluster.state(), host);
  try {
    return await startAndWait(cluster, context);
  } catch (error) {
    // Whoever ended the run, or lost the host, may go on from here.
    if (!joining || run.signal.aborted || error instanceof UnreachableError) throw error;
    const words = error instanceof PlayError ? error : new PlayError((error as Error).message, { cause: error });
    const undone = await takeOut(cluster, host, await connect()).then(
      () => `It was taken out of the cluster again, and its data were moved aside. ${words.next ?? ''}`,
      (why) =>
        `It could not be taken out again (${(why as Error).message}): play delete_etcd -l ${host}. ${words.next ?? ''}`,
    );
    throw new PlayError(words.message, { details: words.details, next: undone.trim(), cause: error });
  }
}

async function takeOut(cluster: LiveCluster, host: string, connection: Connection): Promise<void> {
  await cluster.lookAgain();
  const own = memberAt(cluster.state(), host);
  const client = cluster.leaderClient();
  if (own) {
    await certain(
      () => client.removeMember(own.member.id),
      async () => !(await client.members()).some(({ id }) => id === own.member.id),
    );
  }
  await stopForGood(connection);
  await setAside(connection, cluster.own(host));
}

/** Starts a member and waits: until it follows its leader, and as a learner until it is level with it. */
export async function startAndWait(
  cluster: LiveCluster,
  { host, connect, signal, progress }: HostContext,
): Promise<{ changed: boolean }> {
  await startEtcd(await connect());
  await waitUntilReady(await connect(), JOINING_MS, signal);
  const leader = await untilLeader(cluster, host, signal);
  if (leader !== host) {
    await levelWithLeader(cluster, host, leader, { timeoutMs: LEVEL_MS, signal, onProgress: progress });
  }
  return { changed: true };
}

/** The host whose member leads, once this one answers and knows it. */
async function untilLeader(cluster: LiveCluster, host: string, signal: AbortSignal): Promise<string> {
  const deadline = performance.now() + JOINING_MS;
  for (;;) {
    const { status } = await cluster.ask(host);
    const leads = status?.leaderId;
    const found = cluster.hosts.find((one) => cluster.answers.get(one)?.status?.memberId === leads);
    if (leads !== undefined && found) return found;
    // The leader may have changed meanwhile.
    await cluster.lookAgain();
    if (signal.aborted || performance.now() > deadline) {
      throw new PlayError('etcd was started, and knows of no leader', {
        next: 'See there: journalctl -u etcd.service. Check that the members reach each other on the peer port.',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The leader judges for itself whether the learner is level, and may need a moment more. */
async function promote(cluster: LiveCluster, host: string): Promise<void> {
  const deadline = performance.now() + JOINING_MS;
  const client = cluster.leaderClient();
  const id = memberAt(cluster.state(), host)!.member.id;
  const done = async () => (await client.members()).some((member) => member.id === id && !member.isLearner);
  for (;;) {
    try {
      await certain(() => client.promoteMember(id), done);
      return;
    } catch (error) {
      if (!/in sync|not ready/i.test((error as Error).message)) throw error;
      if (cluster.run.signal.aborted || performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
