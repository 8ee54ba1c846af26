import type { KeysApi, KeyValue } from '../grpc/keys.ts';
import { batches } from './batches.ts';

export interface Deleted {
  deleted: number;
  /** They were gone already. */
  gone: number;
  /** They were written since they were saved, and stay. */
  changed: Buffer[];
}

/** Deletes keys as they were saved: one that has another value by now has no copy, and stays. */
export async function deleteSaved(
  api: Pick<KeysApi, 'range' | 'change'>,
  pages: AsyncIterable<readonly KeyValue[]>,
  onProgress: (done: number) => void,
): Promise<Deleted> {
  const result: Deleted = { deleted: 0, gone: 0, changed: [] };
  for await (const page of pages) {
    for (const batch of batches(page, ({ key }) => 2 * key.length + 64)) {
      if (await deleteAll(api, batch)) result.deleted += batch.length;
      else for (const one of batch) await deleteOne(api, one, result);
      onProgress(result.deleted + result.gone + result.changed.length);
    }
  }
  return result;
}

async function deleteAll(api: Pick<KeysApi, 'change'>, keys: readonly KeyValue[]): Promise<boolean> {
  const { done } = await api.change(
    keys.map(({ key }) => ({ remove: key })),
    keys.map(({ key, modRevision }) => ({ key, modRevision })),
  );
  return done;
}

async function deleteOne(api: Pick<KeysApi, 'range' | 'change'>, one: KeyValue, result: Deleted): Promise<void> {
  if (await deleteAll(api, [one])) {
    result.deleted += 1;
    return;
  }
  const { keys } = await api.range({ key: one.key, keysOnly: true });
  if (keys.length === 0) result.gone += 1;
  else result.changed.push(one.key);
}
