import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CommandResult, tryCommand } from './command.ts';
import { assertAlive } from './host.ts';
import { LabError } from './lab-error.ts';
import { type HostRecord, type LabRecord, labDir } from './state.ts';
import type { LabUser } from './users.ts';

export interface ExecOptions {
  /** Who logs in; root when not said. */
  user?: LabUser;
  /** What the command reads. Without it, nothing. */
  input?: string;
  timeoutMs?: number;
}

export const keyFileOf = (lab: string): string => join(labDir(lab), 'key');
export const knownHostsOf = (lab: string): string => join(labDir(lab), 'known_hosts');

/** Options for the system's own ssh client: the lab's key and hosts, nothing of the user's own settings. */
export function sshArguments(lab: LabRecord, host: HostRecord, user: LabUser = 'root'): string[] {
  const options = {
    UserKnownHostsFile: knownHostsOf(lab.name),
    GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes',
    IdentitiesOnly: 'yes',
    ConnectTimeout: '10',
    LogLevel: 'ERROR',
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return ['-F', '/dev/null', '-i', keyFileOf(lab.name), ...flags, `${user}@${host.address}`];
}

/** Runs a command line in a host by the system's own ssh. Its status is given back, not thrown; 255 is ssh's own for "no connection". */
export async function execBySsh(
  lab: LabRecord,
  host: HostRecord,
  line: string,
  options: ExecOptions = {},
): Promise<CommandResult> {
  const args = ['-T', '-o', 'BatchMode=yes', ...sshArguments(lab, host, options.user), line];
  return await tryCommand('ssh', args, {
    ...(options.input === undefined ? {} : { input: options.input }),
    timeoutMs: options.timeoutMs ?? 120_000,
  });
}

/** A log-in for a person, on the terminal of this process if it has one. Gives back ssh's exit status. */
export async function login(
  lab: LabRecord,
  host: HostRecord,
  user: LabUser,
  words: readonly string[],
): Promise<number> {
  const args = [...sshArguments(lab, host, user), ...words];
  const child = spawn('ssh', args, { stdio: 'inherit' });
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? 128;
}

/** Waits until a host's sshd lets root in and its systemd has finished booting, but for one unit that may be at it still. */
export async function untilReady(
  lab: LabRecord,
  host: HostRecord,
  timeoutMs: number,
  apartFrom?: string,
): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await answers(host.address))) {
    await assertAlive(lab, host.name);
    if (Date.now() > end) throw new LabError(`sshd of ${host.name} did not answer within ${timeoutMs} ms`);
    await sleep(20);
  }
  const left = Math.max(1000, end - Date.now());
  const line = apartFrom === undefined ? 'systemctl is-system-running --wait' : bootedApartFrom(apartFrom);
  const result = await execBySsh(lab, host, line, { timeoutMs: left });
  if (/^(running|degraded)$/m.test(result.stdout)) return;
  throw new LabError(
    `${host.name} (${host.address}) did not finish booting: ${(result.stdout + result.stderr).trim() || result.code}`,
  );
}

/** Until nothing is being started any more but that unit; what waits for it does not count. */
function bootedApartFrom(unit: string): string {
  const others = `systemctl list-jobs --no-legend | grep -v '[[:space:]]waiting' | grep -qv ' ${unit} '`;
  return `while ${others}; do sleep 0.1; done; systemctl is-system-running | sed 's/^starting$/running/'`;
}

/** Whether something that greets as an SSH server listens there. */
function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22 });
    const finish = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.setTimeout(1000, () => finish(false));
    socket.once('data', (banner) => finish(banner.toString().startsWith('SSH-')));
    socket.once('error', () => finish(false));
    socket.once('end', () => finish(false));
  });
}
