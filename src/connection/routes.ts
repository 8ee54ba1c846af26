import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'ssh2';
import { UnreachableError } from '../errors.ts';
import { dialCommand, dialTcp } from './dial.ts';
import { AuthenticationError, HostKeyError, TurnedAwayError } from './errors.ts';
import { fetchCertificate } from './fetch-certificate.ts';
import { HostKeyCheck } from './host-key.ts';
import { logIn } from './log-in.ts';
import type { PrivateKeys } from './private-keys.ts';
import type { LoginSettings } from './settings.ts';
import { Turns } from './turns.ts';

/** Dials at a time through one jump host. */
const THROUGH_AT_ONCE = 5;
/**
 * How long sshds that turn us away are asked again, since any let us in. Only the connect is: a refused log-in never is.
 * One that has many log-ins to do turns away a part of them (sshd_config, MaxStartups).
 */
const PATIENCE_MS = 20_000;
const FIRST_WAIT_MS = 150;
const LONGEST_WAIT_MS = 4_000;
/** All that are on their way through a jump host that cannot be reached are told so at once. */
const FORGOTTEN_MS = 20_000;

interface Gateway {
  client: Promise<Client>;
  turns: Turns;
}

/** The ways to the hosts of a run: straight, by a command, or through jump hosts, one connection to each of those. */
export class Routes {
  readonly #keys: PrivateKeys;
  readonly #gateways = new Map<string, Gateway>();
  readonly #end = new AbortController();
  #lastLetIn = 0;

  constructor(keys: PrivateKeys) {
    this.#keys = keys;
    // Each host that waits listens for the end.
    setMaxListeners(0, this.#end.signal);
  }

  /** Dials, checks the host key and logs in. @throws UnreachableError and its kin, with the name of the host. */
  async logIn(login: LoginSettings): Promise<Client> {
    const { way } = login;
    if (way.by !== 'jump') return this.#patiently(login, undefined);
    const gateway = this.#gateway(way.through);
    const jump = await gateway.client.catch((error: unknown) => {
      throw behindJump(login, way.through, error);
    });
    return gateway.turns.take(() => this.#patiently(login, jump));
  }

  /** Ends the connections to the jump hosts. */
  close(): void {
    this.#end.abort();
    for (const { client } of this.#gateways.values()) client.then((one) => one.end()).catch(() => undefined);
  }

  async #patiently(login: LoginSettings, jump: Client | undefined): Promise<Client> {
    const started = performance.now();
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      try {
        const client = await this.#once(login, jump);
        this.#lastLetIn = performance.now();
        return client;
      } catch (error) {
        // Spread out, or all that were turned away would come again at once.
        const pause = waitMs * (0.5 + Math.random());
        const end = Math.max(started, this.#lastLetIn) + PATIENCE_MS;
        if (!(error instanceof TurnedAwayError) || performance.now() + pause > end) throw error;
        await sleep(pause, undefined, { signal: this.#end.signal }).catch(() => {
          throw error;
        });
      }
    }
  }

  async #once(login: LoginSettings, jump: Client | undefined): Promise<Client> {
    const check = new HostKeyCheck(login);
    if (check.wantsCertificate) {
      const { stream } = await openStream(login, jump);
      try {
        check.useCertificate(await inTime(login, fetchCertificate(stream), 'no host certificate'));
      } finally {
        stream.on('error', () => undefined);
        stream.destroy();
      }
    }
    const { stream, complaint } = await openStream(login, jump);
    try {
      return await logIn(login, stream, check, this.#keys);
    } catch (error) {
      // Whoever spoke with us as an sshd was reached: the reason is its own.
      if (error instanceof HostKeyError || error instanceof AuthenticationError) throw error;
      const words = await complaint();
      if (!words) throw error;
      // A command that ended has said why; that is no server which will take us a little later.
      throw new UnreachableError(`the proxy command ended: ${words}`, {
        host: login.host,
        cause: error,
        next: 'Try it by itself on a terminal.',
      });
    }
  }

  #gateway(login: LoginSettings): Gateway {
    const key = routeKey(login);
    let gateway = this.#gateways.get(key);
    if (!gateway) {
      const client = this.logIn(login).then(wake);
      const opened = { client, turns: new Turns(THROUGH_AT_ONCE) };
      // Who comes later is let through one that is opened again.
      const forget = () => this.#gateways.get(key) === opened && this.#gateways.delete(key);
      client.then(
        (one) => one.once('close', forget),
        () => setTimeout(forget, FORGOTTEN_MS).unref(),
      );
      gateway = opened;
      this.#gateways.set(key, gateway);
    }
    return gateway;
  }
}

interface OpenStream {
  stream: Duplex;
  /** What a proxy command has said on standard error. */
  complaint(): Promise<string>;
}

async function openStream(login: LoginSettings, jump: Client | undefined): Promise<OpenStream> {
  const { way } = login;
  if (way.by === 'command') return dialCommand(login, way.command);
  const silent = async () => '';
  if (!jump || way.by === 'tcp') return { stream: await dialTcp(login), complaint: silent };
  const opening = new Promise<Duplex>((resolve, reject) => {
    jump.once('close', () => reject(new Error('the connection to it was lost')));
    try {
      jump.forwardOut('127.0.0.1', 0, login.address, login.port, (error, channel) =>
        error ? reject(error) : resolve(channel),
      );
    } catch (error) {
      reject(error);
    }
  });
  const stream = await inTime(login, opening, `the jump host ${way.through.host} opened no way`).catch((error) => {
    if (error instanceof UnreachableError) throw error;
    const prohibited = /prohibited/i.test((error as Error).message);
    throw new UnreachableError(
      `${login.address}:${login.port} cannot be reached through ${way.through.host}: ${(error as Error).message}`,
      {
        host: login.host,
        cause: error,
        next: prohibited
          ? `Allow it in sshd_config of ${way.through.host}: AllowTcpForwarding local`
          : `Check that the host is up and can be reached from ${way.through.host}.`,
      },
    );
  });
  return { stream, complaint: silent };
}

/**
 * Opens a session on a jump host and lets it go: sshd sends small packets without delay (44 ms each) only on a
 * connection that has had one. A jump host that allows no session answers with a refusal, which is as good.
 */
function wake(client: Client): Client {
  // Every host behind it waits for its end.
  client.setMaxListeners(0);
  client.on('error', () => undefined);
  client.exec('true', (_error, channel) =>
    channel
      ?.on('error', () => undefined)
      .resume()
      .stderr.resume(),
  );
  return client;
}

function inTime<T>({ host, connectTimeoutMs }: LoginSettings, work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    const error = new UnreachableError(`${what} within ${connectTimeoutMs / 1000} s`, { host });
    timer = setTimeout(() => reject(error), connectTimeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** Each host behind a jump host that fails gets an error of its own, with the reason and what to do about it. */
function behindJump({ host }: LoginSettings, jump: LoginSettings, cause: unknown): UnreachableError {
  const { message, file, line, next } = cause as UnreachableError;
  const why = message.startsWith('jump host ') ? message : `jump host ${jump.host}: ${message}`;
  return new UnreachableError(why, {
    host,
    cause,
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line }),
    ...(next === undefined ? {} : { next }),
  });
}

function routeKey({ user, address, port, way }: LoginSettings): string {
  const before = way.by === 'jump' ? routeKey(way.through) : way.by === 'command' ? way.command : '';
  return JSON.stringify([user, address, port, before]);
}
