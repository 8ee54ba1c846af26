import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../../../src/etcd/backup/manifest.ts';
import { backupFileName, type Compression, v2FileName } from '../../../../src/etcd/backup/naming.ts';

/** A backup as it is made for a test. */
export interface Made {
  /** ISO. */
  at: string;
  revision?: number;
  clusterId?: string;
  compression?: Compression;
  /** Of its snapshot, and of what it has of the v2 API. */
  bytes?: string;
  v2?: string;
}

export function sumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Writes what a run has in its work folder when it has proven a backup of `orders`, with the manifest of it. */
export function madeIn(work: string, made: Made): { file: string; manifest: Manifest; v2: string | undefined } {
  const { at, revision = 5, clusterId = 'abc', compression = 'none', bytes = 'snap', v2 } = made;
  const own = randomBytes(4).toString('hex');
  const [file, v2File] = [join(work, own), v2 === undefined ? undefined : join(work, `${own}.v2`)];
  writeFileSync(file, bytes);
  if (v2File !== undefined) writeFileSync(v2File, v2!);
  const naming = {
    cluster: 'orders',
    takenAt: new Date(at),
    revision: BigInt(revision),
    compression,
    encryption: 'none',
  } as const;
  const sums = (text: string) => ({ sizeBytes: text.length, sha256: sumOf(text) });
  const manifest: Manifest = {
    format: 1,
    cluster: { name: 'orders', id: clusterId },
    takenAt: at,
    takenOn: 'here',
    revision: String(revision),
    from: { host: 'h1', name: 'etcd-h1', id: '1', version: '3.5.30', raftTerm: '2', raftIndex: '9' },
    members: [],
    versions: {},
    snapshot: sums(bytes),
    file: { name: backupFileName(naming), ...sums(bytes), compression, encryption: 'none' },
    ...(v2 !== undefined && { v2: { name: v2FileName(naming), ...sums(v2) } }),
    proof: {
      trailer: true,
      database: { tool: 'etcdutl', hash: '1', revision: String(revision), keys: 1 },
      restored: undefined,
      agree: [],
      at,
    },
  };
  return { file, manifest, v2: v2File };
}
