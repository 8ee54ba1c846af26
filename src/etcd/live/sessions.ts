import { PlayError } from '../../errors.ts';
import { type RunContext, step, type Task } from '../../runner/playbook.ts';
import { backupIdentity } from '../backup/identity.ts';
import type { ClientIdentity } from '../client.ts';
import { type KeysApi, keysApi } from '../grpc/keys.ts';
import { type LocalStatus, type MemberApi, memberApi } from '../grpc/member.ts';
import { type GrpcSession, openSession } from '../grpc/session.ts';
import { clientAddress } from '../look.ts';
import { type EtcdSettings, readClusterSettings } from '../variables.ts';
import { noIdentityError } from './errors.ts';

/** A member that answers, by whichever way it is reached. */
export interface OpenMember {
  /** Its host, or its address. */
  host: string;
  status: LocalStatus;
  member: MemberApi;
  keys: KeysApi;
  session: GrpcSession;
}

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

/**
 * One session with each member of a cluster that can be reached: for what concerns its keys alone. Hosts are not looked at
 * otherwise, and those that are silent are no reason to end, as long as one member knows of a leader.
 */
export class MemberSessions {
  readonly run: RunContext;
  readonly hosts: readonly string[];
  readonly settings: ReadonlyMap<string, EtcdSettings>;
  readonly #identity: ClientIdentity;
  readonly #open = new Map<string, OpenMember>();
  readonly #silence = new Map<string, string>();

  /** @throws InputError, PlayError without certificates: before anything is touched. */
  constructor(run: RunContext, hosts: readonly string[]) {
    this.run = run;
    this.hosts = hosts;
    this.settings = readClusterSettings(
      hosts.map((host) => ({ host, vars: run.varsOf(host).values() })),
      run.inventoryDir,
      ({ message, file, line }) => run.say(file ? `${file}:${line}: ${message}` : message, 'warning'),
    );
    const { certLocalDir } = this.first;
    const identity = backupIdentity(certLocalDir);
    if (!identity) throw noIdentityError(certLocalDir);
    this.#identity = identity;
    run.onEnd(() => {
      for (const { session } of this.#open.values()) session.close();
    });
  }

  /** The settings that are the same for all. */
  get first(): EtcdSettings {
    return [...this.settings.values()][0]!;
  }

  ask(): Task {
    return step(
      'Member is asked',
      async ({ host, connect }) => {
        try {
          const address = clientAddress(this.settings.get(host)!);
          const open = await askSession(host, await openSession(await connect(), address, this.#identity));
          this.#open.set(host, open);
          return { summary: `etcd ${open.status.version}` };
        } catch (error) {
          this.#silence.set(host, (error as Error).message);
          return { summary: 'no answer' };
        }
      },
      { check: 'run' },
    );
  }

  /** The leader, or another one that follows it. @throws PlayError where there is none. */
  best(): OpenMember {
    const open = this.hosts.flatMap((host) => this.#open.get(host) ?? []);
    const clusters = new Set(open.map(({ status }) => status.clusterId));
    if (clusters.size > 1) {
      const said = open.map(({ host, status }) => `${host}: ${status.clusterId}`).join(', ');
      throw new PlayError(`these hosts are not of one cluster (${said})`, {
        next: 'Name the members of one: -l HOST.',
      });
    }
    const leads = open.find(({ status }) => status.leaderId === status.memberId);
    const best = leads ?? open.find(({ status }) => status.leaderId !== undefined && !status.isLearner);
    if (best) return best;
    const said = [...this.#silence].map(([host, why]) => `${host}: ${why}`).join('; ');
    throw new PlayError(`no member answers that knows of a leader${said ? ` (${said})` : ''}`, {
      next: 'See how the cluster stands: play status_etcd.',
    });
  }
}
