import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { ensurePki, planPki } from '../../pki/store.ts';
import type { Resource } from '../../resource/resource.ts';
import { probeAll } from '../../runner/batch.ts';
import { CLIENT_ID, peerId, pkiRequest, serverId } from '../certificates.ts';
import {
  certificateResources,
  configurationResource,
  type MemberCertificates,
  surroundingsResources,
  unitResources,
} from '../member.ts';
import type { MemberPair } from '../plan/action.ts';
import type { MemberFiles } from '../plan/reload.ts';
import { configurationOf } from '../plan/seen.ts';
import { clusterPairs } from '../plan/sight.ts';
import type { EtcdSettings } from '../variables.ts';
import type { LiveCluster } from './cluster.ts';

/** Beside what is wanted: fingerprints of certificates that are to be replaced although they are good. */
export interface FilesWish {
  retired?: ReadonlySet<string>;
}

/** The certificates of these hosts as a wish to the store. */
export function certificateRequest(cluster: LiveCluster, hosts: readonly string[], { retired }: FilesWish = {}) {
  const members = hosts.map((host) => ({ settings: cluster.own(host), hostName: cluster.seen(host).facts.hostName }));
  return { ...pkiRequest(members), ...(retired && { retired }), mayHaveEnded: true };
}

/** What lies on the control machine for a host; undefined where something is to be issued first. Reads only. */
export async function certificatesAtHand(
  cluster: LiveCluster,
  host: string,
  wish: FilesWish = {},
): Promise<{ due: string[]; certificates: MemberCertificates | undefined }> {
  const request = certificateRequest(cluster, [host], wish);
  const { leaves } = await planPki(request);
  const due = leaves.filter(({ action }) => action !== 'keep').map(({ id }) => id);
  if (due.length > 0) return { due, certificates: undefined };
  const { caPem, pairs } = await ensurePki(request);
  return { due, certificates: memberCertificates(cluster.own(host), caPem, pairs) };
}

export function memberCertificates(
  { name }: EtcdSettings,
  caPem: string,
  pairs: Awaited<ReturnType<typeof ensurePki>>['pairs'],
): MemberCertificates {
  const pair = (id: string) => pairs.get(id)!;
  return { caPem, server: pair(serverId(name)), peer: pair(peerId(name)), client: pair(CLIENT_ID) };
}

/** Compares what lies on a host with what is wanted there, in one round trip. Changes nothing. */
export async function lookAtFiles(cluster: LiveCluster, host: string, wish: FilesWish = {}): Promise<MemberFiles> {
  const own = cluster.own(host);
  const connection = await cluster.run.connect(host);
  const configuration = cluster.configuration(host, pairsFor(cluster, host));
  const { due, certificates } = await certificatesAtHand(cluster, host, wish);
  const groups = {
    certificates: certificates ? certificateResources(own, certificates) : [],
    configuration: [configurationResource(own, configuration)],
    unit: [...unitResources(own, cluster.run.templateDirs), ...surroundingsResources(own, cluster.allSettings)],
  };
  const all = Object.values(groups).flat();
  const [found, process] = await Promise.all([probeAll(connection, all), lookAtProcess(connection, own)]);
  const differs = new Set(all.filter((resource, at) => resource.compare(found[at]!) !== undefined));
  const changed = (resources: readonly Resource[]) => resources.filter((one) => differs.has(one));
  return {
    configuration,
    configurationDiffers: changed(groups.configuration).length > 0,
    unitDiffers: changed(groups.unit).some(({ kind }) => kind === 'unit'),
    otherDiffers: changed(groups.unit).some(({ kind }) => kind !== 'unit'),
    certificates: changed(groups.certificates).map(({ id }) => id),
    due,
    ...process,
  };
}

/** The members as the cluster lists them, or, where nobody can be asked, as the file on the host does. */
function pairsFor(cluster: LiveCluster, host: string): readonly MemberPair[] {
  const state = cluster.state();
  if (state.members.length > 0) return clusterPairs(state);
  const listed = configurationOf(cluster.seen(host))?.get('ETCD_INITIAL_CLUSTER') ?? '';
  return listed.split(',').map((pair) => {
    const at = pair.indexOf('=');
    return { name: pair.slice(0, at), peerUrl: pair.slice(at + 1) };
  });
}

/** What only the host can tell of its process: whether its unit is newer than itself, and what others add to it. */
async function lookAtProcess(
  connection: Connection,
  { dataDir }: EtcdSettings,
): Promise<Pick<MemberFiles, 'unitIsNewer' | 'foreign' | 'owner'>> {
  const started = 'systemctl show etcd.service -p ExecMainStartTimestamp --value';
  const script = [
    // From 248 on systemd tells it to the microsecond; where it does not, what was written in the same second is not seen.
    `t=$(${started} --timestamp=us 2>/dev/null || ${started}); u=$(systemctl show etcd.service -p FragmentPath --value)`,
    'n=+%s; case $t in *.*) n=+%s%N ;; esac',
    '[ -n "$t" ] && [ -n "$u" ] && [ "$(date -r "$u" $n)" -gt "$(date -d "$t" $n)" ] && echo newer',
    'echo "environment $(systemctl show etcd.service -p Environment --value)"',
    `echo "owner $(stat -c %U -- ${quote(`${dataDir}/member`)} 2>/dev/null)"`,
  ];
  const result = await connection.run(script.join('\n'));
  if (result.code !== 0) throw new RemoteCommandError('looking at etcd.service', result, { next: 'Run again.' });
  const lines = result.stdout.split('\n');
  const after = (word: string) => lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1) ?? '';
  const owner = after('owner');
  return {
    unitIsNewer: lines.includes('newer'),
    foreign: [...after('environment').matchAll(/(?:^|\s)"?([A-Z][A-Z0-9_]*)=/g)].map((match) => match[1]!),
    ...{ owner: owner === '' ? undefined : owner },
  };
}
