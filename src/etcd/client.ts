import type { Etcd3, IMember } from 'etcd3';
import type { Connection } from '../connection/connection.ts';
import { openTunnel } from '../connection/tunnel.ts';
import type { Alarm, Member, MemberStatus } from './cluster.ts';

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
  /** All alarms of the cluster, as this member knows them. */
  alarms(deadlineMs?: number): Promise<Alarm[]>;
  /** Gives the new member's ID. A time-out does not mean that it was not added: read the members again. */
  addMember(peerUrl: string, role: 'learner' | 'voter'): Promise<string>;
  /** @throws where the learner is not level with the leader yet. */
  promoteMember(id: string): Promise<void>;
  removeMember(id: string): Promise<void>;
  updateMember(id: string, peerUrl: string): Promise<void>;
  /** To be asked of the leader. */
  moveLeader(targetId: string): Promise<void>;
  close(): Promise<void>;
}

/** How long a change of the members may take: it waits for the quorum, and for a leader where that is just changing. */
const CHANGE_MS = 10_000;

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
        errors: status.errors ?? [],
        // Members before 3.4 tell neither of these.
        appliedIndex: BigInt(status.raftAppliedIndex ?? 0),
        dbInUseBytes: Number(status.dbSizeInUse ?? 0),
        isLearner: status.isLearner ?? false,
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
    async alarms(deadlineMs) {
      const { alarms } = await client.maintenance.alarm({ action: 'Get' }, within(deadlineMs));
      return alarms.map(({ memberID, alarm }) => ({ memberId: hex(memberID), kind: alarm.toUpperCase() }));
    },
    async addMember(peerUrl, role) {
      const request = { peerURLs: [peerUrl], isLearner: role === 'learner' };
      return hex((await client.cluster.memberAdd(request, within(CHANGE_MS))).member.ID);
    },
    async promoteMember(id) {
      await client.cluster.memberPromote({ ID: decimal(id) }, within(CHANGE_MS));
    },
    async removeMember(id) {
      await client.cluster.memberRemove({ ID: decimal(id) }, within(CHANGE_MS));
    },
    async updateMember(id, peerUrl) {
      await client.cluster.memberUpdate({ ID: decimal(id), peerURLs: [peerUrl] }, within(CHANGE_MS));
    },
    async moveLeader(targetId) {
      await client.maintenance.moveLeader({ targetID: decimal(targetId) }, within(CHANGE_MS));
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

const decimal = (id: string): string => BigInt(`0x${id}`).toString();

/** etcd3 gives 64-bit numbers as decimal strings; people know member IDs as hexadecimal. */
function hex(decimal: string): string {
  return BigInt(decimal).toString(16);
}
