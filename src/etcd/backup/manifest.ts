import { InputError } from '../../errors.ts';
import type { Member } from '../cluster.ts';
import {
  backupFileName,
  type Compression,
  compressions,
  type Encryption,
  encryptions,
  parseBackupFileName,
  v2FileName,
} from './naming.ts';
import type { V2Facts } from './v2/keys.ts';

/** How a copy was proven before it counted. */
export interface Proof {
  /** The sum at the end of the snapshot is that of its content. */
  trailer: boolean;
  /** What etcd's own tool read from the database file. */
  database: { tool: string; hash: string; revision: string; keys: number } | undefined;
  /** The copy was restored and read, and said what the member says of that revision. */
  restored: { etcd: string; revision: string; compactRevision: string; keys: string; hash: number } | undefined;
  /** Members that said the same of that revision. */
  agree: readonly string[];
  at: string;
}

/** What the v2 API holds, where it holds something: in a file of its own, since a snapshot has nothing of it. */
export interface V2Part {
  /** A tar of what `etcdctl backup` wrote, packed with gzip and encrypted as the snapshot is. */
  name: string;
  sizeBytes: number;
  sha256: string;
  /** Missing where users of the v2 API must log in: then nobody could count. */
  facts?: V2Facts | undefined;
  /** It was started on trial, by this version of etcd. */
  startedBy?: string | undefined;
  /** It held then what its member had: undefined where that was written to meanwhile. */
  asMember?: boolean | undefined;
}

/** What lies beside a backup: all that a restore, and the person before it, wants to know. */
export interface Manifest {
  format: 1;
  cluster: { name: string; id: string };
  takenAt: string;
  /** Where the clock stood behind a backup that was there before: when this one counts as taken, just after that one. */
  rankedAt?: string | undefined;
  /** The control machine. */
  takenOn: string;
  /** Numbers of 64 bits are texts: JSON's readers round them. */
  revision: string;
  /** The member that gave it. */
  from: { host: string; name: string; id: string; version: string; raftTerm: string; raftIndex: string };
  members: readonly Member[];
  versions: Readonly<Record<string, string>>;
  /** The snapshot itself, as a restore needs it. */
  snapshot: { sizeBytes: number; sha256: string };
  /** The file as it lies here. */
  file: { name: string; sizeBytes: number; sha256: string; compression: Compression; encryption: Encryption };
  v2?: V2Part | undefined;
  proof: Proof;
}

/** `restored`: a trial restore said what the member says; `checked`: its sum and its database are whole; else `no`. */
export type Verified = 'restored' | 'checked' | 'no';

export function verifiedOf(proof: Proof | undefined): Verified {
  if (proof?.restored) return 'restored';
  return proof?.database ? 'checked' : 'no';
}

/** The same backup as if it were taken a second later: for one whose name is taken. Pure. */
export function aSecondLater(manifest: Manifest): Manifest {
  const { file, v2 } = manifest;
  const takenAt = new Date(Date.parse(manifest.takenAt) + 1000);
  const naming = { ...parseBackupFileName(file.name)!, takenAt };
  return {
    ...manifest,
    takenAt: takenAt.toISOString(),
    file: { ...file, name: backupFileName(naming) },
    ...(v2 && { v2: { ...v2, name: v2FileName(naming) } }),
  };
}

export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

/** @throws InputError naming the file, where it is no manifest of ours. */
export function parseManifest(text: string, file: string): Manifest {
  const wrong = (why: string) =>
    new InputError(`${why}: this is no manifest of a backup`, { file, next: 'Move it aside: it says nothing.' });
  let parsed: Partial<Manifest>;
  try {
    parsed = JSON.parse(text) as Partial<Manifest>;
  } catch {
    throw wrong('it is no JSON');
  }
  if (typeof parsed !== 'object' || parsed === null) throw wrong('it is no object');
  if (parsed.format !== 1) throw wrong(`its format is ${JSON.stringify(parsed.format)}, not 1`);
  const { cluster, takenAt, rankedAt = takenAt, revision, from, members, snapshot, file: stored, proof } = parsed;
  const isText = (value: unknown): value is string => typeof value === 'string';
  const isSum = (value: unknown) => isText(value) && /^[0-9a-f]{64}$/.test(value);
  const isSize = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!isText(cluster?.name) || !/^[0-9a-f]+$/.test(cluster.id)) throw wrong('it names no cluster');
  const isTime = (value: unknown) => isText(value) && !Number.isNaN(Date.parse(value));
  if (!isTime(takenAt) || !isTime(rankedAt)) throw wrong('it has no time');
  if (!isText(revision) || !/^\d{1,19}$/.test(revision)) throw wrong('it has no revision');
  if (!isText(from?.host) || !isText(from.version) || !Array.isArray(members)) throw wrong('it names no members');
  if (!isSum(snapshot?.sha256) || !isSize(snapshot?.sizeBytes)) throw wrong('it has no sum of the snapshot');
  if (!isSum(stored?.sha256) || !isSize(stored?.sizeBytes) || !isText(stored?.name)) throw wrong('it has no sum');
  if (!compressions.includes(stored.compression) || !encryptions.includes(stored.encryption)) {
    throw wrong('it says an unknown way of packing');
  }
  if (typeof proof !== 'object') throw wrong('it has no proof');
  const { v2 } = parsed;
  if (v2 !== undefined && (!isText(v2.name) || v2.name.includes('/') || !isSize(v2.sizeBytes) || !isSum(v2.sha256))) {
    throw wrong('it has no sum of the v2 data');
  }
  return parsed as Manifest;
}
