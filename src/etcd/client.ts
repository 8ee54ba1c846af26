import type { Etcd3, IMember } from 'etcd3';
import type { Connection } from '../connection/connection.ts';
import { openTunnel } from '../connection/tunnel.ts';
import type { Member, MemberStatus } from './cluster.ts';

export interface MemberAddress {
  /** As seen from the member's own host. */
  address: string;
  port: number;
  /** A name or address that stands in the member's certificate. */
  serverName: string;
}

export interface ClientIdentity {
  caPem: string;
  certPem: string;
  keyPem: string;
}

/** The etcd API of one member, through its host's SSH connection. Each call has a deadline and is made once. */
export interface MemberClient {
  status(deadlineMs?: number): Promise<MemberStatus>;
  /** Since 3.5 answered by the quorum, before by the member alone. */
  members(deadlineMs?: number): Promise<Member[]>;
  /** Linearizable: an answer means that there is a quorum. */
  read(key: string, deadlineMs?: number): Promise<string | undefined>;
  write(key: string, value: string, deadlineMs?: number): Promise<void>;
  remove(key: string, deadlineMs?: number): Promise<void>;
  close(): Promise<void>;
}

const DEADLINE_MS = 5_000;

/** The client library takes a tenth of a second to load: call this early where there is time to wait anyway. */
export async function loadClient() {
  const [{ Etcd3 }, { noop }] = await Promise.all([import('etcd3'), import('cockatiel')]);
  return { Etcd3, noop };
}

/** @throws UnreachableError, TunnelError; calls throw etcd3's errors. */
export async function openMember(
  connection: Connection,
  { address, port, serverName }: MemberAddress,
  { caPem, certPem, keyPem }: ClientIdentity,
): Promise<MemberClient> {
  const [{ Etcd3, noop }, tunnel] = await Promise.all([loadClient(), openTunnel(connection, address, port)]);
  const client: Etcd3 = new Etcd3({
    hosts: `unix:${tunnel.socketPath}`,
    credentials: {
      rootCertificate: Buffer.from(caPem),
      privateKey: Buffer.from(keyPem),
      certChain: Buffer.from(certPem),
    },
    grpcOptions: {
      'grpc.ssl_target_name_override': serverName,
      // A member that is starting refuses for a moment: ask again soon, not after grpc's long pauses.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 500,
    },
    // A retry can repeat a change that was made: whoever calls decides.
    faultHandling: { global: noop, host: () => noop },
  });
  const within = (deadlineMs = DEADLINE_MS) => ({ deadline: Date.now() + deadlineMs });
  return {
    async status(deadlineMs) {
      const status = await client.maintenance.status(within(deadlineMs));
      return {
        memberId: hex(status.header.member_id),
        clusterId: hex(status.header.cluster_id),
        leaderId: status.leader === '0' ? undefined : hex(status.leader),
        version: status.version,
        raftTerm: BigInt(status.raftTerm),
        raftIndex: BigInt(status.raftIndex),
        dbSizeBytes: Number(status.dbSize),
        errors: (status as { errors?: string[] }).errors ?? [],
      };
    },
    async members(deadlineMs) {
      const { members } = await client.cluster.memberList({ linearizable: true }, within(deadlineMs));
      return members.map(toMember);
    },
    async read(key, deadlineMs) {
      return (await client.get(key).options(within(deadlineMs)).string()) ?? undefined;
    },
    async write(key, value, deadlineMs) {
      await client.put(key).value(value).options(within(deadlineMs)).exec();
    },
    async remove(key, deadlineMs) {
      await client.delete().key(key).options(within(deadlineMs)).exec();
    },
    async close() {
      client.close();
      await tunnel.close();
    },
  };
}

function toMember(member: IMember & { isLearner?: boolean }): Member {
  return {
    id: hex(member.ID),
    name: member.name,
    peerUrls: member.peerURLs,
    clientUrls: member.clientURLs,
    isLearner: member.isLearner ?? false,
  };
}

/** etcd3 gives 64-bit numbers as decimal strings; people know member IDs as hexadecimal. */
function hex(decimal: string): string {
  return BigInt(decimal).toString(16);
}
