import { createReadStream, existsSync } from 'node:fs';
import { lstat, open, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PlayError } from '../../errors.ts';
import { syncDirectory } from '../releases/cache.ts';
import { type FoundBackup, findBackups } from './catalogue.ts';
import { aSecondLater, type Manifest, manifestText } from './manifest.ts';
import { claimName } from './name-apart.ts';
import { LATEST, manifestName, parseBackupFileName, v2NameBeside } from './naming.ts';
import { onDisk } from './on-disk.ts';
import { rankBeside } from './order.ts';
import { writeFrom } from './packing.ts';
import { expired, type RetentionPolicy } from './retention.ts';
import { sumSnapshot } from './snapshot-sum.ts';
import { othersWorkIn } from './work-folder.ts';

/** A backup that is in its place, and what lies beside it. */
export interface KeptBackup {
  path: string;
  manifest: Manifest;
}

/**
 * Gives a proven file its name, and what was saved of the v2 API beside it; it counts as newer than all that is there. Where
 * another run has taken that name, since both began in one second, it is named as of the next free second. The manifest
 * comes first, the snapshot last: a file that bears a backup's name is whole and has been proven, whenever this is
 * interrupted. Both are on the disk when it returns.
 */
export async function keepFile(source: string, folder: string, proven: Manifest, v2?: string): Promise<KeptBackup> {
  const there = await findBackups(folder);
  for (let own = proven; ; own = aSecondLater(own)) {
    const manifest = ranked(own, there);
    if (!(await onDisk(folder, () => isPlaced(source, folder, manifest, v2)))) continue;
    await onDisk(folder, () => syncDirectory(folder));
    return { path: join(folder, manifest.file.name), manifest };
  }
}

/** The name is his whose manifest bears it. False where it is taken: then nothing of this backup is there. */
async function isPlaced(source: string, folder: string, manifest: Manifest, v2?: string): Promise<boolean> {
  const { name } = manifest.file;
  const target = join(folder, name);
  const described = `${source}.json`;
  const claimed: string[] = [];
  const claim = async (part: string, wanted: string) => {
    if (!(await claimName(part, join(folder, wanted)))) return false;
    claimed.push(join(folder, wanted));
    await rm(part, { force: true });
    return true;
  };
  let isDone = false;
  try {
    await writeSynced(described, manifestText(manifest));
    if (!(await claim(described, manifestName(name))) || existsSync(target)) return false;
    if (v2 !== undefined && !(await claim(v2, manifest.v2!.name))) return false;
    await rename(source, target);
    isDone = true;
    return true;
  } finally {
    await rm(described, { force: true });
    if (!isDone) for (const path of claimed) await rm(path, { force: true });
  }
}

/** A name tells the time to the second. */
function ranked(manifest: Manifest, there: readonly FoundBackup[]): Manifest {
  const { takenAt } = parseBackupFileName(manifest.file.name)!;
  const own = manifest.rankedAt === undefined ? takenAt : new Date(manifest.rankedAt);
  const rankedAt = rankBeside(own, there);
  return rankedAt.getTime() === takenAt.getTime() ? manifest : { ...manifest, rankedAt: rankedAt.toISOString() };
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

/** The same backup in another folder; a second copy that is not whole is none. It may be there already. */
export async function copyBackup(
  path: string,
  work: string,
  folder: string,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<KeptBackup> {
  if (await isThere(folder, manifest)) return { path: join(folder, manifest.file.name), manifest };
  const copied = async ({ name, sha256 }: { name: string; sha256: string }) => {
    const part = join(work, name);
    const from = createReadStream(join(dirname(path), name), { highWaterMark: 1024 * 1024 });
    const written = await writeFrom(part, [from], signal).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      throw new PlayError(`${path} is gone before it was copied: another run has removed it`, { next: 'Run again.' });
    });
    if (written.sha256 === sha256) return part;
    throw new PlayError(`${folder}: the copy is not what was written`, { next: 'Look at that disk, then run again.' });
  };
  const part = await copied(manifest.file);
  return keepFile(part, folder, manifest, manifest.v2 && (await copied(manifest.v2)));
}

async function isThere(folder: string, manifest: Manifest): Promise<boolean> {
  const found = (await findBackups(folder)).find(({ name }) => name === manifest.file.name);
  if (!found?.manifest || manifestText(found.manifest) !== manifestText(manifest)) return false;
  for (const { name, sha256 } of [manifest.file, ...(manifest.v2 ? [manifest.v2] : [])]) {
    if ((await sumSnapshot(join(folder, name))).sha256 !== sha256) return false;
  }
  return true;
}

/**
 * Lets `etcd_snapshot.db` lead to the newest verified backup: the name that the reference's restore reads. A file of that
 * name that someone put there stays. Gives what is to be said, if anything.
 */
export async function linkLatest(folder: string, work: string): Promise<string | undefined> {
  const link = join(folder, LATEST);
  // Looked at once more when it is made: another run may have kept a newer one meanwhile.
  for (;;) {
    const newest = (await findBackups(folder)).find((one) => one.verified !== 'no');
    if (!newest) return undefined;
    const there = await lstat(link).catch(() => undefined);
    if (there && !there.isSymbolicLink())
      return `${link} is a file that was put there: it is not made a link to ${newest.name}`;
    if (there && (await readlink(link)) === newest.name) return undefined;
    const fresh = join(work, LATEST);
    await onDisk(link, async () => {
      await symlink(newest.name, fresh);
      await rename(fresh, link);
    });
  }
}

/**
 * Removes what no rule keeps, and manifests that have lost their backup; never the one that was just made. Gives the names
 * of the backups removed.
 */
export async function removeExpired(
  folder: string,
  clusterId: string,
  policy: RetentionPolicy,
  now: Date,
  made?: string,
): Promise<string[]> {
  const due = await dueIn(folder, clusterId, policy, now, made);
  for (const { name, hasV2 } of due) {
    // The backup first: without it the manifest is nothing, the other way round it would look unproven.
    await onDisk(folder, async () => {
      await rm(join(folder, name), { force: true });
      await rm(join(folder, manifestName(name)), { force: true });
      if (hasV2) await rm(join(folder, v2NameBeside(name)!), { force: true });
    });
  }
  await removeOrphans(folder, now);
  return due.map(({ name }) => name);
}

const ORPHAN_MS = 3_600_000;

/** Manifests and v2 data whose backup never came, since a run was killed just then; none while another run may be at it. */
async function removeOrphans(folder: string, now: Date): Promise<void> {
  if (await othersWorkIn(folder)) return;
  const names = new Set(await onDisk(folder, () => readdir(folder)));
  for (const name of names) {
    const backup = name.replace(/\.json$/, '');
    const isManifest = manifestName(backup) === name && parseBackupFileName(backup) !== undefined;
    if (!(isManifest ? !names.has(backup) : isV2Name(name) && !hasOwner(name, names))) continue;
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: now.getTime() }));
    if (now.getTime() - mtimeMs > ORPHAN_MS) await onDisk(path, () => rm(path, { force: true }));
  }
}

const isV2Name = (name: string) => /^etcd_.+_r\d{1,19}\.v2\.tar\.gz(\.age)?$/.test(name);

function hasOwner(v2: string, names: ReadonlySet<string>): boolean {
  return [...names].some((name) => v2NameBeside(name) === v2);
}

async function dueIn(folder: string, clusterId: string, policy: RetentionPolicy, now: Date, made?: string) {
  const own = (await findBackups(folder)).flatMap(({ manifest, verified, ...one }) => {
    if (!manifest) return [];
    const { cluster, v2 } = manifest;
    const hasV2 = v2 !== undefined;
    return [{ ...one, cluster: cluster.name, clusterId: cluster.id, verified: verified !== 'no', hasV2 }];
  });
  const newest = own.find((one) => one.clusterId === clusterId);
  return expired(
    own.filter((one) => one.cluster === newest?.cluster),
    clusterId,
    policy,
    now,
    made,
  );
}
