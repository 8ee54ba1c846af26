import type { Connection } from '../../connection/connection.ts';
import type { ClientIdentity, MemberAddress } from '../client.ts';
import type { Alarm, Member, MemberStatus } from '../cluster.ts';
import { fieldsOf, message } from './protobuf.ts';
import { GrpcError, type GrpcSession, GrpcStatus, openSession, type StreamOptions } from './session.ts';

/** The hash of all keys and values up to a revision. Comparable where revision and compaction are the same. */
export interface KeyHash {
  hash: number;
  /** -1 where nothing was ever compacted. */
  compactRevision: bigint;
}

/** What is asked of one member, and concerns it alone. Only compactions and alarms need a quorum. */
export interface MemberApi {
  status(): Promise<MemberStatus>;
  members(): Promise<Member[]>;
  /** The member reads all its data: seconds for gigabytes. */
  keyHash(revision: bigint): Promise<KeyHash>;
  /** How many keys there were at a revision. */
  keyCount(revision: bigint): Promise<bigint>;
  /** Forgets what was overwritten before this revision. */
  compact(revision: bigint): Promise<void>;
  /**
   * The same, and it may have been done already: comes back when this member has also taken all of it off its disk.
   * The others do that by themselves: each is asked.
   */
  compactWholly(revision: bigint): Promise<void>;
  /** Whether what a revision held is forgotten: what was overwritten before the compaction. */
  isCompacted(revision: bigint): Promise<boolean>;
  /** Writes its database anew, without what is free in it. It answers nobody meanwhile, and goes on voting. */
  defragment(): Promise<void>;
  /** All alarms of the cluster, as this member knows them. */
  alarms(): Promise<Alarm[]>;
  disarm(alarm: Alarm): Promise<void>;
  /** The framed messages of a snapshot: see `SnapshotFrames`. */
  snapshot(options: StreamOptions): Promise<void>;
  close(): void;
}

const QUICK_MS = 3_000;
const HASH_MS = 300_000;
/** A slow disk may take a minute for a gigabyte. */
const DEFRAGMENT_MS = 1_800_000;
const SMALL_MS = 10_000;

export async function openMemberApi(
  connection: Connection,
  address: MemberAddress,
  identity: ClientIdentity,
): Promise<MemberApi> {
  return memberApi(await openSession(connection, address, identity));
}

export function memberApi(session: GrpcSession): MemberApi {
  const maintenance = (name: string) => `/etcdserverpb.Maintenance/${name}`;
  const kv = (name: string) => `/etcdserverpb.KV/${name}`;
  return {
    status: async () => statusOf(await session.ask(maintenance('Status'), message({}), QUICK_MS)),
    // Field `linearizable` (3.5) stays unset: the member answers from what it knows itself.
    members: async () => membersOf(await session.ask('/etcdserverpb.Cluster/MemberList', message({}), QUICK_MS)),
    keyHash: async (revision) => keyHashOf(await session.ask(maintenance('HashKV'), message({ 1: revision }), HASH_MS)),
    async keyCount(revision) {
      const all = Buffer.from([0]);
      const request = message({ 1: all, 2: all, 4: revision, 7: true, 9: true });
      const answer = numbersOf(await session.ask(kv('Range'), request, HASH_MS));
      return answer.get(4) ?? 0n;
    },
    compact: async (revision) => void (await session.ask(kv('Compact'), message({ 1: revision, 2: true }), HASH_MS)),
    async compactWholly(revision) {
      const request = message({ 1: revision, 2: true });
      // The refusal, too, comes only when what is under way has reached the disk (mvcc, compactBarrier).
      await session.ask(kv('Compact'), request, DEFRAGMENT_MS).catch(unless(GrpcStatus.outOfRange, /compacted/));
    },
    async isCompacted(revision) {
      // Of a key that nobody has, by itself: what comes back is the refusal or nothing.
      const request = message({ 1: Buffer.from([0]), 3: 1, 4: revision, 7: true, 8: true });
      try {
        await session.ask(kv('Range'), request, SMALL_MS);
        return false;
      } catch (error) {
        unless(GrpcStatus.outOfRange, /compacted/)(error);
        return true;
      }
    },
    defragment: async () => void (await session.ask(maintenance('Defragment'), message({}), DEFRAGMENT_MS)),
    alarms: async () => alarmsOf(await session.ask(maintenance('Alarm'), message({}), SMALL_MS)),
    async disarm({ memberId, kind }) {
      const request = message({ 1: 2, 2: BigInt(`0x${memberId}`), 3: ALARMS.indexOf(kind) });
      await session.ask(maintenance('Alarm'), request, SMALL_MS);
    },
    snapshot: (options) => session.stream(maintenance('Snapshot'), message({}), options),
    close: () => session.close(),
  };
}

/** Lets one kind of refusal pass. */
function unless(status: number, words: RegExp) {
  return (error: unknown): undefined => {
    if (error instanceof GrpcError && error.status === status && words.test(error.message)) return undefined;
    throw error;
  };
}

const ALARMS = ['NONE', 'NOSPACE', 'CORRUPT'];

/** AlarmResponse and AlarmMember. */
export function alarmsOf(bytes: Buffer): Alarm[] {
  const alarms = [...fieldsOf(bytes)].filter(({ number }) => number === 2);
  return alarms.map((one) => {
    const fields = numbersOf(one.bytes);
    const kind = Number(fields.get(2) ?? 0n);
    return { memberId: (fields.get(1) ?? 0n).toString(16), kind: ALARMS[kind] ?? String(kind) };
  });
}

function numbersOf(bytes: Buffer): Map<number, bigint> {
  return new Map([...fieldsOf(bytes)].map(({ number, value }) => [number, value]));
}

/** etcd's rpc.proto, StatusResponse and ResponseHeader. */
export function statusOf(bytes: Buffer): MemberStatus {
  const all = [...fieldsOf(bytes)];
  const text = (number: number) => all.find((field) => field.number === number)?.bytes.toString() ?? '';
  const value = (number: number) => all.find((field) => field.number === number)?.value ?? 0n;
  const header = numbersOf(all.find(({ number }) => number === 1)?.bytes ?? Buffer.alloc(0));
  const leader = value(4);
  return {
    clusterId: (header.get(1) ?? 0n).toString(16),
    memberId: (header.get(2) ?? 0n).toString(16),
    revision: header.get(3) ?? 0n,
    version: text(2),
    dbSizeBytes: Number(value(3)),
    dbInUseBytes: Number(value(9)),
    leaderId: leader === 0n ? undefined : leader.toString(16),
    raftIndex: value(5),
    raftTerm: value(6),
    appliedIndex: value(7),
    errors: all.filter(({ number }) => number === 8).map((field) => field.bytes.toString()),
    isLearner: value(10) === 1n,
  };
}

/** MemberListResponse and Member. */
export function membersOf(bytes: Buffer): Member[] {
  const members = [...fieldsOf(bytes)].filter(({ number }) => number === 2);
  return members.map(({ bytes: one }) => {
    const fields = [...fieldsOf(one)];
    const texts = (number: number) => fields.filter((field) => field.number === number).map((f) => f.bytes.toString());
    const value = (number: number) => fields.find((field) => field.number === number)?.value ?? 0n;
    return {
      id: value(1).toString(16),
      name: texts(2)[0] ?? '',
      peerUrls: texts(3),
      clientUrls: texts(4),
      isLearner: value(5) === 1n,
    };
  });
}

/** HashKVResponse. */
export function keyHashOf(bytes: Buffer): KeyHash {
  const fields = numbersOf(bytes);
  return { hash: Number(fields.get(2) ?? 0n), compactRevision: BigInt.asIntN(64, fields.get(3) ?? 0n) };
}
