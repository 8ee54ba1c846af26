import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../errors.ts';
import { writeWhole } from '../../local/whole-file.ts';

export async function readIfThere(path: string): Promise<string | undefined> {
  if (!existsSync(path)) return undefined;
  return inCache(path, () => readFile(path, 'utf8'));
}

/** What begins so is a folder in which a release is being unpacked. */
export const UNPACKING = '.part-';

/** Makes the directory, and removes what a killed download or unpacking left there a day ago or earlier. */
export async function removeStale(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const name of await readdir(dir)) {
    if (!/\.\d+-[0-9a-f]{8}\.part$/.test(name) && !name.startsWith(UNPACKING)) continue;
    const path = join(dir, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs <= 86_400_000) continue;
    // What another user has left stops nobody.
    await rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 }).catch(() => undefined);
  }
}

export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Runs what touches the cache; a refusal of the file system is an error with the path and a way out. */
export async function inCache<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why: Record<string, string> = {
      EACCES: 'permission denied',
      EPERM: 'permission denied',
      EROFS: 'the file system is read-only',
      ENOSPC: 'the disk is full',
      EDQUOT: 'the quota of the disk is used up',
      ENOTDIR: 'a part of the path is not a directory',
      EEXIST: 'a part of the path is not a directory',
      EISDIR: 'it is a directory',
    };
    const said = why[code ?? ''];
    if (said === undefined) throw error;
    throw new InputError(`the cache of releases cannot be used: ${path}: ${said}`, {
      next: 'Make room or put it right, or set ETCD_RELEASE_DIR to another directory.',
      cause: error,
    });
  }
}

/** Writes a small file whole or not at all. */
export async function keep(path: string, text: string): Promise<void> {
  await inCache(path, () => writeWhole(path, text, 0o644));
}
