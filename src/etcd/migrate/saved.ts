import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../errors.ts';
import { nameApart } from '../backup/name-apart.ts';
import { onDisk } from '../backup/on-disk.ts';
import { makeWorkFolder, removeWorkFolder } from '../backup/work-folder.ts';
import { syncDirectory } from '../releases/cache.ts';
import type { V2Reading } from '../v2/still.ts';
import { shown, type V2Key } from '../v2/tree.ts';

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
    const named = await onDisk(path, () => nameApart(part, path));
    await syncDirectory(folder);
    return named;
  } finally {
    await removeWorkFolder(work);
  }
}

interface Line {
  key: string;
  value?: string;
  modifiedIndex?: number;
  expiration?: string;
  dir?: boolean;
  unreadable?: boolean;
}

/** The keys of such a file, but those that could not be read. @throws InputError where it is not whole. */
export async function readSavedV2(path: string): Promise<V2Reading> {
  const text = await onDisk(path, () => readFile(path, 'utf8'));
  const end = text.lastIndexOf('\n', text.length - 2) + 1;
  const [head, body] = [text.slice(0, text.indexOf('\n') + 1), text.slice(0, end)];
  const sum = createHash('sha256').update(body).digest('hex');
  if (!head.includes('"etcd v2 keys"') || !text.slice(end).includes(sum)) {
    throw new InputError('it is not what was written: its sum differs', { file: path });
  }
  const lines = body.slice(head.length).split('\n').filter(Boolean);
  const keys = lines.flatMap((line): V2Key[] => {
    const {
      key: name,
      value = '',
      modifiedIndex: modified = 0,
      expiration,
      dir,
      unreadable,
    } = JSON.parse(line) as Line;
    if (dir || unreadable) return [];
    return [{ name, value, modified, ...(expiration !== undefined && { endsAtMs: Date.parse(expiration) }) }];
  });
  const { index } = JSON.parse(head) as { index: number };
  const none = { directories: [], empty: [], endingDirectories: [], unreadable: [], ends: new Map<string, number>() };
  return { tree: { keys, ...none }, index, atMs: Date.now() };
}
