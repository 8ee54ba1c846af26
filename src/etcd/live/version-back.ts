import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { PlayError } from '../../errors.ts';
import type { Resource } from '../../resource/resource.ts';
import { applyAll, probeAll } from '../../runner/batch.ts';
import type { HostContext } from '../../runner/playbook.ts';
import { configurationFile, releaseDirectory, renderConfiguration } from '../configuration.ts';
import { noteEnd, sinceNoted } from '../journal.ts';
import { binaryResources, configurationResource, unitResources } from '../member.ts';
import { clusterPairs } from '../plan/sight.ts';
import type { VersionSight } from '../plan/version-sight.ts';
import { waitUntilReady } from '../start.ts';
import { compareVersions, minorOf } from '../versions.ts';
import type { LiveCluster } from './cluster.ts';
import { restartEtcd } from './restart.ts';
import { untilBack } from './roll.ts';
import { clusterVersion, KEPT_VERSION } from './versions.ts';

/** A release that is put in the place of another. */
export interface Swap {
  to: string;
  before: string | undefined;
  readyMs: number;
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

/** What a host ran before this version: to go back to. */
export function beforeOf({ hosts }: VersionSight, host: string, to: string): string | undefined {
  const own = hosts.get(host);
  if (own?.runs !== undefined && own.runs !== to) return own.runs;
  if (own?.kept !== undefined && own.kept !== to) return own.kept;
  const others = [...hosts.values()].flatMap(({ runs }) => (runs !== undefined && runs !== to ? [runs] : []));
  return others.sort(compareVersions)[0];
}

/** Keeps the files with which the old release runs, for the case that the new one does not come up. */
export async function keepFiles(
  connection: Connection,
  cluster: LiveCluster,
  host: string,
  version: string,
): Promise<void> {
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

/** What its log says last, for an error that does not tell yet. */
export async function lastWords(connection: Connection): Promise<string> {
  const { stdout } = await connection.run('journalctl -u etcd.service -n 8 --no-pager -o cat 2>/dev/null; :');
  const lines = stdout.trim().split('\n');
  return `; its last words:${lines.map((line) => `\n    ${line}`).join('')}`;
}

/** Where the journal of etcd ends now. */
export async function journalEnd(connection: Connection): Promise<string> {
  const { stdout } = await connection.run(`${noteEnd('etcd.service')}; echo "$j"`);
  return stdout.trim();
}

/** Where etcd has panicked since, its reason stands far above its last lines. */
export async function reasonOf(connection: Connection, since: string): Promise<string> {
  const pick = `grep -E '^panic:|"level":"(panic|fatal)"' | tail -n 2 | cut -c1-600`;
  const { stdout } = await connection.run(`j=${quote(since)}; ${sinceNoted('etcd.service')} | ${pick}`);
  const lines = stdout.trim() === '' ? [] : stdout.trim().split('\n');
  return lines.length === 0 ? '' : `\n  It ended with:${lines.map((line) => `\n    ${line}`).join('')}`;
}

/** Puts back what ran before, and says how that went: the words that end the error. */
export async function goBack(
  cluster: LiveCluster,
  context: HostContext,
  { to, before, readyMs }: Swap,
): Promise<string> {
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
