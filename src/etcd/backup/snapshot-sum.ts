import { open } from 'node:fs/promises';
import type { BlockFileResult } from '../../local/block-file.ts';
import { SumThread } from '../../local/sum-thread.ts';

/** How long the sum is that a member puts at the end of a snapshot. */
export const TRAILER_BYTES = 32;

export interface SnapshotSums {
  /** Of the whole file, its trailer included. */
  sha256: string;
  sizeBytes: number;
  /**
   * A snapshot that a member gave ends with the sha256 of all that stands before (its size is then 32 over a multiple of
   * 512); a copied database file has none (etcd-io/etcd etcdutl/snapshot, hasChecksum).
   */
  trailer: 'right' | 'wrong' | 'none';
}

/** What a file's sums say of its trailer: `before` is of all but its last {@link TRAILER_BYTES}, `end`. Pure. */
export function snapshotSums({ sha256, sizeBytes, before, end }: BlockFileResult): SnapshotSums {
  const hasTrailer = sizeBytes % 512 === TRAILER_BYTES;
  return { sha256, sizeBytes, trailer: hasTrailer ? (end.toString('hex') === before ? 'right' : 'wrong') : 'none' };
}

/** The sums of a snapshot that is there already. */
export async function sumSnapshot(path: string): Promise<SnapshotSums> {
  const file = await open(path);
  const thread = new SumThread(file.fd);
  try {
    const { size } = await file.stat();
    return snapshotSums({ sizeBytes: size, ...(await thread.of(0, size, TRAILER_BYTES)) });
  } finally {
    await thread.close();
    await file.close();
  }
}
