import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { UnreachableError } from '../errors.ts';
import { becomeFailure, shellCommand } from './become.ts';
import type { Connection } from './connection.ts';
import type { ConnectionSettings } from './settings.ts';
import { FramedShell } from './shell.ts';

/** The control machine itself, by a shell of its own (`ansible_connection=local`). */
export async function connectLocal(settings: ConnectionSettings): Promise<Connection> {
  const { host } = settings;
  const { command, challenge } = shellCommand(settings);
  if (challenge) {
    throw new UnreachableError('sudo with a password is not supported on a local connection', {
      host,
      next: 'Run play as root there, or give the user password-less sudo rights.',
    });
  }
  const child = spawn('/bin/sh', ['-c', command], { stdio: 'pipe', detached: true });
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
  await run(':', { timeoutMs: 20_000 });
  ready = true;
  return {
    host,
    get roundTrips() {
      return shell.frames;
    },
    run,
    openStream: (address, port) =>
      new Promise<Duplex>((resolve, reject) => {
        const socket = connect({ host: address, port, noDelay: true, allowHalfOpen: true });
        socket.once('error', reject);
        socket.once('connect', () => {
          socket.off('error', reject);
          resolve(socket);
        });
      }),
    close,
  };
}
