import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { PlayError, UnreachableError } from '../../errors.ts';
import type { Resource } from '../../resource/resource.ts';
import { applyAll, probeAll } from '../../runner/batch.ts';
import { type HostContext, once, type Play, play, step, task } from '../../runner/playbook.ts';
import { configurationFile, releaseDirectory, renderConfiguration } from '../configuration.ts';
import { openVersionApi } from '../grpc/versions.ts';
import { clientAddress } from '../look.ts';
import { binaryResources, configurationResource, releaseResources, unitResources } from '../member.ts';
import { clusterPairs } from '../plan/sight.ts';
import { isOn, type VersionSight } from '../plan/version-sight.ts';
import type { VersionAction } from '../plan/version-steps.ts';
import { proveMember } from '../proof.ts';
import { obtainRelease, type Release } from '../releases.ts';
import { waitUntilReady } from '../start.ts';
import { compareVersions, minorOf } from '../versions.ts';
import { certain } from './certain.ts';
import type { LiveCluster } from './cluster.ts';
import { restartEtcd } from './restart.ts';
import { performRoll, untilBack } from './roll.ts';
import { settle } from './settle.ts';
import { clusterVersion, KEPT_VERSION } from './versions.ts';

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
const MOST_RESTARTS = 1;

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
      return downgradePlay(cluster, action, wish);
    case 'move leader':
      return performRoll(cluster, action, () => {
        throw new Error('no files are changed by that');
      });
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

/** The etcd.conf of a host as a version knows it, in a cluster that has formed. */
export function configurationAt(cluster: LiveCluster, host: string, version: string): string {
  const settings = cluster.settingsAt(version).get(host)!;
  const state = cluster.state();
  const { facts } = cluster.seen(host);
  const listed = /^ETCD_INITIAL_CLUSTER="?([^"\n]*)"?$/m.exec(facts.configuration ?? '')?.[1] ?? '';
  const pairs =
    state.members.length > 0
      ? clusterPairs(state)
      : listed.split(',').map((pair) => ({ name: pair.split('=')[0]!, peerUrl: pair.slice(pair.indexOf('=') + 1) }));
  return renderConfiguration({
    settings,
    initialCluster: pairs,
    state: 'existing',
    arch: cluster.archOf(host),
    trustedCa: cluster.ca,
    templateDirs: cluster.run.templateDirs,
  });
}

function placesAt(cluster: LiveCluster, host: string, version: string): Resource[] {
  const settings = cluster.settingsAt(version).get(host)!;
  return [
    ...binaryResources(settings),
    configurationResource(settings, configurationAt(cluster, host, version)),
    ...unitResources(settings, cluster.run.templateDirs),
  ];
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
        await keep(await connect(), cluster, host, before);
        return {};
      }),
      task('Binaries are linked', () => binaryResources(settings)),
      task('etcd.conf is in place', () => configurationResource(settings, configurationAt(cluster, host, to))),
      task('etcd.service is in place', () => unitResources(settings, cluster.run.templateDirs)),
      step(`etcd ${to} is started`, (context) => swap(cluster, context, { to, before, readyMs: wish.readyMs })),
    ],
  });
}

/** What a host ran before this version: to go back to. */
function beforeOf({ hosts }: VersionSight, host: string, to: string): string | undefined {
  const own = hosts.get(host);
  if (own?.runs !== undefined && own.runs !== to) return own.runs;
  if (own?.kept !== undefined && own.kept !== to) return own.kept;
  const others = [...hosts.values()].flatMap(({ runs }) => (runs !== undefined && runs !== to ? [runs] : []));
  return others.sort(compareVersions)[0];
}

async function keep(connection: Connection, cluster: LiveCluster, host: string, version: string): Promise<void> {
  const conf = quote(configurationFile(cluster.own(host)));
  const script = [
    `rm -rf ${KEPT_VERSION}.new && mkdir -p -m 0700 ${KEPT_VERSION}.new`,
    `cp -p -- ${conf} ${KEPT_VERSION}.new/etcd.conf && cp -p -- ${UNIT} ${KEPT_VERSION}.new/etcd.service`,
    `echo ${version} >${KEPT_VERSION}.new/version`,
    `rm -rf ${KEPT_VERSION} && mv -T ${KEPT_VERSION}.new ${KEPT_VERSION}`,
  ];
  const result = await connection.run(script.join(' && '));
  if (result.code !== 0) throw new RemoteCommandError('keeping etcd.conf', result, { next: 'Run again.' });
}

const UNIT = '/etc/systemd/system/etcd.service';

interface Swap {
  to: string;
  before: string | undefined;
  readyMs: number;
}

/** One that does not come up gets what it ran before, at once: the cluster is whole again. */
async function swap(cluster: LiveCluster, context: HostContext, wish: Swap): Promise<{ changed: boolean }> {
  const { host, connect, run, signal } = context;
  const { to, readyMs } = wish;
  try {
    await restartEtcd(await connect());
    await waitUntilReady(await connect(), readyMs, signal, MOST_RESTARTS);
    await untilBack(cluster, context, readyMs);
    const runs = cluster.answers.get(host)?.status?.version;
    if (runs !== to) throw new PlayError(`etcd ${runs ?? 'of no version'} runs, where ${to} was started`);
    await proveMember(cluster.own(host), cluster.client(host), { write: true });
  } catch (error) {
    // Whoever ended the run, or lost the host, may go on from here.
    if (run.signal.aborted || error instanceof UnreachableError) throw error;
    const words = error instanceof PlayError ? error : new PlayError((error as Error).message, { cause: error });
    const log = words.message.includes('last words') ? '' : await lastWords(await connect());
    throw new PlayError(`etcd ${to} does not come up: ${words.message}${log}`, {
      details: words.details,
      cause: error,
      next: await goBack(cluster, context, wish),
    });
  }
  await (await connect()).run(`rm -rf ${KEPT_VERSION}`);
  return { changed: true };
}

async function lastWords(connection: Connection): Promise<string> {
  const { stdout } = await connection.run('journalctl -u etcd.service -n 8 --no-pager -o cat 2>/dev/null; :');
  const lines = stdout.trim().split('\n');
  return `; its last words:${lines.map((line) => `\n    ${line}`).join('')}`;
}

/** Puts back what ran before, and says how that went: the words that end the error. */
async function goBack(cluster: LiveCluster, context: HostContext, { to, before, readyMs }: Swap): Promise<string> {
  const { host, connect, signal } = context;
  const others = 'The other members were left alone.';
  if (before === undefined) {
    return `${others} What it ran before is not known. See there: journalctl -u etcd.service. Then run again.`;
  }
  const calls = await nameNow(cluster, host);
  if (calls !== undefined && compareVersions(`${calls}.0`, `${minorOf(before)}.0`) > 0) {
    return `${others} The cluster calls itself ${calls} by now, and etcd ${before} would not start in it. Put right what its log says, then run again.`;
  }
  try {
    await putBack(await connect(), cluster, host, before);
    await restartEtcd(await connect());
    await waitUntilReady(await connect(), readyMs, signal);
    await untilBack(cluster, context, readyMs);
    await (await connect()).run(`rm -rf ${KEPT_VERSION}`);
    return `${others} etcd ${before} was put back on ${host}, and serves. Put right what the log says, then run again; or go back: -e back=true.`;
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    return `${others} etcd ${before} was put back on ${host}, and does not serve either (${why}). See there: journalctl -u etcd.service. Then run again: it goes on with ${to}, or back with -e back=true.`;
  }
}

/** What the cluster calls itself, by a member on another host. */
async function nameNow(cluster: LiveCluster, except: string): Promise<string | undefined> {
  await cluster.lookAgain();
  const other = cluster.state().serving.find(({ host }) => host !== undefined && host !== except)?.host;
  if (other === undefined) return undefined;
  return clusterVersion(cluster, await cluster.run.connect(other), other).catch(() => undefined);
}

/** The files that were kept, where they are of that version; else such as the inventory would have them. */
async function putBack(connection: Connection, cluster: LiveCluster, host: string, before: string): Promise<void> {
  const { stdout } = await connection.run(`cat ${KEPT_VERSION}/version 2>/dev/null; :`);
  const isKept = stdout.trim() === before;
  const own = { ...cluster.own(host), version: before };
  const resources = isKept ? binaryResources(own) : placesAt(cluster, host, before);
  const found = await probeAll(connection, resources);
  const changes = resources.flatMap((resource, at) => resource.compare(found[at]!) ?? []);
  await applyAll(connection, changes, (_, { code, output }) => {
    if (code !== 0) throw new PlayError(`etcd ${before} could not be put back: ${output.trim()}`);
  });
  const conf = quote(configurationFile(own));
  const files = [
    `put() { cp -p -- "$1" "$2.play-new" && mv -T -- "$2.play-new" "$2"; }`,
    `put ${KEPT_VERSION}/etcd.conf ${conf} && put ${KEPT_VERSION}/etcd.service ${UNIT} || exit 1`,
  ];
  const check = `[ -x ${quote(posix.join(releaseDirectory(own), 'etcd'))} ] && systemctl daemon-reload`;
  const result = await connection.run([...(isKept ? files : []), check].join('\n'));
  if (result.code !== 0) throw new RemoteCommandError(`putting etcd ${before} back`, result, { next: 'Run again.' });
}

function downgradePlay(
  cluster: LiveCluster,
  action: Extract<VersionAction, { do: 'enable downgrade' | 'cancel downgrade' }>,
  wish: VersionWish,
): Play {
  const isEnabled = async (host: string) => {
    const api = await openVersionApi(
      await cluster.run.connect(host),
      clientAddress(cluster.listening(host)),
      cluster.identity,
    );
    try {
      return (await api.versions()).downgrade !== undefined;
    } finally {
      api.close();
    }
  };
  const order = async (name: 'enable' | 'cancel', version?: string) => {
    // A member of 3.5 does not take the order.
    const { leader, serving } = cluster.state();
    const takes = ({ host, status }: (typeof serving)[number]) =>
      host !== undefined && compareVersions(status!.version, '3.6.0') >= 0;
    const host = [...(leader ? [leader] : []), ...serving].find(takes)?.host;
    if (host === undefined) throw new PlayError('no member of 3.6 or newer serves, which could take the order');
    const api = await openVersionApi(
      await cluster.run.connect(host),
      clientAddress(cluster.listening(host)),
      cluster.identity,
    );
    try {
      if (name === 'enable' && !(await isEnabled(host))) await api.downgrade('validate', version);
      if ((await isEnabled(host)) === (name === 'enable')) return;
      await certain(
        () => api.downgrade(name, version),
        async () => (await isEnabled(host)) === (name === 'enable'),
      );
    } finally {
      api.close();
    }
  };
  if (action.do === 'cancel downgrade') {
    return play('Cancel', {
      tasks: [
        once('The downgrade is cancelled', async () => {
          await order('cancel');
          return { changed: true };
        }),
      ],
    });
  }
  const { to } = action;
  return play(`Downgrade to ${to} is enabled`, {
    tasks: [
      once(`etcd takes a downgrade to ${to}`, async () => {
        await order('enable', `${to}.0`);
        return { changed: true };
      }),
      once(`Data of all members are in the shape of ${to}`, async () => ({
        summary: await settle(cluster, `${to}.0`, { shapeOnly: true, timeoutMs: wish.readyMs }),
      })),
    ],
  });
}
