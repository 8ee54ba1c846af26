import { firstKey, type KeysApi, type KeyValue, prefixEnd } from '../grpc/keys.ts';

/** About so much is asked for at a time: values may be a megabyte, or three bytes. */
const PAGE_BYTES = 4 * 1024 ** 2;
const FIRST_PAGE = 100;
const LARGEST_PAGE = 5_000;

export interface WalkOptions {
  prefix: Buffer;
  /** As they were then, so that all pages are of one moment. */
  revision: bigint;
  keysOnly?: boolean;
}

/** All keys with a prefix, in their order, in pages: memory stays constant, however many there are. */
export async function* walkKeys(
  api: Pick<KeysApi, 'range'>,
  { prefix, revision, keysOnly = false }: WalkOptions,
): AsyncGenerator<KeyValue[]> {
  const end = prefixEnd(prefix);
  let key = firstKey(prefix);
  let limit = FIRST_PAGE;
  for (;;) {
    const { keys, more } = await api.range({ key, end, limit, revision, keysOnly });
    if (keys.length > 0) yield keys;
    const last = keys.at(-1);
    if (!more || !last) return;
    key = Buffer.concat([last.key, Buffer.from([0])]);
    limit = pageSize(keys);
  }
}

/** How many to ask for next, by the size of those that came. Pure. */
export function pageSize(keys: readonly Pick<KeyValue, 'key' | 'value'>[]): number {
  const bytes = keys.reduce((sum, one) => sum + one.key.length + one.value.length + 32, 0);
  const fit = Math.floor(PAGE_BYTES / (bytes / keys.length));
  // Those that come next may be larger than those that came.
  return Math.max(1, Math.min(fit, LARGEST_PAGE, keys.length * 4));
}
