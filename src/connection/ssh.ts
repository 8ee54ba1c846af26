import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2, { type AnyAuthMethod, type Client, type ClientChannel, type ServerHostKeyAlgorithm } from 'ssh2';
import { type PlayError, UnreachableError } from '../errors.ts';
import { becomeFailure, passChallenge, shellCommand } from './become.ts';
import type { Connection, RunOptions, ScriptResult } from './connection.ts';
import { AuthenticationError, HostKeyError, TunnelError } from './errors.ts';
import {
  type HostKeyVerdict,
  judgeHostKey,
  type KnownHost,
  keyTypeOf,
  knownHostName,
  knownKeyTypes,
  parseKnownHosts,
} from './known-hosts.ts';
import { type ConnectionSettings, readKeyFile } from './settings.ts';
import { FramedShell } from './shell.ts';

/** A dead link is noticed after this long at the latest: two unanswered keep-alives, then the close. */
const KEEPALIVE_INTERVAL_MS = 4_000;
const KEEPALIVE_COUNT = 2;
const HANDSHAKE_TIMEOUT_MS = 20_000;
/** Why a channel was not opened (RFC 4254, 5.1). */
const ADMINISTRATIVELY_PROHIBITED = 1;

/**
 * Opens the connection to a host: one TCP connection, one shell as the become user.
 * @throws UnreachableError, HostKeyError, AuthenticationError, BecomeError.
 */
export async function connectSsh(settings: ConnectionSettings): Promise<Connection> {
  const socket = await dial(settings);
  const client = await logIn(settings, socket);
  try {
    return await SshConnection.open(settings, client);
  } catch (error) {
    client.end();
    throw error;
  }
}

function dial({ host, address, port, connectTimeoutMs }: ConnectionSettings): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: address, port, noDelay: true });
    const fail = (why: string, cause?: Error) => {
      socket.destroy();
      const next = `Check that the host is up and that sshd listens on port ${port} there.`;
      reject(new UnreachableError(`${address}:${port} ${why}`, { host, next, cause }));
    };
    const timer = setTimeout(() => fail(`did not answer within ${connectTimeoutMs / 1000} s`), connectTimeoutMs);
    socket.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      fail(WHY_NOT[error.code ?? ''] ?? `cannot be reached: ${error.message}`, error);
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

const WHY_NOT: Record<string, string> = {
  ECONNREFUSED: 'refuses connections',
  EHOSTUNREACH: 'cannot be reached: no route to host',
  ENETUNREACH: 'cannot be reached: network is unreachable',
  EINVAL: 'cannot be reached: no route to host',
  ENOTFOUND: 'is not a name that can be resolved',
  EAI_AGAIN: 'is not a name that can be resolved at the moment',
};

function logIn(settings: ConnectionSettings, socket: Socket): Promise<Client> {
  const { host, user, address, port } = settings;
  const name = knownHostName(address, port);
  const entries = settings.hostKeyChecking === 'off' ? [] : readKnownHosts(settings.knownHostsFiles);
  const methods = authMethods(settings);
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    let keyError: HostKeyError | undefined;
    const fail = (error: PlayError) => {
      client.removeAllListeners('close');
      client.on('error', () => undefined);
      client.end();
      socket.destroy();
      reject(error);
    };
    client.once('ready', () => {
      client.removeAllListeners('error');
      client.removeAllListeners('close');
      resolve(client);
    });
    client.once('close', () => fail(new UnreachableError('the connection was closed during log-in', { host })));
    client.once('error', (error: Error & { level?: string }) => {
      if (keyError) fail(keyError);
      else if (error.level === 'client-authentication') fail(refused(settings, methods));
      else {
        const next = `Try: ssh -v -p ${port} ${user}@${address}`;
        fail(new UnreachableError(`SSH log-in failed: ${error.message}`, { host, next, cause: error }));
      }
    });
    client.connect({
      sock: socket,
      username: user,
      readyTimeout: HANDSHAKE_TIMEOUT_MS,
      keepaliveInterval: KEEPALIVE_INTERVAL_MS,
      keepaliveCountMax: KEEPALIVE_COUNT,
      authHandler: methods,
      algorithms: { serverHostKey: hostKeyAlgorithms(knownKeyTypes(entries, name)) },
      hostVerifier: (key: Buffer) => {
        if (settings.hostKeyChecking === 'off') return true;
        const verdict = judgeHostKey(entries, name, key);
        if (verdict.known === 'yes') return true;
        keyError = hostKeyError(settings, verdict, keyTypeOf(key));
        return false;
      },
    });
  });
}

function readKnownHosts(files: readonly string[]): KnownHost[] {
  return files.flatMap((file) => {
    try {
      return parseKnownHosts(readFileSync(file, 'utf8'), file);
    } catch {
      return [];
    }
  });
}

/** The types on file first, so that a server with several keys shows the one that can be checked. */
function hostKeyAlgorithms(known: readonly string[]): ServerHostKeyAlgorithm[] {
  const all: ServerHostKeyAlgorithm[] = [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ];
  const isKnown = (name: string) => known.includes(name.startsWith('rsa-') ? 'ssh-rsa' : name);
  return [...all.filter(isKnown), ...all.filter((name) => !isKnown(name))];
}

function hostKeyError(
  { host, address, port, knownHostsFiles }: ConnectionSettings,
  verdict: HostKeyVerdict,
  type: string,
): HostKeyError {
  if (verdict.known === 'changed' || verdict.known === 'revoked') {
    const { file, line } = verdict.entry;
    const what = verdict.known === 'revoked' ? 'is revoked' : 'has changed';
    return new HostKeyError(`the host key of ${address} ${what} (offered: ${type})`, {
      host,
      file,
      line,
      next: 'Someone may be listening in, or the host was set up anew. Make sure of its key, then replace that line.',
    });
  }
  return new HostKeyError(`the host key of ${address} is not known (offered: ${type})`, {
    host,
    next: `Compare the key, then add it: ssh-keyscan -p ${port} ${address} >> ${knownHostsFiles[0]}`,
  });
}

function authMethods(settings: ConnectionSettings): AnyAuthMethod[] {
  const { user: username, host, keyFiles, identitiesOnly, password } = settings;
  const methods: AnyAuthMethod[] = [];
  const agent = process.env.SSH_AUTH_SOCK;
  for (const file of keyFiles) {
    const text = readKeyFile(file, host);
    if (text === undefined) {
      if (!identitiesOnly) continue;
      throw new AuthenticationError(`the private key ${file} does not exist`, {
        host,
        next: 'Correct ansible_ssh_private_key_file.',
      });
    }
    const parsed = ssh2.utils.parseKey(text);
    if (!(parsed instanceof Error)) methods.push({ type: 'publickey', username, key: text });
    else if (identitiesOnly && !agent) {
      throw new AuthenticationError(`the private key ${file} cannot be used: ${parsed.message}`, {
        host,
        next: 'A key with a passphrase is used through ssh-agent: ssh-add it first.',
      });
    }
  }
  if (agent) methods.push({ type: 'agent', username, agent });
  if (password) {
    const word = password.reveal();
    methods.push({ type: 'password', username, password: word });
    methods.push({
      type: 'keyboard-interactive',
      username,
      prompt: (_name, _instructions, _lang, prompts, finish) => finish(prompts.map(() => word)),
    });
  }
  if (methods.length > 0) return methods;
  throw new AuthenticationError('there is nothing to log in with: no key file, no agent, no password', {
    host,
    next: 'Set ansible_ssh_private_key_file, or start ssh-agent, or set ansible_password.',
  });
}

function refused({ host, user, keyFiles }: ConnectionSettings, methods: AnyAuthMethod[]): AuthenticationError {
  const tried = [...new Set(methods.map((method) => (typeof method === 'string' ? method : method.type)))].join(', ');
  return new AuthenticationError(`log-in as ${user} was refused (tried: ${tried})`, {
    host,
    next: `Put the public key of ${keyFiles[0]} into ~${user}/.ssh/authorized_keys, or correct ansible_user.`,
  });
}

function withDeadline<T>(work: Promise<T>, host: string): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    const error = new UnreachableError(`no shell within ${HANDSHAKE_TIMEOUT_MS / 1000} s of the log-in`, { host });
    timer = setTimeout(() => reject(error), HANDSHAKE_TIMEOUT_MS);
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
    const channel = await new Promise<ClientChannel>((resolve, reject) => {
      client.once('error', reject);
      client.exec(command, (error, opened) => (error ? reject(error) : resolve(opened)));
    }).catch((cause: Error) => {
      throw new UnreachableError(`no shell could be opened: ${cause.message}`, { host, cause });
    });
    if (challenge) await withDeadline(passChallenge(settings, challenge, channel), host);
    let exitCode: number | undefined;
    const shell = new FramedShell(host, { stdin: channel, stdout: channel, stderr: channel.stderr });
    const connection = new SshConnection(host, client, shell);
    let ready = false;
    channel.on('exit', (code: number | null) => {
      exitCode = code ?? undefined;
    });
    channel.on('close', () => {
      if (ready) shell.fail(connection.#lost('the shell on the host ended'));
      else if (exitCode !== undefined) shell.fail(becomeFailure(settings, shell.pendingStderr, exitCode));
      else shell.fail(connection.#lost('the connection was lost'));
    });
    client.removeAllListeners('error');
    client.on('error', (error: Error & { level?: string }) => {
      const why = error.level === 'client-timeout' ? 'the host stopped answering' : error.message;
      shell.fail(connection.#lost(why));
      client.destroy();
    });
    client.on('close', () => shell.fail(connection.#lost('the connection was closed')));
    await shell.run(':', { timeoutMs: HANDSHAKE_TIMEOUT_MS });
    ready = true;
    return connection;
  }

  get roundTrips(): number {
    return this.#shell.frames;
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

  openStream(address: string, port: number): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#lost('the connection is closed'));
      this.#client.forwardOut('127.0.0.1', 0, address, port, (error, channel) => {
        if (!error) return resolve(channel);
        const prohibited = (error as { reason?: number }).reason === ADMINISTRATIVELY_PROHIBITED;
        reject(
          new TunnelError(`no tunnel to ${address}:${port}: ${error.message}`, {
            host: this.host,
            cause: error,
            forbidden: prohibited,
            ...(prohibited ? { next: 'Allow it in sshd_config there: AllowTcpForwarding local' } : {}),
          }),
        );
      });
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
