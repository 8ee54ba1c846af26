import type { KeyChange, KeysApi } from '../grpc/keys.ts';
import { batches } from '../keys/batches.ts';
import { bytesOfChange } from './changes.ts';
import { compareSides, type Difference, type Sides } from './compare.ts';
import { writeThere } from './write.ts';

/** Transactions under way at the same time: each waits for two round trips and a disk. */
const AT_ONCE = 4;

export interface Copied {
  written: number;
  overwritten: number;
  deleted: number;
}

export interface CopyOptions {
  /** Deletes what the source does not have. */
  deletesExtra: boolean;
  signal: AbortSignal;
  /** Keys of the source that have been seen. */
  onProgress(seen: number): void;
}

/** Makes the other side equal: only what differs is written, so that a copy that was cut off is soon made again. */
export async function copyDifferences(
  sides: Sides & { to: Pick<KeysApi, 'range' | 'change'> },
  { deletesExtra, signal, onProgress }: CopyOptions,
): Promise<Copied> {
  const copied: Copied = { written: 0, overwritten: 0, deleted: 0 };
  let seen = 0;
  for await (const { differences, seen: more } of compareSides(sides)) {
    if (signal.aborted) break;
    const due = differences.filter(({ kind }) => kind !== 'extra' || deletesExtra);
    const groups = batches(due.map(changeFor), bytesOfChange);
    for (let at = 0; at < groups.length; at += AT_ONCE) {
      await Promise.all(groups.slice(at, at + AT_ONCE).map((group) => writeThere(sides.to, group)));
    }
    for (const { kind } of due) {
      if (kind === 'missing') copied.written += 1;
      else if (kind === 'other') copied.overwritten += 1;
      else copied.deleted += 1;
    }
    seen += more;
    onProgress(seen);
  }
  return copied;
}

function changeFor(one: Difference): KeyChange {
  return one.kind === 'extra' ? { remove: one.key } : { put: one.key, value: one.from.value };
}
