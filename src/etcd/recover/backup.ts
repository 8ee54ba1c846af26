import { realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { InputError } from '../../errors.ts';
import { type FoundBackup, findBackups } from '../backup/catalogue.ts';
import type { BackupChoice } from '../plan/recover.ts';

/** The backup that was named, or else the newest verified one of this cluster; undefined where there is none. */
export async function backupChoice(
  folder: string,
  named: string | undefined,
  cluster: string,
): Promise<BackupChoice | undefined> {
  const found = await findBackups(folder);
  if (named === undefined) {
    const newest = found.find((one) => one.verified !== 'no' && one.cluster === cluster);
    return newest && { ...factsOf(newest), file: newest.path, isNamed: false };
  }
  const info = await stat(named).catch(() => undefined);
  if (!info) {
    throw new InputError(`there is no backup ${named}`, { next: 'play backups -i … lists what there is.' });
  }
  // Mostly it is named by the link to the newest.
  const real = await realpath(named);
  const known = (await Promise.all(found.map(async (one) => ({ ...one, real: await realpath(one.path) })))).find(
    (one) => one.real === real,
  );
  if (known) return { ...factsOf(known), file: named, isNamed: true };
  return {
    file: named,
    name: basename(real),
    revision: undefined,
    takenAt: undefined,
    sizeBytes: info.size,
    clusterId: undefined,
    isNamed: true,
  };
}

function factsOf({ name, revision, takenAt, manifest, sizeBytes }: FoundBackup) {
  return {
    name,
    revision,
    takenAt: takenAt.toISOString(),
    sizeBytes: manifest?.snapshot.sizeBytes ?? sizeBytes,
    clusterId: manifest?.cluster.id,
  };
}
