import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, parseManifest, type V2Part, type Verified, verifiedOf } from './manifest.ts';
import { type BackupName, LATEST, manifestName, parseBackupFileName } from './naming.ts';
import { onDisk } from './on-disk.ts';
import { newestFirst } from './order.ts';

/** A backup as it lies in a folder. */
export interface FoundBackup extends BackupName {
  name: string;
  path: string;
  sizeBytes: number;
  /** When it counts as taken: `takenAt`, but where a clock stood behind. */
  rankedAt: Date;
  manifest: Manifest | undefined;
  verified: Verified;
  /** Why it does not count as verified although it is there; empty otherwise. */
  fault: string;
}

/** The backups in a folder, newest first. What bears another name is not looked at; a folder that is not there has none. */
export async function findBackups(folder: string): Promise<FoundBackup[]> {
  const names = await onDisk(folder, () => readdir(folder)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const found = await Promise.all(names.map((name) => lookAt(folder, name)));
  return found.flatMap((one) => one ?? []).sort(newestFirst);
}

async function lookAt(folder: string, name: string): Promise<FoundBackup | undefined> {
  const parsed = name === LATEST ? undefined : parseBackupFileName(name);
  if (!parsed) return undefined;
  const path = join(folder, name);
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) return undefined;
  const base = { ...parsed, name, path, sizeBytes: info.size, rankedAt: parsed.takenAt };
  const file = join(folder, manifestName(name));
  const bad = (fault: string) => ({ ...base, manifest: undefined, verified: 'no' as const, fault });
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return bad('it has no manifest');
  try {
    const manifest = parseManifest(text, file);
    if (manifest.file.name !== name) return bad(`its manifest is that of ${manifest.file.name}`);
    if (manifest.file.sizeBytes !== info.size) return bad(`it has ${info.size} bytes, not ${manifest.file.sizeBytes}`);
    const v2 = manifest.v2 && (await v2Fault(folder, manifest.v2));
    if (v2) return bad(v2);
    const rankedAt = manifest.rankedAt === undefined ? parsed.takenAt : new Date(manifest.rankedAt);
    return { ...base, rankedAt, manifest, verified: verifiedOf(manifest.proof), fault: '' };
  } catch (error) {
    return bad((error as Error).message);
  }
}

async function v2Fault(folder: string, { name, sizeBytes }: V2Part): Promise<string | undefined> {
  const info = await stat(join(folder, name)).catch(() => undefined);
  if (!info?.isFile()) return `its v2 data are not there: ${name}`;
  return info.size === sizeBytes ? undefined : `its v2 data have ${info.size} bytes, not ${sizeBytes}`;
}
