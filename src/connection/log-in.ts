import type { Duplex } from 'node:stream';
import ssh2, { type Client } from 'ssh2';
import { type PlayError, UnreachableError } from '../errors.ts';
import { type Authentication, authentication } from './authentication.ts';
import { AuthenticationError, type HostKeyError, TurnedAwayError } from './errors.ts';
import type { HostKeyCheck } from './host-key.ts';
import type { PrivateKeys } from './private-keys.ts';
import type { LoginSettings } from './settings.ts';

const KEEPALIVE_COUNT = 2;
/** For the proofs of who we are, once the keys are exchanged: PAM may take its time. */
const AUTHENTICATION_TIMEOUT_MS = 20_000;

/**
 * Shakes hands over a stream, checks the host's key and logs in.
 * @throws TurnedAwayError before anything was said; HostKeyError, AuthenticationError, UnreachableError.
 */
export function logIn(login: LoginSettings, stream: Duplex, check: HostKeyCheck, keys: PrivateKeys): Promise<Client> {
  const { host, user, address, port } = login;
  let proofs: Authentication;
  try {
    proofs = authentication(login, keys);
  } catch (error) {
    stream.destroy();
    return Promise.reject(error);
  }
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    let refusal: HostKeyError | undefined;
    let greeting = '';
    const fail = (error: PlayError) => {
      clearTimeout(timer);
      client.removeAllListeners('close');
      client.removeAllListeners('error');
      client.on('error', () => undefined);
      stream.on('error', () => undefined);
      client.end();
      stream.destroy();
      reject(error);
    };
    const within = (timeoutMs: number, stage: string) =>
      setTimeout(() => {
        const next = `Look at sshd there. Try: ssh -v -p ${port} ${user}@${address}`;
        fail(new UnreachableError(`no log-in: ${stage} within ${timeoutMs / 1000} s`, { host, next }));
      }, timeoutMs);
    // As ConnectTimeout of ssh_config(5): for an sshd that takes the connection and says nothing, or stalls.
    let timer = within(login.connectTimeoutMs, 'sshd did not finish the key exchange');
    client.once('ready', () => {
      clearTimeout(timer);
      client.removeAllListeners('error');
      client.removeAllListeners('close');
      resolve(client);
    });
    client.once('handshake', () => {
      clearTimeout(timer);
      timer = within(AUTHENTICATION_TIMEOUT_MS, 'sshd did not answer the log-in');
    });
    client.once('close', () => fail(new UnreachableError('the connection was closed during log-in', { host })));
    client.on('error', (error: Error & { level?: string }) => {
      if (refusal) return fail(refusal);
      // An agent that is gone is no reason to stop: the next method is tried.
      if (error.level === 'agent') return;
      if (error.level === 'client-authentication') return fail(refused(login, proofs));
      const next = `Try: ssh -v -p ${port} ${user}@${address}`;
      if (isTurnedAway(error)) return fail(new TurnedAwayError(turnedAwayText(greeting), { host, next, cause: error }));
      const why = error.message === 'Keepalive timeout' ? 'it stopped answering' : error.message;
      fail(new UnreachableError(`SSH log-in failed: ${why}`, { host, next, cause: error }));
    });
    client.connect({
      sock: stream as never,
      username: user,
      readyTimeout: 0,
      keepaliveInterval: login.keepAliveMs,
      keepaliveCountMax: KEEPALIVE_COUNT,
      authHandler: proofs.handler,
      algorithms: { serverHostKey: check.algorithms },
      hostVerifier: (key: Buffer, verify: (valid: boolean) => void) => {
        check.judge(key).then((error) => {
          refusal = error;
          verify(error === undefined);
        });
      },
    });
    // ssh2 tells what stands before the version of sshd only when there is a version.
    stream.once('data', (chunk: Buffer) => {
      greeting = greetingIn(chunk.toString('latin1'));
    });
  });
}

/** sshd closes at once when too many log in at a time (MaxStartups), or one has failed too often (PerSourcePenalties). */
function isTurnedAway(error: Error & { level?: string; code?: unknown }): boolean {
  return /before handshake|Invalid identification/i.test(error.message) || error.code === 'ECONNRESET';
}

/** What an sshd says in place of its version, on one line. */
export function greetingIn(said: string): string {
  const [first = ''] = said.split(/[\r\n]/);
  return first.startsWith('SSH-') ? '' : first.trim().slice(0, 200);
}

function turnedAwayText(greeting: string): string {
  if (/Not allowed at this time/i.test(greeting)) {
    return 'sshd there refuses this machine for a while (PerSourcePenalties), after log-ins that failed';
  }
  return `sshd closed the connection before the log-in${greeting ? `: ${greeting}` : ''}`;
}

/** What sshd says no to, and what to do, by what it was really offered. */
export function refused(
  { host, user, password }: Pick<LoginSettings, 'host' | 'user' | 'password'>,
  { offered, offeredFiles }: Pick<Authentication, 'offered' | 'offeredFiles'>,
): AuthenticationError {
  const tried = [...offered].join(', ') || 'nothing that it takes';
  const key =
    offeredFiles.length > 0
      ? `the public key of ${offeredFiles.join(' or ')}`
      : 'a public key of the agent (ssh-add -L)';
  const isKeyOffered = offeredFiles.length > 0 || offered.has('agent');
  const advice = isKeyOffered
    ? `Put ${key} into ~${user}/.ssh/authorized_keys, or correct ansible_user.`
    : 'No key was offered. Name one with ansible_ssh_private_key_file or --private-key, or load it into ssh-agent.';
  return new AuthenticationError(`log-in as ${user} was refused (tried: ${tried})`, {
    host,
    next: password ? 'It was not tried again. Correct the password (-k or ansible_password) or ansible_user.' : advice,
  });
}
