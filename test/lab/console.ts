import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cgroupMount } from './cgroup.ts';
import { type CommandResult, tryCommand } from './command.ts';
import { leaderOf } from './host.ts';
import type { HostRecord, LabRecord } from './state.ts';

/** As root finds it after a log-in. */
const ENVIRONMENT = [
  'HOME=/root',
  'USER=root',
  'LOGNAME=root',
  'SHELL=/bin/bash',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
];

/**
 * Runs a command line in a host as root, as somebody does who sits in front of it: without network and sshd, which a log-in
 * would load with more work than the command itself. It lives in the host's cgroup, so it freezes and dies with the host.
 * Its status is given back, not thrown; 255 where the host is off.
 */
export async function runAtConsole(
  lab: LabRecord,
  host: HostRecord,
  line: string,
  options: { input?: string; timeoutMs: number },
): Promise<CommandResult> {
  const leader = await leaderOf(lab, host.name);
  if (leader === undefined) return { code: 255, stdout: '', stderr: `${host.name} is off\n` };
  const folder = await cgroupBeside(leader);
  const enter = ['-t', String(leader), '-m', '-u', '-i', '-n', '-p', '-r', '-w'];
  const words = ['env', '-i', '--chdir=/root', ...ENVIRONMENT, '/bin/bash', '-c', line];
  const entering = 'echo $$ >"$1/cgroup.procs" || exit 255; shift; exec nsenter "$@"';
  return await tryCommand('sh', ['-c', entering, 'sh', folder, ...enter, ...words], options);
}

/** A cgroup of the host for what systemd in it has not started: beside the one of its PID 1. */
async function cgroupBeside(leader: number): Promise<string> {
  const own = /^0::(.*)$/m.exec(await readFile(`/proc/${leader}/cgroup`, 'utf8'))?.[1] ?? '';
  const folder = join(await cgroupMount(), dirname(own), 'console');
  await mkdir(folder, { recursive: true });
  return folder;
}
