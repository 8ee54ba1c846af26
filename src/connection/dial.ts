import { spawn } from 'node:child_process';
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { InputError, UnreachableError } from '../errors.ts';
import { lastLines } from './errors.ts';
import { quote } from './quote.ts';
import type { LoginSettings } from './settings.ts';

/** A TCP connection to the address. @throws UnreachableError. */
export function dialTcp({ host, address, port, connectTimeoutMs }: LoginSettings): Promise<Duplex> {
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
      resolve(gathering(socket));
    });
  });
}

/** Lets what is written in one go, packet by packet, leave as one piece: each has its price in the kernel. */
function gathering(socket: Socket): Socket {
  let isCorked = false;
  const write = socket.write.bind(socket) as Socket['write'];
  socket.write = ((...words: Parameters<Socket['write']>) => {
    if (!isCorked) {
      isCorked = true;
      socket.cork();
      process.nextTick(() => {
        isCorked = false;
        socket.uncork();
      });
    }
    return write(...words);
  }) as Socket['write'];
  return socket;
}

const WHY_NOT: Record<string, string> = {
  ECONNREFUSED: 'refuses connections',
  EHOSTUNREACH: 'cannot be reached: no route to host',
  ENETUNREACH: 'cannot be reached: network is unreachable',
  EINVAL: 'cannot be reached: no route to host',
  ENOTFOUND: 'is not a name that can be resolved',
  EAI_AGAIN: 'is not a name that can be resolved at the moment',
};

const LAST_WORDS_MS = 500;

/** The stream of a ProxyCommand: what it reads and writes is the connection. Ended with all that it started. */
export function dialCommand(login: LoginSettings, command: string): { stream: Duplex; complaint(): Promise<string> } {
  const child = spawn('/bin/sh', ['-c', `exec ${expandTokens(command, login)}`], { stdio: 'pipe', detached: true });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2_000);
  });
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  child.on('error', (error) => stream.destroy(error));
  child.stdin.on('error', () => undefined);
  stream.on('close', () => {
    if (child.exitCode !== null || child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGHUP');
    } catch {
      // It has ended in the meantime.
    }
  });
  child.on('exit', () => stream.destroy());
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const late = () => new Promise<void>((resolve) => setTimeout(resolve, LAST_WORDS_MS));
  // A stream may break before the words that say why have arrived.
  return { stream, complaint: () => Promise.race([ended, late()]).then(() => lastLines(said, 3)) };
}

/** What a shell reads in its own way, also within quotes, which a command may have round a token. */
const SHELL_SIGNS = /^-|['"`$\\;&<>|(){}\s]|\p{Cc}/u;

/**
 * The tokens of ssh_config(5), TOKENS, that ProxyCommand takes.
 * @throws InputError for a value that the shell could take for more than a name, as OpenSSH does.
 */
export function expandTokens(command: string, { host, givenAddress, address, port, user }: LoginSettings): string {
  const wrong = [address, givenAddress, user].find((value) => SHELL_SIGNS.test(value));
  if (wrong !== undefined) {
    throw new InputError(`${JSON.stringify(wrong)} cannot be given to the proxy command`, {
      host,
      next: 'Correct ansible_host or ansible_user: it holds signs that mean something to a shell.',
    });
  }
  const values: Record<string, string> = { h: address, n: givenAddress, p: String(port), r: user, '%': '%' };
  return command.replace(/%([hnpr%])/g, (_, token: string) => (token === '%' ? '%' : quote(values[token]!)));
}
