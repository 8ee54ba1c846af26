import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { PlayError, UnreachableError } from '../../errors.ts';
import { minorText, openVersionApi, type SpokenVersions } from '../grpc/versions.ts';
import { askHttp } from '../http.ts';
import { clientAddress, peerAddress } from '../look.ts';
import type { SeenHost } from '../plan/seen.ts';
import { type HostVersions, isContentOfV2, type VersionSight } from '../plan/version-sight.ts';
import type { EtcdSettings } from '../variables.ts';
import { compareVersions, type Minor, minorOf, minors } from '../versions.ts';
import type { LiveCluster } from './cluster.ts';

/** Files of before lie here until the version that was brought has come up; gone with a restart of the host. */
export const KEPT_VERSION = '/run/etcd-play/before-version';

/** What only 3.5 can tell of the data that 3.6 is to start on: from this release on its tool has the check. */
const CHECK_SINCE = '3.5.18';

/** Looks at all hosts that are seen, and asks their members; changes nothing. */
export async function lookAtVersions(cluster: LiveCluster, { checkV2 }: { checkV2: boolean }): Promise<VersionSight> {
  const looks = await Promise.all(cluster.hosts.map(async (host) => lookAt(cluster, host, checkV2)));
  const told = looks.flatMap(({ told: one }) => one ?? []);
  const { serving } = cluster.state();
  // What nobody has said must not be taken for what is not so.
  if (told.length === 0 && serving.length > 0) {
    throw new PlayError('its members answer, but none says of which version it is and whether it serves v2', {
      next: 'See how it stands (play status_etcd), then run again.',
    });
  }
  const leader = cluster.state().leader?.host;
  const first =
    looks.find(({ host }) => host === leader)?.told ?? told.find(({ auth }) => auth !== undefined) ?? told[0];
  return {
    hosts: new Map(looks.map(({ host, versions }) => [host, versions])),
    cluster: first?.cluster,
    storage: new Map(looks.flatMap(({ host, told: one }) => (one?.storage ? [[host, one.storage] as const] : []))),
    downgrade: told.find(({ downgrade }) => downgrade !== undefined)?.downgrade,
    auth: first?.auth,
    v2: told.some(({ v2 }) => v2 === 'content') ? 'content' : first?.v2,
    v2Left: new Map(looks.flatMap(({ host, v2Left }) => (v2Left === undefined ? [] : [[host, v2Left] as const]))),
  };
}

interface Told extends Omit<SpokenVersions, 'server'> {
  cluster: Minor | undefined;
  /** Undefined without a leader: the rest each member knows by itself. */
  auth: boolean | undefined;
  v2: NonNullable<VersionSight['v2']>;
}

interface Look {
  host: string;
  versions: HostVersions;
  told: Told | undefined;
  v2Left: string | undefined;
}

async function lookAt(cluster: LiveCluster, host: string, checkV2: boolean): Promise<Look> {
  const connection = await cluster.run.connect(host);
  const seen = cluster.seen(host);
  const versions = await versionsOf(connection, seen, cluster.own(host));
  const { status, api } = cluster.answers.get(host) ?? {};
  const told =
    status === undefined
      ? undefined
      : await ask(cluster, connection, host, api !== undefined && status.leaderId !== undefined);
  const checks = checkV2 && versions.runs !== undefined && compareVersions(versions.runs, CHECK_SINCE) >= 0;
  const v2Left =
    checks && minorOf(versions.runs!) === '3.5' ? await contentOfV2(connection, cluster.own(host)) : undefined;
  return { host, versions, told, v2Left };
}

const RELEASE = /\/v(\d+\.\d+\.\d+)\/etcd/;

async function versionsOf(connection: Connection, seen: SeenHost, own: EtcdSettings): Promise<HostVersions> {
  const { facts } = seen;
  const script = [
    `for f in ${quote(own.installDir)}/v*/.archive.sha256; do [ -e "$f" ] && echo "installed $f"; done`,
    `[ -r ${KEPT_VERSION}/version ] && read -r v <${KEPT_VERSION}/version && echo "kept $v"`,
    ':',
  ];
  const { stdout, code, ...rest } = await connection.run(script.join('\n'));
  if (code !== 0)
    throw new RemoteCommandError('looking at releases', { ...rest, stdout, code }, { next: 'Run again.' });
  const lines = stdout.split('\n');
  const ofPath = (path: string | undefined) => (path === undefined ? undefined : RELEASE.exec(path)?.[1]);
  const status = seen.api?.status ?? seen.status;
  return {
    runs: status?.version ?? ofPath(facts.running?.binary),
    linked: ofPath(facts.binaryTarget),
    configured: /^# .*: etcd (\d+\.\d+\.\d+), written by etcd-play/.exec(facts.configuration ?? '')?.[1],
    kept: lines.find((line) => line.startsWith('kept '))?.slice(5),
    installed: lines.flatMap((line) => /^installed .*\/v(\d+\.\d+\.\d+)\/[^/]*$/.exec(line)?.[1] ?? []),
  };
}

/** How long a member that answers otherwise is asked again. */
const ASKING_MS = 10_000;

/** What a member says; nothing where it has fallen silent. */
async function ask(
  cluster: LiveCluster,
  connection: Connection,
  host: string,
  isLed: boolean,
): Promise<Told | undefined> {
  const deadline = performance.now() + ASKING_MS;
  for (;;) {
    try {
      return await askOnce(cluster, connection, host, isLed);
    } catch (error) {
      if (error instanceof UnreachableError && cluster.run.signal.aborted) throw error;
      if (cluster.run.signal.aborted || performance.now() > deadline) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

async function askOnce(cluster: LiveCluster, connection: Connection, host: string, isLed: boolean): Promise<Told> {
  const at = cluster.listening(host);
  const api = await openVersionApi(connection, clientAddress(at), cluster.identity);
  try {
    const [spoken, auth, version, v2, enabled] = await Promise.all([
      api.versions(),
      isLed ? api.isAuthEnabled() : undefined,
      clusterVersion(cluster, connection, host),
      v2Api(cluster, connection, host),
      isLed && isDowngrading(cluster, connection, host),
    ]);
    const { storage, downgrade = enabled ? version : undefined } = spoken;
    return { ...(storage && { storage }), ...(downgrade && { downgrade }), cluster: version, auth, v2 };
  } finally {
    api.close();
  }
}

/** What the cluster calls itself, by one of its members. */
export async function clusterVersion(
  cluster: LiveCluster,
  connection: Connection,
  host: string,
): Promise<Minor | undefined> {
  const answer = await askHttp(connection, clientAddress(cluster.listening(host)), cluster.identity, '/version');
  const said = JSON.parse(answer.body) as { etcdcluster?: string };
  const minor = minorText(said.etcdcluster ?? '');
  return minors.find((one) => one === minor);
}

async function v2Api(cluster: LiveCluster, connection: Connection, host: string): Promise<Told['v2']> {
  const at = clientAddress(cluster.listening(host));
  const { status, body } = await askHttp(connection, at, cluster.identity, '/v2/keys');
  if (status !== 200) return 'off';
  const { node } = JSON.parse(body) as { node?: { nodes?: unknown[] } };
  return (node?.nodes?.length ?? 0) > 0 ? 'content' : 'empty';
}

/** Told to peers only, from 3.5 on (etcdhttp/peer.go). */
async function isDowngrading(cluster: LiveCluster, connection: Connection, host: string): Promise<boolean> {
  const at = peerAddress(cluster.listening(host));
  const { status, body } = await askHttp(connection, at, cluster.identity, '/downgrade/enabled');
  return status === 200 && body.trim() === 'true';
}

/**
 * What etcd's own tool finds in the log and the snapshots of a member; it only reads. Empty: nothing. A log that is being
 * written may be caught in the middle of an entry: what is no finding is asked for again.
 */
async function contentOfV2(connection: Connection, { dataDir, walDir, binDir }: EtcdSettings): Promise<string> {
  const wal = walDir === undefined ? '' : ` --wal-dir=${quote(walDir)}`;
  const script = `${quote(`${binDir}/etcdutl`)} check v2store --data-dir=${quote(dataDir)}${wal} 2>&1`;
  for (let tries = 1; ; tries++) {
    const { code, stdout } = await connection.run(script, { timeoutMs: CHECK_MS });
    if (code === 0) return '';
    const said = stdout.trim().split('\n').at(-1) ?? '';
    if (isContentOfV2(said) || tries === CHECKS) return said || 'etcdutl check v2store failed';
  }
}

const CHECKS = 3;
const CHECK_MS = 300_000;
