import { isIssuedBy } from '../../pki/certificate.ts';
import { CONSUMER_PREFIX } from '../../pki/consumer.ts';
import { listCertificates } from '../../pki/listing.ts';
import { type Rotation, type RotationStep, takeRotationStep } from '../../pki/rotation.ts';
import { once, type Play, play, step, task } from '../../runner/playbook.ts';
import { CLIENT_ID, peerId, pkiRequest, serverId } from '../certificates.ts';
import { certificateResources, type MemberCertificates } from '../member.ts';
import type { MemberFiles } from '../plan/reload.ts';
import type { RotateAction } from '../plan/rotate.ts';
import { startEtcd, waitUntilReady } from '../start.ts';
import type { LiveCluster } from './cluster.ts';
import { certificateRequest } from './files.ts';
import { fileTasks, performRoll, type RollWish } from './roll.ts';

const FORMING_MS = 120_000;

/** File stems of all certificates that the members of these hosts have, and the client. */
export function leafIds(cluster: LiveCluster, hosts: readonly string[]): string[] {
  const own = hosts.flatMap((host) => [serverId(cluster.own(host).name), peerId(cluster.own(host).name)]);
  return [...own, CLIENT_ID].sort();
}

/** Fingerprints of all certificates of these hosts that lie on the control machine now. */
export async function fingerprints(cluster: LiveCluster, hosts: readonly string[]): Promise<Set<string>> {
  const { dir } = certificateRequest(cluster, hosts);
  const wanted = new Set(leafIds(cluster, hosts).map((id) => `${id}.pem`));
  const listed = await listCertificates(dir, { members: [], client: CLIENT_ID });
  return new Set(
    listed.flatMap(({ file, certificate }) => (wanted.has(file) && certificate ? [certificate.fingerprint256] : [])),
  );
}

/** Consumers whose certificates the new CA has not issued, by their names. */
export async function consumersOfOldCa(certLocalDir: string, { newCa }: Rotation): Promise<string[]> {
  const listed = await listCertificates(certLocalDir, { members: [], client: CLIENT_ID });
  return listed
    .filter(({ kind, certificate }) => kind === 'consumer' && !(certificate && newCa && isIssuedBy(certificate, newCa)))
    .map(({ file }) => file.slice(CONSUMER_PREFIX.length).replace(/\.(pem|crt)$/, ''));
}

export function performRotation(
  cluster: LiveCluster,
  action: RotateAction,
  files: (host: string) => MemberFiles,
  wish: RollWish = {},
): Play {
  switch (action.do) {
    case 'authority':
      return play(nameOf(action.steps), {
        tasks: action.steps.map((one) =>
          once(NAMES[one], async () => {
            await takeStep(cluster, one);
            return { changed: true };
          }),
        ),
      });
    case 'all at once':
      return allAtOnce(cluster, action.hosts, files);
    default:
      return performRoll(cluster, action, files, wish);
  }
}

const NAMES: Record<RotationStep, string> = {
  make: 'New CA is made',
  'trust both': 'Both are trusted',
  'sign by new': 'New CA signs',
  'trust new': 'New CA alone is trusted',
  'sign by old': 'Old CA signs',
  'trust old': 'Old CA alone is trusted',
  'keep old': 'Old CA is put aside',
  'drop new': 'New CA is put aside',
};

const nameOf = (steps: readonly RotationStep[]) => NAMES[steps.at(-1)!];

/** The plays after which clients must have got what they need: those before are named here. */
export const SIGN_PLAY = NAMES['sign by new'];
export const LAST_PLAY = NAMES['trust new'];

async function takeStep(cluster: LiveCluster, one: RotationStep): Promise<void> {
  const settings = cluster.allSettings[0]!;
  const { caCommonName } = pkiRequest([{ settings, hostName: '' }]);
  const day = new Date().toISOString().slice(0, 10);
  await takeRotationStep(settings.certLocalDir, one, {
    algorithm: settings.keyAlgorithm,
    commonName: `${caCommonName.slice(0, 64 - day.length - 1)} ${day}`,
    lifetimeMs: settings.certExpiryMs,
  });
  await cluster.readCertificates();
}

/** All that can be made ready is made ready before the first one is stopped. */
function allAtOnce(cluster: LiveCluster, hosts: readonly string[], files: (host: string) => MemberFiles): Play {
  const certificates = new Map<string, MemberCertificates>();
  let stopped = 0;
  return play('All at once', {
    hosts,
    tasks: [
      once('Certificates are at hand', async () => {
        const { issued, of } = await cluster.certificates(hosts);
        await cluster.readCertificates();
        for (const host of hosts) certificates.set(host, of(host));
        return { changed: issued > 0, summary: `${issued} issued` };
      }),
      step('etcd is stopped', async ({ connect }) => {
        stopped ||= performance.now();
        await (await connect()).run('systemctl stop etcd.service', { timeoutMs: 120_000 });
        return { changed: true };
      }),
      task('Certificates are in place', ({ host }) => certificateResources(cluster.own(host), certificates.get(host))),
      ...fileTasks(cluster, files),
      step('etcd is started', async ({ connect }) => {
        await startEtcd(await connect());
        return { changed: true };
      }),
      step('etcd is ready', async ({ connect, signal }) => {
        await waitUntilReady(await connect(), FORMING_MS, signal);
        return { summary: `after ${((performance.now() - stopped) / 1000).toFixed(1)} s in all` };
      }),
    ],
  });
}
