import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupName, removeCgroup } from './cgroup.ts';
import { command } from './command.ts';
import { endStray } from './host.ts';
import { withLock } from './lock.ts';
import { removeNetwork } from './network.ts';
import { subfolders } from './process.ts';
import { labDir, lockOfLab, machineOf, readLab } from './state.ts';

/**
 * Removes a lab and everything it made, whatever of it is there: processes (by its own cgroup), links and namespaces,
 * disks, keys, inventories. The cache and the blackhole route stay.
 */
export async function takeDown(lab: string): Promise<void> {
  labDir(lab);
  await withLock(lockOfLab(lab), async () => {
    const record = await readLab(lab);
    const hosts = await subfolders(join(labDir(lab), 'hosts'));
    await Promise.all(hosts.map((host) => endStray(lab, host)));
    await removeCgroup(cgroupName(lab));
    await removeNetwork(lab, record?.subnet);
    await removeMachineFolders(lab);
    for (const inventory of record?.inventories ?? []) await rm(inventory, { force: true });
    await command('rm', ['-rf', '--one-file-system', labDir(lab)]);
  });
}

/** What nspawn makes for each machine under /run and leaves behind when it is killed. */
async function removeMachineFolders(lab: string): Promise<void> {
  const ours = new RegExp(`^${machineOf(lab, 'h')}\\d+$`);
  for (const kind of ['propagate', 'unix-export']) {
    const folder = join('/run/systemd/nspawn', kind);
    for (const name of (await subfolders(folder)).filter((name) => ours.test(name))) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}
