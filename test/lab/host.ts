import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupName, emptied, processesIn, removeCgroup } from './cgroup.ts';
import { ensureDisk } from './disk.ts';
import { LabError } from './lab-error.ts';
import { plugIn, setCable } from './network.ts';
import { script } from './places.ts';
import { findInit, hasEnded, isOurs, readPid, signal } from './process.ts';
import { unslow } from './slow.ts';
import { type HostRecord, hostDir, type LabRecord, machineOf } from './state.ts';

/** What systemd in a container takes for "shut down in good order" (systemd(1), Signals). */
const SIGRTMIN_3 = 34 + 3;

/** The process that is PID 1 inside the host, or undefined when the host is off. */
export async function leaderOf(lab: LabRecord, host: string): Promise<number | undefined> {
  const container = await readPid(join(hostDir(lab.name, host), 'pid'));
  if (!(await isOurs(container, `--machine=${machineOf(lab.name, host)}`))) return undefined;
  return await findInit(await processesIn(cgroupName(lab.name, host)));
}

/** Starts a host's container, with a network anew. It runs on when this process ends. Does not wait for its sshd. */
export async function bootHost(lab: LabRecord, host: HostRecord): Promise<void> {
  const folder = hostDir(lab.name, host.name);
  await unslow(lab, host.name);
  await endStray(lab.name, host.name);
  await removeCgroup(cgroupName(lab.name, host.name));
  await Promise.all([ensureDisk(lab, host.name), plugIn(lab, host.name, host.address)]);
  await rm(join(folder, 'pid'), { force: true });
  const console = await open(join(folder, 'console.log'), 'a');
  const machine = machineOf(lab.name, host.name);
  const args = ['--mount', '--propagation', 'slave', 'sh', script('boot.sh'), folder];
  args.push(cgroupName(lab.name, host.name), host.root, machine, machine, host.name);
  const container = spawn('unshare', args, { detached: true, stdio: ['ignore', console.fd, console.fd], cwd: '/' });
  await once(container, 'spawn');
  container.unref();
  await console.close();
}

/** Ends a container whose starter was killed before it had joined its cgroup; its number lies in a file by then. */
export async function endStray(lab: string, host: string): Promise<void> {
  const pid = await readPid(join(hostDir(lab, host), 'pid'));
  const machine = machineOf(lab, host);
  if (pid && ((await isOurs(pid, machine)) || (await isOurs(pid, `--machine=${machine}`)))) signal(pid, 'SIGKILL');
}

/** Throws when a container that was started has ended; its console tells why. */
export async function assertAlive(lab: LabRecord, host: string): Promise<void> {
  const folder = hostDir(lab.name, host);
  const pid = await readPid(join(folder, 'pid'));
  if (pid === undefined || !(await hasEnded(pid))) return;
  const said = await readFile(join(folder, 'console.log'), 'utf8').catch(() => '');
  throw new LabError(`host ${host} did not boot:\n${said.trim().split('\n').slice(-10).join('\n')}`);
}

/**
 * Power loss: PID 1 of the host is killed, and with it all it runs. Sockets are closed by the machine's kernel, so port 22
 * refuses at once; with `silent` the cable is pulled first, and the host just stops to answer, as in a real one.
 * What was written and not synced is still in the machine's page cache, and so is not lost.
 */
export async function killHost(lab: LabRecord, host: string, silent: boolean): Promise<void> {
  const leader = await leaderOf(lab, host);
  if (leader === undefined) throw new LabError(`host ${host} is off already`);
  if (silent) await setCable(lab, host, 'down');
  signal(leader, 'SIGKILL');
  if (!(await emptied(cgroupName(lab.name, host), 10_000))) await removeCgroup(cgroupName(lab.name, host));
}

/** Shuts a host down in good order; after the time limit its power is cut. */
export async function stopHost(lab: LabRecord, host: string, timeoutMs = 30_000): Promise<void> {
  const leader = await leaderOf(lab, host);
  if (leader === undefined) return;
  signal(leader, SIGRTMIN_3);
  if (!(await emptied(cgroupName(lab.name, host), timeoutMs))) {
    await removeCgroup(cgroupName(lab.name, host));
    throw new LabError(`host ${host} did not shut down within ${timeoutMs} ms; its power was cut`);
  }
}
