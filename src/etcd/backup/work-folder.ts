import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { onDisk } from './on-disk.ts';

const PREFIX = '.play-work~';
/** What another machine has left in a shared folder is taken for dead after this time. */
const FOREIGN_LIMIT_MS = 24 * 3_600_000;

/**
 * A folder for what is not yet a backup, on the same disk as the backups: what is proven in it is moved by a rename. Its
 * name says whose it is, so that the next run removes what a killed one left.
 */
export async function makeWorkFolder(backupDir: string): Promise<string> {
  await onDisk(backupDir, () => mkdir(backupDir, { recursive: true, mode: 0o700 }));
  await removeDead(backupDir);
  const me = [hostOfName(), bootId(), process.pid, startOf(process.pid), randomBytes(4).toString('hex')];
  const folder = join(backupDir, `${PREFIX}${me.join('~')}`);
  await onDisk(folder, () => mkdir(folder, { mode: 0o700 }));
  return folder;
}

/** The nearest folder above that is there: its disk is the one that will be written to. */
export function existingParent(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : existingParent(dirname(path));
}

async function removeDead(backupDir: string): Promise<void> {
  for (const name of await onDisk(backupDir, () => readdir(backupDir))) {
    if (!name.startsWith(PREFIX) || (await isAlive(backupDir, name))) continue;
    await onDisk(backupDir, () => rm(join(backupDir, name), { recursive: true, force: true }));
  }
}

async function isAlive(backupDir: string, name: string): Promise<boolean> {
  const [host = '', boot = '', pid = '', start = ''] = name.slice(PREFIX.length).split('~');
  if (host === hostOfName()) return boot === bootId() && startOf(Number(pid)) === start;
  const info = await stat(join(backupDir, name)).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs < FOREIGN_LIMIT_MS;
}

function hostOfName(): string {
  return hostname().replace(/[^A-Za-z0-9.-]/g, '-');
}

function bootId(): string {
  return readOr('/proc/sys/kernel/random/boot_id').slice(0, 8);
}

/** Clock ticks from boot to the start of a process: numbers of processes come again. */
function startOf(pid: number): string {
  const line = readOr(`/proc/${pid}/stat`);
  return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
