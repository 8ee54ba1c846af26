import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupName, removeCgroup } from './cgroup.ts';
import { command } from './command.ts';
import { withLock } from './lock.ts';
import { removeNetwork } from './network.ts';
import { isOurs, readPid, signal, subfolders } from './process.ts';
import { hostDir, labDir, lockOfLab, machineOf, readLab } from './state.ts';

/**
 * Removes a lab and everything it made, whatever of it is there: processes (by its own cgroup), links and namespaces,
 * disks, keys, inventories. The cache and the blackhole route stay.
 */
export async function takeDown(lab: string): Promise<void> {
  labDir(lab);
  await withLock(lockOfLab(lab), async () => {
    const record = await readLab(lab);
    const hosts = await subfolders(join(labDir(lab), 'hosts'));
    await Promise.all(hosts.map((host) => endStarter(lab, host)));
    await removeCgroup(cgroupName(lab));
    await removeNetwork(lab, record?.subnet);
    for (const host of hosts) {
      for (const left of ['propagate', 'unix-export']) {
        await rm(join('/run/systemd/nspawn', left, machineOf(lab, host)), { recursive: true, force: true });
      }
    }
    for (const inventory of record?.inventories ?? []) await rm(inventory, { force: true });
    await command('rm', ['-rf', '--one-file-system', labDir(lab)]);
  });
}

/** A container whose starter was killed may not be in its cgroup yet; it has left its number in a file by then. */
async function endStarter(lab: string, host: string): Promise<void> {
  const pid = await readPid(join(hostDir(lab, host), 'pid'));
  const machine = machineOf(lab, host);
  if (pid && ((await isOurs(pid, machine)) || (await isOurs(pid, `--machine=${machine}`)))) signal(pid, 'SIGKILL');
}
