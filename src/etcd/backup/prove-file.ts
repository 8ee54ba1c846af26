import { readFile, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PlayError } from '../../errors.ts';
import { BlockFile } from '../../local/block-file.ts';
import { parseVersion } from '../versions.ts';
import type { Identity } from './age/keys.ts';
import { NotBoltError } from './bolt.ts';
import { checkDatabase, type DatabaseFacts } from './database.ts';
import { type Manifest, parseManifest } from './manifest.ts';
import { type Compression, manifestName } from './naming.ts';
import { explainedFor } from './on-disk.ts';
import { openBackup } from './packing.ts';
import { type SnapshotSums, snapshotSums, sumSnapshot, TRAILER_BYTES } from './snapshot-sum.ts';
import type { EtcdTools } from './tools.ts';
import { type RestoredFacts, tryRestore } from './trial.ts';
import { readWriting, type Writing } from './writing.ts';

/** The file is no backup that can be restored; the message says why. */
export class BadBackupError extends PlayError {
  override readonly name = 'BadBackupError';
}

export interface FileProofRequest {
  /** The backup as it lies: packed or not, or a link to it. */
  path: string;
  identities?: readonly Identity[] | undefined;
  /** A folder for what is unpacked and restored, on a disk with room for both. */
  folder: string;
  /** etcd's programs to prove it with. */
  toolsFor(origin: Origin): Promise<EtcdTools>;
  withTrial: boolean;
  signal: AbortSignal;
}

/** What wrote a snapshot, as far as it is known. */
export interface Origin {
  /** Of the member, by the manifest. */
  version: string | undefined;
  /** `3.5.0`: of the cluster, by the database. */
  clusterVersion: string | undefined;
}

export interface ProvenFile {
  /** The snapshot unpacked: the file itself, or one in the folder. */
  plain: string;
  sums: SnapshotSums;
  compression: Compression;
  isEncrypted: boolean;
  /** A database file that was copied, not a snapshot that a member gave: it has no sum of its own. */
  isBare: boolean;
  manifest: Manifest | undefined;
  writing: Writing;
  tools: EtcdTools;
  database: DatabaseFacts;
  restored: RestoredFacts | undefined;
}

/**
 * Proves that a file can be restored, by itself: nothing of a cluster is needed. First what costs nothing (is it there, is
 * it whole, does it say what its manifest says), then etcd's own check, then a trial restore.
 * @throws BadBackupError, InputError with the reason.
 */
export async function proveFile(request: FileProofRequest): Promise<ProvenFile> {
  const { folder, withTrial, toolsFor, signal } = request;
  const path = await realpath(request.path).catch(() => request.path);
  const info = await stat(path).catch(() => undefined);
  if (info?.isFile() && info.size === 0) throw bad(path, 'it is empty');
  if (info && !info.isFile() && !info.isDirectory()) throw bad(path, 'it is no file');
  const manifest = await manifestBeside(path);
  const unpacked = await unpack(path, request);
  const { plain, sums } = unpacked;
  const writing = await readWriting(plain).catch((error: unknown) => {
    if (error instanceof NotBoltError) throw bad(path, notWhole(error.message, sums, manifest));
    throw error;
  });
  const fault = sizeFault(sums, writing, manifest);
  if (fault) throw bad(path, fault);
  const tools = await toolsFor({ version: manifest?.from.version, clusterVersion: writing.clusterVersion });
  const newer = newerThan(writing.clusterVersion, tools.version);
  if (newer) throw bad(path, newer, 'Set ETCD_VERSION to one that can read it.');
  const checking = checkDatabase(tools, plain, signal);
  const isBare = sums.trailer === 'none';
  const compactedTo = manifest?.proof.restored && Promise.resolve(BigInt(manifest.proof.restored.compactRevision));
  const restored = withTrial
    ? await tryRestore({ tools, file: plain, folder, checking, compactedTo, isBare, signal }).catch(saidOf(path))
    : undefined;
  const database = await checking.catch(saidOf(path));
  const differs = restored && manifest && otherThan(restored, manifest);
  if (differs) throw bad(path, differs);
  return { ...unpacked, isBare, manifest, writing, tools, database, restored };
}

async function manifestBeside(path: string): Promise<Manifest | undefined> {
  const file = join(dirname(path), manifestName(basename(path)));
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : parseManifest(text, file);
}

async function unpack(path: string, { identities, folder, signal }: FileProofRequest) {
  const { plain, compression, isEncrypted } = await openBackup(path, identities);
  if (compression === 'none' && !isEncrypted) {
    plain.destroy();
    return { plain: path, sums: await sumSnapshot(path), compression, isEncrypted };
  }
  const target = join(folder, 'unpacked.db');
  await rm(target, { force: true });
  const file = await BlockFile.create(target, { endBytes: TRAILER_BYTES, explained: explainedFor(target) });
  let sums: SnapshotSums;
  try {
    for await (const piece of plain) {
      if (signal.aborted) throw new PlayError('the run was ended');
      await file.write(piece as Buffer);
    }
    sums = snapshotSums(await file.finish());
  } finally {
    plain.destroy();
    await file.abandon();
  }
  if (sums.sizeBytes === 0) throw bad(path, 'nothing is in it');
  return { plain: target, sums, compression, isEncrypted };
}

/** Why a file that is no database is none: one that was cut in its first pages looks like that too. Pure. */
export function notWhole(words: string, sums: SnapshotSums, manifest: Manifest | undefined): string {
  const whole = manifest?.snapshot.sizeBytes;
  if (whole !== undefined && sums.sizeBytes < whole) return cutShort(sums.sizeBytes, whole);
  return words;
}

/** What sizes and sums say against a snapshot; undefined where they say nothing. Pure. */
export function sizeFault(
  sums: SnapshotSums,
  { usedBytes }: Pick<Writing, 'usedBytes'>,
  manifest: Pick<Manifest, 'snapshot'> | undefined,
): string | undefined {
  const { sizeBytes, trailer, sha256 } = sums;
  const whole = manifest?.snapshot.sizeBytes;
  if (sizeBytes < usedBytes) return cutShort(sizeBytes, whole ?? usedBytes + TRAILER_BYTES);
  if (whole !== undefined && sizeBytes !== whole) {
    if (sizeBytes < whole) return cutShort(sizeBytes, whole);
    return `it has ${sizeBytes} bytes, and its manifest says ${whole}`;
  }
  if (trailer === 'wrong') return 'its content is not what the sum at its end says: a byte of it was changed';
  // Pages are whole multiples of 512 bytes: what is over is the beginning of the sum.
  if (trailer === 'none' && sizeBytes % 512 !== 0) return 'it is cut short: the sum at its end is not whole';
  if (manifest && sha256 !== manifest.snapshot.sha256) return 'it is not the snapshot that its manifest describes';
  return undefined;
}

function cutShort(have: number, whole: number): string {
  return `it is cut short: ${have} bytes of ${whole}`;
}

/** Data of a newer minor version than that of the programs. Undefined where they can be read. Pure. */
export function newerThan(written: string | undefined, tools: string): string | undefined {
  const data = written === undefined ? undefined : parseVersion(written);
  const own = parseVersion(tools);
  if (!data || !own || (data.major - own.major || data.minor - own.minor) <= 0) return undefined;
  return `it was written by etcd ${data.major}.${data.minor}, and etcd ${tools} cannot read what a newer version wrote`;
}

/** In what a restored copy is not what was proven when the backup was taken. Pure. */
export function otherThan(copy: RestoredFacts, { proof }: Pick<Manifest, 'proof'>): string | undefined {
  if (!proof.restored) return undefined;
  const { revision, keys, hash, compactRevision } = proof.restored;
  const found = [
    ...(String(copy.revision) === revision ? [] : [`revision ${copy.revision}, not ${revision}`]),
    ...(String(copy.keyCount) === keys ? [] : [`${copy.keyCount} keys, not ${keys}`]),
    ...(copy.hash === hash || String(copy.compactRevision) !== compactRevision ? [] : ['other content']),
  ];
  return found.length === 0 ? undefined : `restored it is not what its manifest says: ${found.join(', ')}`;
}

function bad(path: string, why: string, next = 'Take another copy: play backups lists what there is.'): BadBackupError {
  return new BadBackupError(`${path}: ${why}`, { next });
}

/** What etcd's tools say against it. */
function saidOf(path: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof PlayError && error.constructor === PlayError) throw bad(path, error.message);
    throw error;
  };
}
