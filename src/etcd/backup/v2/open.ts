import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PlayError } from '../../../errors.ts';
import type { Identity } from '../age/keys.ts';
import type { V2Part } from '../manifest.ts';
import { onDisk } from '../on-disk.ts';
import { openBackup, writeFrom } from '../packing.ts';
import { BadBackupError } from '../prove-file.ts';
import type { EtcdTools } from '../tools.ts';
import { type V2Facts, type V2Node, v2Facts } from './keys.ts';
import { tryV2 } from './prove.ts';

export interface V2OpenRequest {
  /** The backup that it lies beside, or a link to that. */
  path: string;
  part: V2Part;
  identities?: readonly Identity[] | undefined;
  folder: string;
  tools: EtcdTools;
  signal: AbortSignal;
}

/**
 * Proves what a backup holds of the v2 API: its sum, a trial start, and that it is what it was. Gives its keys; undefined where users
 * must log in. @throws BadBackupError, InputError with the reason.
 */
export async function openV2(request: V2OpenRequest): Promise<V2Node | undefined> {
  const { part, identities, folder, tools, signal } = request;
  const path = join(dirname(await realpath(request.path)), part.name);
  const bad = (why: string) =>
    new BadBackupError(`${path}: ${why}`, { next: 'Take another copy: play backups lists what there is.' });
  const hash = createHash('sha256');
  await onDisk(path, async () => {
    for await (const piece of createReadStream(path, { signal })) hash.update(piece as Buffer);
  }).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? missing(path) : error;
  });
  if (hash.digest('hex') !== part.sha256) throw bad('it is not what its manifest describes');
  const tar = join(folder, 'v2.tar');
  await rm(tar, { force: true });
  try {
    const { plain } = await openBackup(path, identities);
    await writeFrom(tar, [plain], signal);
    const root = await tryV2({ tools, file: tar, folder, signal }).catch((error: unknown) => {
      throw error instanceof PlayError && error.constructor === PlayError ? bad(error.message) : error;
    });
    const fault = root && part.facts && otherFacts(v2Facts(root), part.facts);
    if (fault) throw bad(fault);
    return root;
  } finally {
    await rm(tar, { force: true });
  }
}

function missing(path: string): BadBackupError {
  const next = 'It belongs beside the snapshot. To restore without the keys of the v2 API: -e v2=false.';
  return new BadBackupError(`${path}: it is not there, and its manifest names it`, { next });
}

/** Keys that go by themselves may be gone since. Pure. */
export function otherFacts(found: V2Facts, was: V2Facts): string | undefined {
  if (found.sum === was.sum && found.keys <= was.keys) return undefined;
  return `started on trial it is not what its manifest says: ${found.keys} keys, ${was.keys} when it was taken`;
}
