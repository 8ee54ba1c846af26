import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { command } from './command.ts';
import { LabError } from './lab-error.ts';
import { mark } from './places.ts';
import { signal, subfolders } from './process.ts';

const ownMount = `/run/${mark}/cgroup`;

/** Where this machine shows cgroup v2, also beside the old layout; mounted for the lab where it is shown nowhere. */
export async function cgroupMount(): Promise<string> {
  const found = await findMount();
  if (found) return found;
  await mkdir(ownMount, { recursive: true });
  await command('mount', ['-t', 'cgroup2', 'cgroup2', ownMount]);
  return ownMount;
}

/** The cgroup of a lab, of one of its hosts (`h1`), or of what slows one down (`h1-delay`), below the mount. */
export function cgroupName(lab: string, part?: string): string {
  return part === undefined ? `${mark}/${lab}` : `${mark}/${lab}/${part}`;
}

/** All processes in a cgroup and below it. Only the lab puts processes there, so all are the lab's own. */
export async function processesIn(name: string): Promise<number[]> {
  return await collect(join(await cgroupMount(), name));
}

/** Stops (or continues) every process of a cgroup between two instructions: the host hangs, its kernel still answers. */
export async function setFrozen(name: string, frozen: boolean): Promise<void> {
  const folder = join(await cgroupMount(), name);
  await writeFile(join(folder, 'cgroup.freeze'), frozen ? '1' : '0');
  for (let waitedMs = 0; waitedMs < 5000; waitedMs += 5) {
    const events = await readFile(join(folder, 'cgroup.events'), 'utf8');
    if (events.includes(`frozen ${frozen ? 1 : 0}`)) return;
    await sleep(5);
  }
  throw new LabError(`${name} did not ${frozen ? 'freeze' : 'thaw'} within 5 s`);
}

export async function isFrozen(name: string): Promise<boolean> {
  const state = await readFile(join(await cgroupMount(), name, 'cgroup.freeze'), 'utf8').catch(() => '0');
  return state.trim() === '1';
}

/** Kills what is in a cgroup, waits until it is empty, and removes it. */
export async function removeCgroup(name: string): Promise<void> {
  const folder = join(await cgroupMount(), name);
  if (await isFrozen(name)) await writeFile(join(folder, 'cgroup.freeze'), '0').catch(() => {});
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 10) {
    for (const pid of await collect(folder)) signal(pid, 'SIGKILL');
    if (await removeFolders(folder)) return;
    await sleep(10);
  }
  throw new LabError(`processes of ${name} would not end: ${(await collect(folder)).join(', ')}`);
}

/** Waits until the last process of a cgroup is gone; false when time is up first. */
export async function emptied(name: string, timeoutMs: number): Promise<boolean> {
  const folder = join(await cgroupMount(), name);
  for (const end = Date.now() + timeoutMs; ; ) {
    if ((await collect(folder)).length === 0) return true;
    if (Date.now() > end) return false;
    await sleep(10);
  }
}

async function findMount(): Promise<string | undefined> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const fields = mounts.map((line) => line.split(' '));
  return fields.find((f) => f[3] === '/' && f[f.indexOf('-') + 1] === 'cgroup2')?.[4];
}

async function collect(folder: string): Promise<number[]> {
  const text = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
  const own = text.split('\n').filter(Boolean).map(Number);
  const below = await Promise.all((await subfolders(folder)).map((name) => collect(join(folder, name))));
  return [...own, ...below.flat()];
}

/** True when the folder is gone with all below it. */
async function removeFolders(folder: string): Promise<boolean> {
  for (const name of await subfolders(folder)) await removeFolders(join(folder, name));
  return await rmdir(folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
}
