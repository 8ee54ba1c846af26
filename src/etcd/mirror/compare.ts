import type { KeysApi, KeyValue } from '../grpc/keys.ts';
import { walkKeys } from '../keys/walk.ts';
import { type Mapping, mapKey } from './mapping.ts';

/** In what the other side differs, key by key. */
export type Difference =
  /** It lacks the key. */
  | { kind: 'missing'; key: Buffer; from: KeyValue }
  /** It has another value. */
  | { kind: 'other'; key: Buffer; from: KeyValue; there: KeyValue }
  /** It has a key that the source does not have. */
  | { kind: 'extra'; key: Buffer; there: KeyValue };

export interface Compared {
  differences: Difference[];
  /** How many keys of the source have been seen since the last page. */
  seen: number;
  /** Of these, those that belong to a lease. */
  leased: number;
}

type Reader = Pick<KeysApi, 'range'>;

/** Both sides as they were at one moment each. */
export interface Sides {
  from: Reader;
  fromRevision: bigint;
  to: Reader;
  toRevision: bigint;
  mapping: Mapping;
}

const SOME = 1_000;
/** Values of so many bytes are held here at most, beside the pages they come in. */
const SOME_BYTES = 8 * 1024 ** 2;

/**
 * Goes through both sides in the order of their keys, which a new prefix does not change, and gives what differs, some at a
 * time. Memory stays constant.
 */
export async function* compareSides(sides: Sides): AsyncGenerator<Compared> {
  const { from, fromRevision, to, toRevision, mapping } = sides;
  const left = cursor(walkKeys(from, { prefix: mapping.prefix, revision: fromRevision }));
  const right = cursor(walkKeys(to, { prefix: mapping.destPrefix, revision: toRevision }));
  let batch: Compared = { differences: [], seen: 0, leased: 0 };
  let bytes = 0;
  const note = (one: Difference) => {
    batch.differences.push(one);
    bytes +=
      one.key.length + ('from' in one ? one.from.value.length : 0) + ('there' in one ? one.there.value.length : 0);
  };
  let [mine, theirs] = [await left.next(), await right.next()];
  while (mine || theirs) {
    const key = mine && mapKey(mapping, mine.key);
    const order = !theirs ? -1 : !mine ? 1 : key ? Buffer.compare(key, theirs.key) : -1;
    if (mine && order <= 0) {
      batch.seen += 1;
      if (mine.lease !== 0n) batch.leased += 1;
      // What nothing is left of cannot be there.
      if (key && order < 0) note({ kind: 'missing', key, from: mine });
      if (key && order === 0 && !mine.value.equals(theirs!.value)) {
        note({ kind: 'other', key, from: mine, there: theirs! });
      }
    }
    if (theirs && order > 0) note({ kind: 'extra', key: theirs.key, there: theirs });
    if (order <= 0) mine = await left.next();
    if (order >= 0) theirs = await right.next();
    if (batch.seen < SOME && batch.differences.length < SOME && bytes < SOME_BYTES) continue;
    yield batch;
    bytes = 0;
    batch = { differences: [], seen: 0, leased: 0 };
  }
  yield batch;
}

/** One key after the other out of pages; the next page is asked for while this one is looked at. */
function cursor(pages: AsyncGenerator<KeyValue[]>) {
  let page: KeyValue[] = [];
  let at = 0;
  let ahead = pages.next();
  ahead.catch(() => undefined);
  return {
    async next(): Promise<KeyValue | undefined> {
      while (at >= page.length) {
        const { value, done } = await ahead;
        if (done) return undefined;
        ahead = pages.next();
        ahead.catch(() => undefined);
        page = value;
        at = 0;
      }
      return page[at++];
    },
  };
}
