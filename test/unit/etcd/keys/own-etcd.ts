import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type KeysApi, type KeyValue, keysApi } from '../../../../src/etcd/grpc/keys.ts';
import { type MemberApi, memberApi } from '../../../../src/etcd/grpc/member.ts';
import { message } from '../../../../src/etcd/grpc/protobuf.ts';
import { type GrpcSession, sessionOver } from '../../../../src/etcd/grpc/session.ts';
import { walkKeys } from '../../../../src/etcd/keys/walk.ts';
import { toolsOf } from '../backup/real-etcd.ts';

/** A real etcd with one member that listens on sockets in a folder of its own, on no port. */
export class OwnEtcd {
  readonly session: GrpcSession;
  readonly keys: KeysApi;
  readonly member: MemberApi;
  /** Calls that were made by `keys`. */
  calls = 0;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, folder: string, session: GrpcSession) {
    this.#child = child;
    this.#folder = folder;
    this.session = session;
    const counted: GrpcSession = {
      ...session,
      ask: (...words) => {
        this.calls += 1;
        return session.ask(...words);
      },
    };
    this.keys = keysApi(counted);
    this.member = memberApi(session);
  }

  static async start(version = '3.5.16', more: Record<string, string> = {}): Promise<OwnEtcd> {
    const { etcd } = await toolsOf(version);
    const folder = mkdtempSync(join(tmpdir(), 'etcd-'));
    mkdirSync(join(folder, 'data'), { mode: 0o700 });
    const flags = {
      'data-dir': 'data',
      'listen-client-urls': 'unix://client:1',
      'advertise-client-urls': 'http://localhost:2379',
      'listen-peer-urls': 'unix://peer:1',
      ...(version.startsWith('3.3.') ? {} : { logger: 'zap', 'log-level': 'error' }),
      ...more,
    };
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    // 3.3 has many words there, whatever it is told.
    const words = version.startsWith('3.3.') ? 'ignore' : 'inherit';
    const child = spawn(etcd, args, { cwd: folder, stdio: ['ignore', 'ignore', words] });
    for (;;) {
      const socket = await opened(join(folder, 'client:1'));
      const session = socket && sessionOver(socket, 'own');
      const status =
        session &&
        memberApi(session)
          .status()
          .catch(() => undefined);
      if (session && (await status)?.leaderId) return new OwnEtcd(child, folder, session);
      session?.close();
      if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}`);
      await sleep(100);
    }
  }

  /** Another session with it. */
  async connect(): Promise<GrpcSession> {
    const socket = await opened(join(this.#folder, 'client:1'));
    if (!socket) throw new Error('etcd takes no connection');
    return sessionOver(socket, 'own');
  }

  async put(key: Buffer | string, value: Buffer | string, lease = 0n): Promise<void> {
    await this.keys.change([{ put: Buffer.from(key), value: Buffer.from(value), lease }]);
  }

  /** A lease of ten minutes. */
  async lease(id: bigint): Promise<void> {
    await this.session.ask('/etcdserverpb.Lease/LeaseGrant', message({ 1: 600, 2: id }), 60_000);
  }

  async fill(values: Record<string, string>): Promise<KeyValue[]> {
    for (const [key, value] of Object.entries(values)) await this.put(key, value);
    return this.all();
  }

  async all(): Promise<KeyValue[]> {
    const found: KeyValue[] = [];
    for await (const page of walkKeys(this.keys, { prefix: Buffer.alloc(0), revision: 0n })) found.push(...page);
    return found;
  }

  async values(): Promise<Record<string, string>> {
    return Object.fromEntries((await this.all()).map(({ key, value }) => [key.toString(), value.toString()]));
  }

  async clear(): Promise<void> {
    const all = await this.all();
    for (let at = 0; at < all.length; at += 100) {
      await this.keys.change(all.slice(at, at + 100).map(({ key }) => ({ remove: key })));
    }
    this.calls = 0;
  }

  async stop(): Promise<void> {
    this.session.close();
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGKILL');
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function opened(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

export const inOnePage = async function* (keys: readonly KeyValue[]): AsyncGenerator<KeyValue[]> {
  yield [...keys];
};
