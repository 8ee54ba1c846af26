import type { Connection } from '../connection/connection.ts';
import type { ClientIdentity, MemberAddress } from './client.ts';
import type { Member } from './cluster.ts';
import { askHttp } from './http.ts';

/**
 * Asks a member's *peer* address for its own list of members. It answers from the moment the process runs, also while
 * there is no quorum and the client API is still closed, so it tells how far the forming of a cluster has come
 * (etcd server/etcdserver/api/etcdhttp/peer.go, `/members`).
 */
export async function askPeerView(
  connection: Connection,
  address: MemberAddress,
  identity: ClientIdentity,
  deadlineMs = 5_000,
): Promise<Member[]> {
  const { status, body } = await askHttp(connection, address, identity, '/members', deadlineMs);
  if (status !== 200) throw new Error(body.trim());
  return parsePeerView(body);
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
