import { stat } from 'node:fs/promises';
import { openBolt } from './bolt.ts';

/** What a database file says of the cluster it is from. */
export interface Writing {
  /** The version of the cluster (`3.5.0`), from its buckets `meta` and `cluster`; undefined before a cluster had one. */
  clusterVersion: string | undefined;
  /** Users must log in: a copy that is started asks for it too. */
  isGuarded: boolean;
  /** How long the file must be at least, without the sum at its end. */
  usedBytes: number;
}

/** @throws NotBoltError where it is no such file, or its first pages are damaged. */
export async function readWriting(path: string): Promise<Writing> {
  const file = await openBolt(path);
  try {
    const { usedBytes } = file;
    // Of a file that is too short its size says more than the first page that is missed.
    if ((await stat(path)).size < usedBytes) return { clusterVersion: undefined, isGuarded: false, usedBytes };
    const [meta, cluster, auth] = await Promise.all(['meta', 'cluster', 'auth'].map((name) => file.bucket(name)));
    // From 3.6 on the form of the data has a version of its own.
    const said = meta?.get('storageVersion') ?? cluster?.get('clusterVersion');
    return {
      clusterVersion: said && /^\d+\.\d+\.\d+/.exec(said.toString('latin1'))?.[0],
      isGuarded: auth?.get('authEnabled')?.[0] === 1,
      usedBytes,
    };
  } finally {
    await file.close();
  }
}
