import { PlayError } from '../../errors.ts';
import { type RunContext, step, type Task } from '../../runner/playbook.ts';
import { backupIdentity } from '../backup/identity.ts';
import type { ClientIdentity } from '../client.ts';
import type { MemberStatus } from '../cluster.ts';
import { type KeysApi, keysApi } from '../grpc/keys.ts';
import { type MemberApi, memberApi } from '../grpc/member.ts';
import { type GrpcSession, openSession } from '../grpc/session.ts';
import { clientAddress } from '../look.ts';
import { type EtcdSettings, readClusterSettings } from '../variables.ts';
import { noIdentityError } from './errors.ts';

/** A member that answers, by whichever way it is reached. */
export interface OpenMember {
  /** Its host, or its address. */
  host: string;
  status: MemberStatus;
  member: MemberApi;
  keys: KeysApi;
  session: GrpcSession;
}

/** How many election timeouts a leader is waited for. */
const ELECTIONS = 10;
const PAUSE_MS = 200;

/** A session asked for its status. The session is closed where it does not answer. */
export async function askSession(host: string, session: GrpcSession): Promise<OpenMember> {
  const member = memberApi(session);
  try {
    return { host, session, member, keys: keysApi(session), status: await member.status() };
  } catch (error) {
    session.close();
    throw error;
  }
}

/** A cluster by its keys alone: how its members are reached is its own business. */
export interface ClusterDoor {
  /** How people call it. */
  readonly name: string;
  /** What clients are to be told. */
  readonly endpoints: readonly string[];
  /** Asks all members, anew where they were asked before; who is silent is noted. Gives how many answer. */
  askAll(): Promise<number>;
  /** The same; where members answer and none knows of a leader, again for as long as an election may take. */
  askUntilLed(): Promise<void>;
  /** The leader, or another one that follows it. @throws PlayError where there is none. */
  best(): OpenMember;
}

/** Members that answered, and why the others did not. */
export class Answers {
  readonly #open = new Map<string, OpenMember>();
  readonly #silence = new Map<string, string>();

  note(host: string, open: OpenMember): void {
    this.#open.get(host)?.session.close();
    this.#open.set(host, open);
    this.#silence.delete(host);
  }

  noteSilence(host: string, why: string): void {
    this.#open.get(host)?.session.close();
    this.#open.delete(host);
    this.#silence.set(host, why);
  }

  get size(): number {
    return this.#open.size;
  }

  /** Some answer, and none of them knows of a leader: there may be one in a moment. */
  get isLeaderless(): boolean {
    return this.size > 0 && [...this.#open.values()].every(({ status }) => status.leaderId === undefined);
  }

  /** Asks, and asks again for as long as an election may take. */
  async untilLed(ask: () => Promise<unknown>, electionTimeoutMs = 1_000): Promise<void> {
    const deadline = performance.now() + ELECTIONS * electionTimeoutMs;
    await ask();
    while (this.isLeaderless && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      await ask();
    }
  }

  /** @throws PlayError */
  best(hosts: readonly string[]): OpenMember {
    const open = hosts.flatMap((host) => this.#open.get(host) ?? []);
    const clusters = new Set(open.map(({ status }) => status.clusterId));
    if (clusters.size > 1) {
      const said = open.map(({ host, status }) => `${host}: ${status.clusterId}`).join(', ');
      throw new PlayError(`these are not of one cluster (${said})`, { next: 'Name the members of one cluster.' });
    }
    const leads = open.find(({ status }) => status.leaderId === status.memberId);
    const best = leads ?? open.find(({ status }) => status.leaderId !== undefined && !status.isLearner);
    if (best) return best;
    const said = [...this.#silence].map(([host, why]) => `${host}: ${why}`).join('; ');
    throw new PlayError(`no member answers that knows of a leader${said ? ` (${said})` : ''}`, {
      next: 'See how the cluster stands: play status_etcd.',
    });
  }

  close(): void {
    for (const { session } of this.#open.values()) session.close();
  }
}

/** What is needed of a run, or of an inventory beside it. */
export type ClusterPlace = Pick<RunContext, 'varsOf' | 'inventoryDir' | 'say' | 'onEnd' | 'connect'>;

/**
 * One session with each member of a cluster that can be reached: for what concerns its keys alone. Hosts are not looked at
 * otherwise, and those that are silent are no reason to end, as long as one member knows of a leader.
 */
export class MemberSessions implements ClusterDoor {
  readonly hosts: readonly string[];
  readonly settings: ReadonlyMap<string, EtcdSettings>;
  readonly #place: ClusterPlace;
  readonly #identity: ClientIdentity;
  readonly #answers = new Answers();

  /** @throws InputError, PlayError without certificates: before anything is touched. */
  constructor(place: ClusterPlace, hosts: readonly string[]) {
    this.#place = place;
    this.hosts = hosts;
    this.settings = readClusterSettings(
      hosts.map((host) => ({ host, vars: place.varsOf(host).values() })),
      place.inventoryDir,
      ({ message, file, line }) => place.say(file ? `${file}:${line}: ${message}` : message, 'warning'),
    );
    const { certLocalDir } = this.first;
    const identity = backupIdentity(certLocalDir);
    if (!identity) throw noIdentityError(certLocalDir);
    this.#identity = identity;
    place.onEnd(() => this.#answers.close());
  }

  /** The settings that are the same for all. */
  get first(): EtcdSettings {
    return [...this.settings.values()][0]!;
  }

  get name(): string {
    return this.first.clusterToken;
  }

  get endpoints(): string[] {
    return [...this.settings.values()].map(({ advertiseClientUrls }) => advertiseClientUrls[0]!);
  }

  ask(): Task {
    return step(
      'Member is asked',
      async ({ host }) => {
        let open: OpenMember | undefined;
        const ask = async () => {
          open = await this.#ask(host);
        };
        await this.#answers.untilLed(ask, this.first.electionTimeoutMs);
        return { summary: open ? `etcd ${open.status.version}` : 'no answer' };
      },
      { check: 'run' },
    );
  }

  askUntilLed(): Promise<void> {
    return this.#answers.untilLed(() => this.askAll(), this.first.electionTimeoutMs);
  }

  async askAll(): Promise<number> {
    await Promise.all(this.hosts.map((host) => this.#ask(host)));
    return this.#answers.size;
  }

  best(): OpenMember {
    return this.#answers.best(this.hosts);
  }

  async #ask(host: string): Promise<OpenMember | undefined> {
    try {
      const connection = await this.#place.connect(host);
      const session = await openSession(connection, clientAddress(this.settings.get(host)!), this.#identity);
      const open = await askSession(host, session);
      this.#answers.note(host, open);
      return open;
    } catch (error) {
      this.#answers.noteSilence(host, (error as Error).message);
      return undefined;
    }
  }
}
