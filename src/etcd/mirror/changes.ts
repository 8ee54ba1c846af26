import type { KeyChange } from '../grpc/keys.ts';
import type { WatchEvent } from '../grpc/watch.ts';
import { type Mapping, mapKey } from './mapping.ts';

/** etcd takes 128 operations in a transaction (max-txn-ops) and 1.5 MiB in a request (max-request-bytes). */
const MOST = 100;
const MOST_BYTES = 1024 ** 2;

export const bytesOfChange = (one: KeyChange): number =>
  64 + ('remove' in one ? one.remove.length : one.put.length + one.value.length);

const nameOf = (one: KeyChange) => ('remove' in one ? one.remove : one.put).toString('latin1');

/**
 * Events as transactions for the other side, in their order. What was one revision stays one where it fits; neighbours are
 * put together as long as no key comes twice, so that who watches there sees each value. Pure.
 */
export function changesOf(events: readonly WatchEvent[], mapping: Mapping): KeyChange[][] {
  const groups: KeyChange[][] = [];
  let names = new Set<string>();
  let bytes = 0;
  for (const revision of byRevision(events)) {
    const changes = revision.flatMap((one) => changeOf(one, mapping) ?? []);
    const size = changes.reduce((sum, one) => sum + bytesOfChange(one), 0);
    const open = groups.at(-1);
    const fits = open && open.length + changes.length <= MOST && bytes + size <= MOST_BYTES;
    if (fits && !changes.some((one) => names.has(nameOf(one)))) open.push(...changes);
    else {
      names = new Set();
      bytes = 0;
      for (let at = 0; at < changes.length; at += MOST) groups.push(changes.slice(at, at + MOST));
    }
    for (const one of changes) names.add(nameOf(one));
    bytes += size;
  }
  return groups.filter((one) => one.length > 0);
}

function byRevision(events: readonly WatchEvent[]): WatchEvent[][] {
  const groups: WatchEvent[][] = [];
  for (const one of events) {
    const open = groups.at(-1);
    if (open && open[0]!.kv.modRevision === one.kv.modRevision) open.push(one);
    else groups.push([one]);
  }
  return groups;
}

function changeOf({ deleted, kv }: WatchEvent, mapping: Mapping): KeyChange | undefined {
  const key = mapKey(mapping, kv.key);
  if (!key) return undefined;
  return deleted ? { remove: key } : { put: key, value: kv.value };
}
