import type { KeyChange, KeysApi, KeyValue } from '../grpc/keys.ts';
import { batches } from './batches.ts';

/** What stands where a saved key is to come back to. */
export interface UndoCounts {
  /** Nothing: it is put back. */
  missing: number;
  /** The same value: nothing is to be done. */
  same: number;
  /** Another value. */
  other: Buffer[];
  /** Leases of the saved keys that are still there, and those that have ended. */
  leases: Set<bigint>;
  endedLeases: Set<bigint>;
}

type Api = Pick<KeysApi, 'range' | 'change' | 'leaseSeconds'>;

const AT_ONCE = 16;

/** Looks at each saved key. */
export async function lookForUndo(api: Api, pages: AsyncIterable<readonly KeyValue[]>): Promise<UndoCounts> {
  const counts: UndoCounts = { missing: 0, same: 0, other: [], leases: new Set(), endedLeases: new Set() };
  for await (const page of pages) {
    for (let at = 0; at < page.length; at += AT_ONCE) {
      await Promise.all(
        page.slice(at, at + AT_ONCE).map(async (saved) => {
          const [now] = (await api.range({ key: saved.key })).keys;
          if (!now) counts.missing += 1;
          else if (now.value.equals(saved.value)) counts.same += 1;
          else counts.other.push(saved.key);
        }),
      );
    }
    for (const { lease } of page) {
      if (lease === 0n || counts.leases.has(lease) || counts.endedLeases.has(lease)) continue;
      const isThere = (await api.leaseSeconds(lease)) !== undefined;
      (isThere ? counts.leases : counts.endedLeases).add(lease);
    }
  }
  return counts;
}

export interface UndoOptions {
  /** Leases that are still there. */
  leases: ReadonlySet<bigint>;
  /** Keys with another value get that of before. */
  overwrite: boolean;
  onProgress(done: number): void;
}

/** Puts saved keys back, where they are missing. Gives how many were. */
export async function undo(
  api: Api,
  pages: AsyncIterable<readonly KeyValue[]>,
  { leases, overwrite, onProgress }: UndoOptions,
): Promise<number> {
  const put = ({ key, value, lease }: KeyValue): KeyChange =>
    leases.has(lease) ? { put: key, value, lease } : { put: key, value };
  const absent = ({ key }: KeyValue) => ({ key, modRevision: 0n });
  let written = 0;
  let done = 0;
  for await (const page of pages) {
    for (const batch of batches(page, ({ key, value }) => 2 * key.length + value.length + 64)) {
      const all = await api.change(batch.map(put), batch.map(absent));
      if (all.done) written += batch.length;
      else for (const one of batch) written += (await undoOne(api, one, put(one), overwrite)) ? 1 : 0;
      done += batch.length;
      onProgress(done);
    }
  }
  return written;
}

async function undoOne(api: Api, saved: KeyValue, change: KeyChange, overwrite: boolean): Promise<boolean> {
  const [now] = (await api.range({ key: saved.key })).keys;
  if (now && (now.value.equals(saved.value) || !overwrite)) return false;
  const { done } = await api.change([change], [{ key: saved.key, modRevision: now?.modRevision ?? 0n }]);
  return done;
}
