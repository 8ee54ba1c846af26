import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { inspectAuthority } from '../pki/authority.ts';
import type { CertificateWish, PkiRequest } from '../pki/store.ts';
import type { ClientIdentity } from './client.ts';
import type { EtcdSettings } from './variables.ts';

/** The file stem of the client certificate that etcd-play itself and `etcdctl` on the hosts use. */
export const CLIENT_ID = 'client';

export const serverId = (member: string) => `${member}-server`;
export const peerId = (member: string) => `${member}-peer`;

/**
 * The certificates of a cluster: a server and a peer certificate for each member, one client certificate. Both kinds of
 * member certificate may be used on either side of a connection: peers dial each other, and the server's own gateway is
 * a client of it (etcd-io/website op-guide/security). The client's CN is its RBAC user.
 */
export function pkiRequest(members: readonly { settings: EtcdSettings; hostName: string }[]): PkiRequest {
  const { certLocalDir, keyAlgorithm, certExpiryMs, clusterToken } = members[0]!.settings;
  const wishes = members.flatMap(({ settings, hostName }): CertificateWish[] => {
    const sans = subjectAltNames([...settings.certificateNames, hostName]);
    return [
      { id: serverId(settings.name), commonName: settings.name, usage: ['server', 'client'], sans },
      { id: peerId(settings.name), commonName: settings.name, usage: ['server', 'client'], sans },
    ];
  });
  wishes.push({ id: CLIENT_ID, commonName: 'root', usage: ['client'], sans: { dns: [], ip: [] } });
  return {
    dir: certLocalDir,
    keyAlgorithm,
    lifetimeMs: certExpiryMs,
    caCommonName: `${clusterToken} CA`,
    wishes,
  };
}

/** Names sorted into DNS names and addresses, each once, with those by which a member is always called. */
export function subjectAltNames(names: readonly string[]): { dns: string[]; ip: string[] } {
  const all = [...new Set([...names.filter((name) => name !== ''), 'localhost', '127.0.0.1', '::1'])];
  return { dns: all.filter((name) => !isIP(name)), ip: all.filter((name) => isIP(name)) };
}

/** The client certificate that lies on the control machine; undefined before it was made. */
export function clientIdentity(certLocalDir: string, caPem: string | undefined): ClientIdentity | undefined {
  const cert = join(certLocalDir, `${CLIENT_ID}.pem`);
  const key = join(certLocalDir, `${CLIENT_ID}-key.pem`);
  if (caPem === undefined || !existsSync(cert) || !existsSync(key)) return undefined;
  return { caPem, certPem: readFileSync(cert, 'utf8'), keyPem: readFileSync(key, 'utf8') };
}

/**
 * The CA certificate that lies on the control machine; undefined before one was made.
 * @throws InputError when it is there but of no use: expired (where that is not to be put right), without its key, unreadable.
 */
export async function localCa(certLocalDir: string, { mayHaveEnded = false } = {}): Promise<string | undefined> {
  const authority = await inspectAuthority(certLocalDir, new Date(), { mayHaveEnded });
  return authority.state === 'ready' ? authority.pem : undefined;
}
