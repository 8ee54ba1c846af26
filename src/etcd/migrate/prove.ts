import { PlayError } from '../../errors.ts';
import type { KeysApi } from '../grpc/keys.ts';
import { walkKeys } from '../keys/walk.ts';

/** What became of the keys that the migration has nothing to do with. */
export interface Bystanders {
  keys: number;
  /** Written, made or ended by their own clients meanwhile. */
  changed: number;
}

type Api = Pick<KeysApi, 'range'>;
interface Seen {
  key: Buffer;
  modRevision: bigint;
}

/**
 * Compares all keys but our own at two revisions. @param made the revisions that this run has made: no other key may
 * bear one of them. Undefined where the first revision is compacted by now.
 */
export async function compareBystanders(
  api: Api,
  revisions: { before: bigint; after: bigint },
  isOwn: (key: Buffer) => boolean,
  made: ReadonlySet<bigint>,
): Promise<Bystanders | undefined> {
  const result: Bystanders = { keys: 0, changed: 0 };
  try {
    for await (const [then, now] of side(api, revisions.before, revisions.after)) {
      const one = now ?? then!;
      if (isOwn(one.key)) continue;
      result.keys += 1;
      if (then?.modRevision === now?.modRevision) continue;
      if (now && made.has(now.modRevision)) {
        throw new PlayError(`the key ${one.key.toString()} was changed, and is none of v2`, {
          next: 'That should not be: tell the authors. The backup of before holds it.',
        });
      }
      result.changed += 1;
    }
  } catch (error) {
    if (/compacted/.test((error as Error).message)) return undefined;
    throw error;
  }
  return result;
}

/** Both in the order of their keys, side by side. */
async function* side(api: Api, before: bigint, after: bigint): AsyncGenerator<[Seen | undefined, Seen | undefined]> {
  const [a, b] = [each(api, before), each(api, after)];
  let [left, right] = [await a.next(), await b.next()];
  while (!left.done || !right.done) {
    const order = left.done ? 1 : right.done ? -1 : left.value.key.compare(right.value.key);
    yield [order <= 0 ? (left.value as Seen) : undefined, order >= 0 ? (right.value as Seen) : undefined];
    if (order <= 0) left = await a.next();
    if (order >= 0) right = await b.next();
  }
}

async function* each(api: Api, revision: bigint): AsyncGenerator<Seen> {
  for await (const page of walkKeys(api, { prefix: Buffer.alloc(0), revision, keysOnly: true })) yield* page;
}
