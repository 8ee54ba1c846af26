import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { identityIn, identityOf, identityText, isAlive } from '../../local/process-identity.ts';
import { onDisk } from './on-disk.ts';

const PREFIX = '.play-work~';
/** What a run has left that cannot be asked (another machine, another container) is taken for dead after this time. */
const FOREIGN_LIMIT_MS = 24 * 3_600_000;

/**
 * A folder for what is not yet a backup, on the same disk as the backups: what is proven in it is moved by a rename. Its
 * name says whose it is, so that the next run removes what a killed one left.
 */
export async function makeWorkFolder(backupDir: string): Promise<string> {
  await onDisk(backupDir, () => mkdir(backupDir, { recursive: true, mode: 0o700 }));
  for (const { path, lives } of await workFolders(backupDir)) if (!lives) await removeWorkFolder(path);
  const folder = join(backupDir, `${PREFIX}${identityText(identityOf())}~${randomBytes(4).toString('hex')}`);
  await onDisk(folder, () => mkdir(folder, { mode: 0o700 }));
  return folder;
}

/**
 * Removes what a run worked in. What cannot be removed stays and stops nobody: a program of a run that was killed may still
 * write there, and what another user has left is not ours. A later run comes by again.
 */
export async function removeWorkFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 }).catch(() => undefined);
}

/** Whether another run works there now, as far as can be told. */
export async function othersWorkIn(backupDir: string): Promise<boolean> {
  const me = join(backupDir, `${PREFIX}${identityText(identityOf())}~`);
  return (await workFolders(backupDir)).some(({ path, lives }) => lives && !path.startsWith(me));
}

/** The nearest folder above that is there: its disk is the one that will be written to. */
export function existingParent(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : existingParent(dirname(path));
}

async function workFolders(backupDir: string): Promise<{ path: string; lives: boolean }[]> {
  const names = await onDisk(backupDir, () => readdir(backupDir));
  return Promise.all(
    names
      .filter((name) => name.startsWith(PREFIX))
      .map(async (name) => {
        const path = join(backupDir, name);
        return { path, lives: isAlive(identityIn(name.slice(PREFIX.length))) ?? (await isYoung(path)) };
      }),
  );
}

async function isYoung(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs < FOREIGN_LIMIT_MS;
}
