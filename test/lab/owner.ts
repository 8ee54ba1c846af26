import { chown } from 'node:fs/promises';

/** Gives files to who called sudo, if someone did: the lab needs root, `play` does not, and ssh wants keys to be one's own. */
export async function giveToCaller(paths: readonly string[]): Promise<void> {
  const [uid, gid] = [Number(process.env.SUDO_UID), Number(process.env.SUDO_GID)];
  if (!(uid > 0 && gid >= 0)) return;
  for (const path of paths) await chown(path, uid, gid);
}
