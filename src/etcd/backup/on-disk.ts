import { PlayError } from '../../errors.ts';

/** This machine's disk is at fault: no other member would help. */
export class DiskError extends PlayError {
  override readonly name = 'DiskError';
}

const WORDS: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk of this machine is full',
  EDQUOT: 'the quota of the disk is used up',
  EFBIG: 'the file would be larger than is allowed',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'it is a directory',
  EIO: 'the disk cannot be read or written',
};

/** Runs what touches files of backups on this machine; a refusal of the file system is an error with the path and a way out. */
export async function onDisk<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw explained(path, error);
  }
}

function explained(path: string, error: unknown): unknown {
  const said = WORDS[(error as NodeJS.ErrnoException).code ?? ''];
  if (said === undefined) return error;
  return new DiskError(`${path}: ${said}`, {
    cause: error,
    next: 'Make room or put it right, or set LOCAL_ETCD_BACKUP_DIR to another directory, then run again.',
  });
}

/** The same for a file that is written in blocks. */
export function explainedFor(path: string): (error: unknown) => unknown {
  return (error) => explained(path, error);
}
