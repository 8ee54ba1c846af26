import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk } from '../backup/on-disk.ts';
import { makeWorkFolder } from '../backup/work-folder.ts';
import { syncDirectory } from '../releases/cache.ts';
import type { V2Reading } from './still.ts';
import { shown } from './tree.ts';

/**
 * Writes all of v2 to a file that only its owner may read: a head, a line of JSON for each key and each empty directory,
 * and a last line with a sum. It bears its name only when it is whole and on the disk. Gives its path.
 */
export async function saveV2(
  folder: string,
  cluster: { name: string; id: string },
  { tree, index }: V2Reading,
  now: Date,
): Promise<string> {
  const takenAt = now.toISOString();
  const time = `${takenAt.slice(0, 19).replace(/[-:]/g, '')}Z`;
  const path = join(folder, `etcd-v2_${cluster.name}_${time}_i${index}.jsonl`);
  const head = { format: 1, kind: 'etcd v2 keys', cluster, index, takenAt };
  const unreadable = new Set(tree.unreadable);
  const lines = [
    head,
    ...tree.keys.map(({ name, value, endsAtMs, modified }) => ({
      key: shown(name),
      value: shown(value),
      // The bytes themselves cannot be had.
      ...(unreadable.has(name) && { unreadable: true }),
      modifiedIndex: modified,
      ...(endsAtMs !== undefined && { expiration: new Date(endsAtMs).toISOString() }),
    })),
    ...tree.empty.map((name) => ({ key: shown(name), dir: true })),
  ];
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const end = { keys: tree.keys.length, sha256: createHash('sha256').update(text).digest('hex') };
  const work = await makeWorkFolder(folder);
  try {
    const part = join(work, 'v2');
    const handle = await onDisk(part, () => open(part, 'wx', 0o600));
    try {
      await onDisk(part, () => handle.writeFile(`${text}${JSON.stringify(end)}\n`));
      await onDisk(part, () => handle.sync());
    } finally {
      await handle.close();
    }
    await onDisk(path, () => rename(part, path));
    await syncDirectory(folder);
    return path;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
