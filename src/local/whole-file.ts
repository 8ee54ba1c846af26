import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Owner {
  uid: number;
  gid: number;
}

/** A name beside the file that no other process takes, also of another container with the same numbers of processes. */
export function partName(path: string): string {
  return `${path}.${process.pid}-${randomBytes(4).toString('hex')}.part`;
}

/** A file that is whole at any time, on the disk when this returns. Makes its directory. */
export async function writeWhole(file: string, text: string, mode: number, owner?: Owner): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const part = partName(file);
  try {
    const handle = await open(part, 'wx', mode);
    try {
      await handle.writeFile(text);
      if (owner) await handle.chown(owner.uid, owner.gid);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
