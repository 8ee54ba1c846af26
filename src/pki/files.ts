import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, link, lstat, open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.ts';

export const TEMPORARY = '.tmp-';

export const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code;

/** The text of a file, or undefined when there is none. @throws InputError when it cannot be read. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new InputError(`cannot be read: ${(error as Error).message}`, {
      file: path,
      next: errorCode(error) === 'EISDIR' ? 'Move this directory away.' : 'Make the file readable for you.',
      cause: error,
    });
  }
}

/** Names in a directory; none when it is not there. @throws InputError when it cannot be listed. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw new InputError(`the certificate directory cannot be read: ${(error as Error).message}`, {
      file: dir,
      next: 'Name a directory of your own (CERT_LOCAL_DIR), or make this one readable for you.',
      cause: error,
    });
  }
}

/** @throws InputError unless files can be made in `dir`, or `dir` itself in the nearest directory that is there. */
export async function checkWritable(dir: string): Promise<void> {
  for (let at = dir; ; at = dirname(at)) {
    try {
      if (!(await stat(at)).isDirectory()) {
        throw new InputError('is a file, where the certificate directory should be', {
          file: at,
          next: 'Move the file away, or name another directory (CERT_LOCAL_DIR).',
        });
      }
      await access(at, constants.W_OK | constants.X_OK);
      return;
    } catch (error) {
      if (error instanceof InputError) throw error;
      if ((errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') && dirname(at) !== at) continue;
      throw new InputError(`certificates cannot be written here: ${(error as Error).message}`, {
        file: at,
        next: 'Make the directory writable for you, or name another one (CERT_LOCAL_DIR).',
        cause: error,
      });
    }
  }
}

/** True when others than the owner may read the file: a key should not be so. */
export async function isOpenToOthers(path: string): Promise<boolean> {
  return ((await stat(path)).mode & 0o077) !== 0;
}

/** Writes a new file under a temporary name, wholly on disk when it returns; gives that name. */
async function stage(dir: string, content: string | Buffer, mode: number): Promise<string> {
  const path = join(dir, `${TEMPORARY}${randomBytes(8).toString('hex')}`);
  const file = await open(path, 'wx', mode);
  try {
    await file.chmod(mode); // the umask may have taken bits away
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await unlink(path).catch(() => {}); // a full disk is no place to leave things
    throw error;
  } finally {
    await file.close();
  }
  return path;
}

/** As `Promise.all`, but a failure is told only when all have ended: none of them still writes when the lock is given up. */
export async function allDone<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(work);
  return ended.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

/** Puts files in place, in this order; at any moment each is either the old or the new one, never a part. */
export async function replaceFiles(
  dir: string,
  files: readonly { name: string; content: string | Buffer; mode: number }[],
): Promise<void> {
  const staged = await allDone(
    files.map(async (file) => ({ from: await stage(dir, file.content, file.mode), to: join(dir, file.name) })),
  );
  for (const { from, to } of staged) await rename(from, to);
}

/** Puts a file in place only if no file of that name is there. Gives false, and changes nothing, if one is. */
export async function placeNew(dir: string, name: string, content: string, mode: number): Promise<boolean> {
  const staged = await stage(dir, content, mode);
  try {
    return await linkNew(staged, join(dir, name));
  } finally {
    await unlink(staged).catch(() => {});
  }
}

/** A second name for a file, only if that name is free: the kernel decides, so it holds between processes too. */
export async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errorCode(error) ?? '')) throw error;
  }
  // A file system without hard links (FAT, some network shares): the caller's lock is the only guard there.
  if (await exists(to)) return false;
  await rename(from, to);
  return true;
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Makes renames and links in a directory survive a loss of power. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems refuse to sync a directory; there is nothing better to do there.
    if (errorCode(error) !== 'EINVAL' && errorCode(error) !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}

/** Removes what a killed run left under temporary names. Only for the holder of the lock. */
export async function removeTemporaries(dir: string): Promise<void> {
  for (const name of await namesIn(dir)) {
    if (name.startsWith(TEMPORARY)) await rm(join(dir, name), { force: true });
  }
}
