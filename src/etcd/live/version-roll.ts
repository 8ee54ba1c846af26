import { PlayError, UnreachableError } from '../../errors.ts';
import { type HostContext, once, type Play, play, step, task } from '../../runner/playbook.ts';
import { binaryResources, configurationResource, releaseResources, unitResources } from '../member.ts';
import { isOn, type VersionSight } from '../plan/version-sight.ts';
import type { VersionAction } from '../plan/version-steps.ts';
import { proveMember } from '../proof.ts';
import { obtainRelease, type Release } from '../releases.ts';
import { waitUntilReady } from '../start.ts';
import { minorOf } from '../versions.ts';
import type { LiveCluster } from './cluster.ts';
import { downgradePlay } from './downgrade-order.ts';
import { handOver } from './hand-over.ts';
import { leaveOldLogBehind } from './log-snapshot.ts';
import { forgetFiles, restartEtcd } from './restart.ts';
import { untilBack } from './roll.ts';
import {
  beforeOf,
  configurationAt,
  goBack,
  journalEnd,
  keepFiles,
  lastWords,
  reasonOf,
  type Swap,
} from './version-back.ts';
import { settle } from './version-settle.ts';
import { KEPT_VERSION } from './versions.ts';

/** What the actions need beside the cluster. */
export interface VersionWish {
  versions(): VersionSight;
  /** How long a member may take until it is back among the others. */
  readyMs: number;
  /** Takes a verified backup, and gives its path. */
  backup(): Promise<string>;
  onBackup(before: string): void;
}

/** A new version that ends by itself will do so again: one try is enough to know. */
const MOST_ENDS = 1;

/** The play that makes one action. Each begins with what was seen last, and is followed by another look. */
export function performVersion(cluster: LiveCluster, action: VersionAction, wish: VersionWish): Play {
  switch (action.do) {
    case 'backup':
      return play('Backup', {
        tasks: [
          once(`Backup is taken before ${action.before}`, async () => {
            const path = await wish.backup();
            wish.onBackup(action.before);
            return { changed: true, summary: path };
          }),
        ],
      });
    case 'install':
      return installPlay(cluster, action);
    case 'swap':
      return swapPlay(cluster, action, wish);
    case 'settle':
      return play('Settle', {
        tasks: [
          once(`The cluster calls itself ${minorOf(action.to)}`, async () => ({
            summary: await settle(cluster, action.to),
          })),
        ],
      });
    case 'enable downgrade':
    case 'cancel downgrade':
      return downgradePlay(cluster, action, wish.readyMs);
    case 'move leader':
      return handOver(cluster, action);
  }
}

function installPlay(cluster: LiveCluster, action: Extract<VersionAction, { do: 'install' }>): Play {
  const { run } = cluster;
  const { hosts, version } = action;
  const settings = cluster.settingsAt(version);
  const releases = new Map<string, Release>();
  return play(`Install ${version}`, {
    hosts,
    tasks: [
      once('Release is at hand', async () => {
        const { releaseDir: dir, releaseUrl: url } = settings.get(hosts[0]!)!;
        for (const arch of new Set(hosts.map((host) => cluster.archOf(host)))) {
          releases.set(arch, await obtainRelease({ version, arch, dir, url, signal: run.signal }));
        }
      }),
      task('Release is installed', ({ host, progress }) =>
        releaseResources(settings.get(host)!, releases.get(cluster.archOf(host)), false, progress),
      ),
    ],
  });
}

function swapPlay(cluster: LiveCluster, action: Extract<VersionAction, { do: 'swap' }>, wish: VersionWish): Play {
  const { host, to } = action;
  const versions = wish.versions();
  const before = beforeOf(versions, host, to);
  const settings = cluster.settingsAt(to).get(host)!;
  return play(`${host}: etcd ${to}`, {
    hosts: [host],
    tasks: [
      step('Files of before are kept', async ({ connect }) => {
        // What is half switched already is nothing to go back to.
        if (before === undefined || !isOn(versions, host, before)) return { skipped: true };
        await keepFiles(await connect(), cluster, host, before);
        return {};
      }),
      step('What older versions wrote into the log is left behind', async (context) => {
        const done = await leaveOldLogBehind(cluster, context, { from: before, to });
        return done === undefined ? { skipped: true } : { changed: true, summary: done };
      }),
      task('Binaries are linked', () => binaryResources(settings)),
      task('etcd.conf is in place', () => configurationResource(settings, configurationAt(cluster, host, to))),
      task('etcd.service is in place', () => unitResources(settings, cluster.run.templateDirs)),
      step(`etcd ${to} is started`, (context) => swap(cluster, context, { to, before, readyMs: wish.readyMs })),
    ],
  });
}

/** One that does not come up gets what it ran before, at once: the cluster is whole again. */
async function swap(cluster: LiveCluster, context: HostContext, wish: Swap): Promise<{ changed: boolean }> {
  const { host, connect, run, signal } = context;
  const { to, readyMs } = wish;
  const since = await journalEnd(await connect());
  try {
    await restartEtcd(await connect());
    await waitUntilReady(await connect(), readyMs, signal, MOST_ENDS);
    await untilBack(cluster, context, readyMs);
    const runs = cluster.answers.get(host)?.status?.version;
    if (runs !== to) throw new PlayError(`etcd ${runs ?? 'of no version'} runs, where ${to} was started`);
    await proveMember(cluster.own(host), cluster.client(host), { write: true });
  } catch (error) {
    // Whoever ended the run, or lost the host, may go on from here.
    if (run.signal.aborted || error instanceof UnreachableError) throw error;
    const words = error instanceof PlayError ? error : new PlayError((error as Error).message, { cause: error });
    const log = words.message.includes('last words') ? '' : await lastWords(await connect());
    throw new PlayError(
      `etcd ${to} does not come up: ${words.message}${log}${await reasonOf(await connect(), since)}`,
      {
        details: words.details,
        cause: error,
        next: await goBack(cluster, context, wish),
      },
    );
  }
  await (await connect()).run(`rm -rf ${KEPT_VERSION}`);
  await forgetFiles(await connect());
  return { changed: true };
}
