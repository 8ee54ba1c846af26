import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { UnreachableError } from '../errors.ts';
import { becomeFailure, passChallenge, shellCommand } from './become.ts';
import type { Connection } from './connection.ts';
import { TunnelError } from './errors.ts';
import type { ConnectionSettings } from './settings.ts';
import { FramedShell } from './shell.ts';

const SHELL_TIMEOUT_MS = 20_000;
const STREAM_TIMEOUT_MS = 15_000;

/** The control machine itself, by a shell of its own (`ansible_connection=local`). */
export async function connectLocal(settings: ConnectionSettings): Promise<Connection> {
  const { host } = settings;
  const { command, challenge } = shellCommand(settings);
  const child = spawn('/bin/sh', ['-c', command], { stdio: 'pipe', detached: true });
  // Told by the streams, which close; without a listener it would end the process.
  child.on('error', () => undefined);
  if (challenge) {
    await withDeadline(host, passChallenge(settings, challenge, child)).catch((error: unknown) => {
      child.stdin.destroy();
      throw error;
    });
  }
  const shell = new FramedShell(host, child);
  let ready = false;
  child.on('error', (cause) => shell.fail(new UnreachableError(`no shell: ${cause.message}`, { host, cause })));
  child.on('close', (code) => {
    if (ready) shell.fail(new UnreachableError('the shell ended', { host }));
    else shell.fail(becomeFailure(settings, shell.pendingStderr, code ?? undefined));
  });
  // Not `end`: bytes that nobody takes any more would keep it open.
  const close = () => void child.stdin.destroy();
  const run: Connection['run'] = async (script, options) => {
    try {
      return await shell.run(script, options);
    } catch (error) {
      // A shell that failed once is out of step with us: nothing more may be sent through it.
      close();
      throw error;
    }
  };
  await run(':', { timeoutMs: SHELL_TIMEOUT_MS });
  ready = true;
  return {
    host,
    get roundTrips() {
      return shell.frames;
    },
    get isLost() {
      return shell.lost !== undefined;
    },
    run,
    hold: (lock) => shell.hold(lock),
    openStream: (address, port) => openStream(host, address, port),
    close,
  };
}

function openStream(host: string, address: string, port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true, allowHalfOpen: true });
    const fail = (why: string, cause?: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new TunnelError(`no way to ${address}:${port}: ${why}`, { host, cause, forbidden: false }));
    };
    const timer = setTimeout(() => fail(`no answer within ${STREAM_TIMEOUT_MS / 1000} s`), STREAM_TIMEOUT_MS);
    socket.once('error', (error) => fail(error.message, error));
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

function withDeadline<T>(host: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    const error = new UnreachableError(`no shell within ${SHELL_TIMEOUT_MS / 1000} s`, { host });
    timer = setTimeout(() => reject(error), SHELL_TIMEOUT_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
