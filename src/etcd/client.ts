import type { Connection } from '../connection/connection.ts';
import { UnreachableError } from '../errors.ts';
import type { Alarm, Member, MemberStatus } from './cluster.ts';
import { rangeOf } from './grpc/keys.ts';
import { alarmsOf, membersOf, statusOf } from './grpc/member.ts';
import { message } from './grpc/protobuf.ts';
import { type GrpcSession, NoAnswerError, noAnswer, openSession } from './grpc/session.ts';

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
  /** For good: a call that comes after it fails. */
  close(): void;
}

/** How long a change of the members may take: it waits for the quorum, and for a leader where that is just changing. */
const CHANGE_MS = 10_000;

const DEADLINE_MS = 5_000;

/**
 * A client that reaches its member at the first call, and anew where the member has ended the session since.
 * Calls throw UnreachableError where its host is lost, else plain errors with the words of the member, or why it has none:
 * what that means is for those to say who ask.
 */
export function openMember(connection: Connection, address: MemberAddress, identity: ClientIdentity): MemberClient {
  return memberClient(() => openSession(connection, address, identity));
}

/** The same over sessions that are opened in another way. */
export function memberClient(open: () => Promise<GrpcSession>): MemberClient {
  const sessions = new Sessions(open);
  const ask = (method: string, fields: Parameters<typeof message>[0], deadlineMs = DEADLINE_MS) =>
    sessions.ask(`/etcdserverpb.${method}`, message(fields), deadlineMs);
  const change = async (method: string, fields: Parameters<typeof message>[0]) =>
    void (await ask(method, fields, CHANGE_MS));
  return {
    status: async (deadlineMs) => statusOf(await ask('Maintenance/Status', {}, deadlineMs)),
    members: async (deadlineMs) => membersOf(await ask('Cluster/MemberList', { 1: true }, deadlineMs)),
    async read(key, deadlineMs) {
      const [found] = rangeOf(await ask('KV/Range', { 1: Buffer.from(key) }, deadlineMs)).keys;
      return found?.value.toString();
    },
    write: async (key, value, deadlineMs) =>
      void (await ask('KV/Put', { 1: Buffer.from(key), 2: Buffer.from(value) }, deadlineMs)),
    remove: async (key, deadlineMs) => void (await ask('KV/DeleteRange', { 1: Buffer.from(key) }, deadlineMs)),
    alarms: async (deadlineMs) => alarmsOf(await ask('Maintenance/Alarm', {}, deadlineMs)),
    async addMember(peerUrl, role) {
      const fields = { 1: Buffer.from(peerUrl), 2: role === 'learner' };
      // The answer has the new member where a list has its members.
      return membersOf(await ask('Cluster/MemberAdd', fields, CHANGE_MS))[0]!.id;
    },
    promoteMember: (id) => change('Cluster/MemberPromote', { 1: numberOf(id) }),
    removeMember: (id) => change('Cluster/MemberRemove', { 1: numberOf(id) }),
    updateMember: (id, peerUrl) => change('Cluster/MemberUpdate', { 1: numberOf(id), 2: Buffer.from(peerUrl) }),
    moveLeader: (id) => change('Maintenance/MoveLeader', { 1: numberOf(id) }),
    close: () => sessions.close(),
  };
}

const numberOf = (id: string): bigint => BigInt(`0x${id}`);

/** One session at a time, for as long as it lasts. */
class Sessions {
  readonly #open: () => Promise<GrpcSession>;
  #session: Promise<GrpcSession> | undefined;
  #isClosed = false;

  constructor(open: () => Promise<GrpcSession>) {
    this.#open = open;
  }

  async ask(method: string, request: Buffer, deadlineMs: number): Promise<Buffer> {
    const deadline = performance.now() + deadlineMs;
    let session: GrpcSession;
    try {
      session = await within(deadlineMs, this.#current());
    } catch (error) {
      if (error instanceof UnreachableError) throw error;
      throw new Error((error as Error).message, { cause: error });
    }
    try {
      return await session.ask(method, request, Math.max(1, deadline - performance.now()));
    } catch (error) {
      // Of the time that was given, the opening had its part.
      const words = error instanceof NoAnswerError ? noAnswer(deadlineMs) : (error as Error).message;
      // Also where etcd has ended the session: that tells nothing of its host.
      throw new Error(words, { cause: error });
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#session?.then((session) => session.close()).catch(() => undefined);
  }

  async #current(): Promise<GrpcSession> {
    const last = this.#session;
    const session = await last?.catch(() => undefined);
    // One that was opened now would be closed by nobody.
    if (this.#isClosed) throw new Error('the session with this member was closed');
    if (session?.isOpen) return session;
    // Who asks at the same time shares what the first one opens.
    if (this.#session === last) this.#session = this.#open();
    return this.#session!;
  }
}

function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(noAnswer(timeoutMs))), timeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
