import type { Duplex } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import { UnreachableError } from '../errors.ts';
import { becomeFailure, passChallenge, shellCommand } from './become.ts';
import type { Connection, LockAnswer, LockWish, RunOptions, ScriptResult } from './connection.ts';
import { TunnelError } from './errors.ts';
import type { Routes } from './routes.ts';
import type { ConnectionSettings } from './settings.ts';
import { FramedShell } from './shell.ts';

const SHELL_TIMEOUT_MS = 20_000;
const TUNNEL_TIMEOUT_MS = 15_000;
/** RFC 4254, section 5.1: what sshd answers where AllowTcpForwarding or PermitOpen says no. */
const ADMINISTRATIVELY_PROHIBITED = 1;

/**
 * Opens the connection to a host: one TCP connection, one shell as the become user.
 * @throws UnreachableError, HostKeyError, AuthenticationError, BecomeError.
 */
export async function connectSsh(settings: ConnectionSettings, routes: Routes): Promise<Connection> {
  const client = await routes.logIn(settings);
  try {
    return await withDeadline(SshConnection.open(settings, client), settings.host);
  } catch (error) {
    client.on('error', () => undefined);
    client.end();
    setTimeout(() => client.destroy(), 500).unref();
    throw error;
  }
}

function withDeadline<T>(work: Promise<T>, host: string): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    const error = new UnreachableError(`no shell within ${SHELL_TIMEOUT_MS / 1000} s of the log-in`, { host });
    timer = setTimeout(() => reject(error), SHELL_TIMEOUT_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

class SshConnection implements Connection {
  readonly host: string;
  readonly #client: Client;
  readonly #shell: FramedShell;
  #closed = false;

  private constructor(host: string, client: Client, shell: FramedShell) {
    this.host = host;
    this.#client = client;
    this.#shell = shell;
  }

  static async open(settings: ConnectionSettings, client: Client): Promise<SshConnection> {
    const { host } = settings;
    const { command, challenge } = shellCommand(settings);
    let exitCode: number | undefined;
    let ended = false;
    const channel = await new Promise<ClientChannel>((resolve, reject) => {
      client.once('error', reject);
      client.exec(command, (error, opened) => {
        if (error) return reject(error);
        // Here and not later: the end of a short command may lie in the same packet as its beginning.
        opened.on('exit', (code: number | null) => {
          exitCode = code ?? undefined;
        });
        opened.once('close', () => {
          ended = true;
        });
        resolve(opened);
      });
    }).catch((cause: Error) => {
      throw new UnreachableError(`no shell could be opened: ${cause.message}`, { host, cause });
    });
    const streams = { stdin: channel, stdout: channel, stderr: channel.stderr };
    if (challenge) await passChallenge(settings, challenge, streams);
    const shell = new FramedShell(host, streams);
    const connection = new SshConnection(host, client, shell);
    let ready = false;
    const onClose = () => {
      if (ready) shell.fail(connection.#lost('the shell on the host ended'));
      else if (exitCode !== undefined) shell.fail(becomeFailure(settings, shell.pendingStderr, exitCode));
      else shell.fail(connection.#lost('the connection was lost'));
    };
    // What it said on standard error is read first.
    if (ended) setTimeout(onClose, 50);
    else channel.on('close', onClose);
    client.removeAllListeners('error');
    client.on('error', (error: Error & { level?: string }) => {
      const why = error.level === 'client-timeout' ? 'the host stopped answering' : error.message;
      shell.fail(connection.#lost(why));
      client.destroy();
    });
    client.on('close', () => shell.fail(connection.#lost('the connection was closed')));
    await shell.run(':', { timeoutMs: SHELL_TIMEOUT_MS });
    ready = true;
    return connection;
  }

  get roundTrips(): number {
    return this.#shell.frames;
  }

  get isLost(): boolean {
    return this.#closed || this.#shell.lost !== undefined;
  }

  async run(script: string, options?: RunOptions): Promise<ScriptResult> {
    try {
      return await this.#shell.run(script, options);
    } catch (error) {
      // A shell that failed once is out of step with us: nothing more may be sent through it.
      this.close();
      throw error;
    }
  }

  hold(lock: LockWish): Promise<LockAnswer> {
    return this.#shell.hold(lock);
  }

  openStream(address: string, port: number): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      if (this.isLost) return reject(this.#shell.lost ?? this.#lost('the connection is closed'));
      const onClose = () => settle(() => reject(this.#lost('the connection was closed')));
      const settle = (then: () => void) => {
        clearTimeout(timer);
        this.#client.off('close', onClose);
        then();
      };
      const fail = (why: string, cause?: Error & { reason?: number }) => {
        const forbidden = cause?.reason === ADMINISTRATIVELY_PROHIBITED;
        const next = forbidden ? { next: 'Allow it in sshd_config there: AllowTcpForwarding local' } : {};
        const place = { host: this.host, forbidden, cause, ...next };
        settle(() => reject(new TunnelError(`no tunnel to ${address}:${port}: ${why}`, place)));
      };
      const timer = setTimeout(() => fail(`no answer within ${TUNNEL_TIMEOUT_MS / 1000} s`), TUNNEL_TIMEOUT_MS);
      this.#client.on('close', onClose);
      try {
        this.#client.forwardOut('127.0.0.1', 0, address, port, (error, channel) =>
          error ? fail(error.message, error) : settle(() => resolve(channel)),
        );
      } catch (error) {
        fail((error as Error).message, error as Error);
      }
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#client.end();
    // A peer that is gone never confirms the end: do not wait for it.
    setTimeout(() => this.#client.destroy(), 500).unref();
  }

  #lost(why: string): UnreachableError {
    return new UnreachableError(`connection lost: ${why}`, {
      host: this.host,
      next: 'What was begun there may or may not have been done. Bring the host back and run the same command again.',
    });
  }
}
