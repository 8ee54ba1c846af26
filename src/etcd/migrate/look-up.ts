import { firstKey, type KeysApi, type KeyValue, prefixEnd } from '../grpc/keys.ts';
import { walkKeys } from '../keys/walk.ts';
import { atAKnownTime } from './leases.ts';
import type { Twin } from './twins.ts';

type Api = Pick<KeysApi, 'range' | 'leaseSeconds'>;

const AT_ONCE = 32;
/** Up to so many others are read along, before keys are asked for one by one. */
const OTHERS = 5_000;

/** What v3 has under these names, at one revision, with the ends of their leases. @param now by the clock of the cluster. */
export async function lookUp(
  api: Api,
  names: readonly Buffer[],
  revision: bigint,
  now: () => number,
): Promise<Map<string, KeyValue & Twin>> {
  const wanted = new Map(names.map((name) => [name.toString('latin1'), name]));
  const found = new Map<string, KeyValue & Twin>();
  if (wanted.size === 0) return found;
  const prefix = sharedStart(names);
  const range = { key: firstKey(prefix), end: prefixEnd(prefix), revision };
  const { count } = await api.range({ ...range, countOnly: true });
  if (count <= BigInt(wanted.size * 2 + OTHERS)) {
    for await (const page of walkKeys(api, { prefix, revision })) {
      for (const one of page) if (wanted.has(one.key.toString('latin1'))) found.set(one.key.toString('latin1'), one);
    }
  } else {
    await eachOf([...wanted.values()], async (key) => {
      const [one] = (await api.range({ key, revision })).keys;
      if (one) found.set(key.toString('latin1'), one);
    });
  }
  const ends = new Map<bigint, number | undefined>();
  const ids = [...new Set([...found.values()].map(({ lease }) => lease))].filter((id) => id !== 0n);
  await eachOf(ids, async (id) => {
    const { said, atMs } = await atAKnownTime(now, () => api.leaseSeconds(id));
    ends.set(id, said === undefined ? undefined : atMs + said * 1000);
  });
  for (const one of found.values()) one.endsAtMs = ends.get(one.lease);
  return found;
}

async function eachOf<T>(all: readonly T[], act: (one: T) => Promise<unknown>): Promise<void> {
  const next = all.values();
  const worker = async () => {
    for (const one of next) await act(one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** What all names begin with. */
export function sharedStart(names: readonly Buffer[]): Buffer {
  let [first = Buffer.alloc(0)] = names;
  for (const name of names) {
    let length = 0;
    while (length < first.length && length < name.length && first[length] === name[length]) length += 1;
    first = first.subarray(0, length);
  }
  return first;
}
