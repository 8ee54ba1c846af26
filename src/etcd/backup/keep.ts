import { createReadStream } from 'node:fs';
import { lstat, open, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PlayError } from '../../errors.ts';
import { syncDirectory } from '../releases/cache.ts';
import { findBackups } from './catalogue.ts';
import { type Manifest, manifestText } from './manifest.ts';
import { LATEST, manifestName, parseBackupFileName } from './naming.ts';
import { onDisk } from './on-disk.ts';
import { writeFrom } from './packing.ts';
import { expired, type RetentionPolicy } from './retention.ts';

/**
 * Gives a proven file its name. The manifest comes first: a file that bears a backup's name is whole and has been proven,
 * whenever this is interrupted. Both are on the disk when it returns.
 */
export async function keepFile(source: string, folder: string, manifest: Manifest): Promise<string> {
  const { name } = manifest.file;
  const target = join(folder, name);
  await onDisk(folder, async () => {
    await writeSynced(`${source}.json`, manifestText(manifest));
    await rename(`${source}.json`, join(folder, manifestName(name)));
    await rename(source, target);
    await syncDirectory(folder);
  });
  return target;
}

async function writeSynced(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The same backup in another folder; a second copy that is not whole is none. */
export async function copyBackup(
  path: string,
  work: string,
  folder: string,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<void> {
  const part = join(work, manifest.file.name);
  const { sha256 } = await writeFrom(part, [createReadStream(path, { highWaterMark: 1024 * 1024 })], signal);
  if (sha256 !== manifest.file.sha256) {
    throw new PlayError(`${folder}: the copy is not what was written`, { next: 'Look at that disk, then run again.' });
  }
  await keepFile(part, folder, manifest);
}

/**
 * Lets `etcd_snapshot.db` lead to the newest verified backup: the name that the reference's restore reads. A file of that
 * name that someone put there stays. Gives what is to be said, if anything.
 */
export async function linkLatest(folder: string, work: string): Promise<string | undefined> {
  const newest = (await findBackups(folder)).find((one) => one.verified !== 'no');
  if (!newest) return undefined;
  const link = join(folder, LATEST);
  const there = await lstat(link).catch(() => undefined);
  if (there && !there.isSymbolicLink())
    return `${link} is a file that was put there: it is not made a link to ${newest.name}`;
  if (there && (await readlink(link)) === newest.name) return undefined;
  const fresh = join(work, LATEST);
  await onDisk(link, async () => {
    await symlink(newest.name, fresh);
    await rename(fresh, link);
  });
  return undefined;
}

/** Removes what no rule keeps, and manifests that have lost their backup. Gives the names of the backups removed. */
export async function removeExpired(
  folder: string,
  clusterId: string,
  policy: RetentionPolicy,
  now: Date,
): Promise<string[]> {
  const due = await dueIn(folder, clusterId, policy, now);
  for (const { name } of due) {
    // The backup first: without it the manifest is nothing, the other way round it would look unproven.
    await onDisk(folder, async () => {
      await rm(join(folder, name), { force: true });
      await rm(join(folder, manifestName(name)), { force: true });
    });
  }
  await removeOrphans(folder, now);
  return due.map(({ name }) => name);
}

const ORPHAN_MS = 3_600_000;

/** Manifests whose backup never came, since a run was killed just then. */
async function removeOrphans(folder: string, now: Date): Promise<void> {
  const names = new Set(await onDisk(folder, () => readdir(folder)));
  for (const name of names) {
    const backup = name.slice(0, -'.json'.length);
    if (manifestName(backup) !== name || !parseBackupFileName(backup) || names.has(backup)) continue;
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: now.getTime() }));
    if (now.getTime() - mtimeMs > ORPHAN_MS) await onDisk(path, () => rm(path, { force: true }));
  }
}

export async function dueIn(folder: string, clusterId: string, policy: RetentionPolicy, now: Date) {
  const backups = await findBackups(folder);
  const own = backups.flatMap(({ name, takenAt, manifest, verified }) =>
    manifest
      ? [{ name, takenAt, clusterId: manifest.cluster.id, verified: verified !== 'no', cluster: manifest.cluster.name }]
      : [],
  );
  const newest = own.find((one) => one.clusterId === clusterId);
  return expired(
    own.filter((one) => one.cluster === newest?.cluster),
    clusterId,
    policy,
    now,
  );
}
