import { get } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import type { Connection } from '../connection/connection.ts';
import type { ClientIdentity, MemberAddress } from './client.ts';
import type { Member } from './cluster.ts';

/**
 * Asks a member's *peer* address for its own list of members. It answers from the moment the process runs, also while
 * there is no quorum and the client API is still closed, so it tells how far the forming of a cluster has come
 * (etcd server/etcdserver/api/etcdhttp/peer.go, `/members`).
 */
export async function askPeerView(
  connection: Connection,
  { address, port, serverName }: MemberAddress,
  { caPem, certPem, keyPem }: ClientIdentity,
  deadlineMs = 5_000,
): Promise<Member[]> {
  const stream = await connection.openStream(address, port);
  const createConnection = (): Duplex =>
    connect({ socket: stream, servername: serverName, host: serverName, ca: caPem, cert: certPem, key: keyPem });
  const text = await new Promise<string>((resolve, reject) => {
    const request = get({ path: '/members', host: serverName, createConnection }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => (response.statusCode === 200 ? resolve(body) : reject(new Error(body.trim()))));
    });
    request.setTimeout(deadlineMs, () => request.destroy(new Error('no answer')));
    request.on('error', reject);
  }).finally(() => stream.destroy());
  return parsePeerView(text);
}

/** The IDs stand as 64-bit numbers, which JSON.parse would round: they are quoted first. */
export function parsePeerView(text: string): Member[] {
  const quoted = text.replace(/"id":\s*(\d+)/g, '"id":"$1"');
  const members = JSON.parse(quoted) as {
    id: string;
    name?: string;
    peerURLs?: string[];
    clientURLs?: string[];
    isLearner?: boolean;
  }[];
  return members.map((member) => ({
    id: BigInt(member.id).toString(16),
    name: member.name ?? '',
    peerUrls: member.peerURLs ?? [],
    clientUrls: member.clientURLs ?? [],
    isLearner: member.isLearner ?? false,
  }));
}
