import { setTimeout as sleep } from 'node:timers/promises';
import { PlayError, UnreachableError } from '../../errors.ts';
import { firstKey, prefixEnd } from '../grpc/keys.ts';
import { GrpcError, GrpcStatus } from '../grpc/session.ts';
import { tellsProgress, type WatchEvent, watchKeys } from '../grpc/watch.ts';
import type { ClusterDoor } from '../live/sessions.ts';
import { changesOf } from './changes.ts';
import type { Mapping } from './mapping.ts';
import { writeThere } from './write.ts';

export interface Followed {
  /** Everything that the source did up to this revision is on the other side. */
  revision: bigint;
  written: number;
  deleted: number;
}

export interface FollowOptions {
  from: ClusterDoor;
  to: ClusterDoor;
  mapping: Mapping;
  signal: AbortSignal;
  /** Counts on, and is behind by nothing at its revision whenever it is looked at. */
  followed: Followed;
  onLost(error: PlayError): void;
}

const AGAIN_MS = 1_000;
const TRIES = 30;

/**
 * Brings each change of the source to the other side, in their order, until the signal ends it. A member that is lost is no
 * reason to end: another one is asked, and what was under way is done again, which changes nothing.
 */
export async function follow(options: FollowOptions): Promise<void> {
  const { from, to, mapping, signal, followed, onLost } = options;
  const { prefix } = mapping;
  const isMirrored = ({ kv }: WatchEvent) => kv.key.subarray(0, prefix.length).equals(prefix);
  let told = 0n;
  let isHeard = false;
  const apply = async (events: readonly WatchEvent[]) => {
    told = 0n;
    for (const group of changesOf(events.filter(isMirrored), mapping)) {
      await writeThere(to.best().keys, group);
      for (const one of group) {
        if ('remove' in one) followed.deleted += 1;
        else followed.written += 1;
      }
    }
    followed.revision = events.at(-1)!.kv.modRevision;
    isHeard = true;
  };
  const onProgress = (revision: bigint) => {
    isHeard = true;
    // Before 3.4.25 and 3.5.8 it may overtake events (etcd-io/etcd#15220): it is believed when the next one has come, and
    // no event between.
    if (told > followed.revision) followed.revision = told;
    told = revision;
  };
  let tries = 0;
  for (;;) {
    told = 0n;
    isHeard = false;
    try {
      const { session, host, status } = from.best();
      // Who does not tell how far it is tells of each revision, where all keys are watched.
      const watched = tellsProgress(status.version) ? prefix : Buffer.alloc(0);
      const range = { key: firstKey(watched), end: prefixEnd(watched) };
      await watchKeys(session, host, { ...range, after: followed.revision, signal, onEvents: apply, onProgress });
      return;
    } catch (error) {
      if (!isPassing(error)) throw error;
      // A source that stays as it is is none that is lost.
      tries = isHeard ? 1 : tries + 1;
      if (tries > TRIES) throw error;
      if (tries === 1) onLost(error);
      await sleep(AGAIN_MS);
      await Promise.all([from.askAll(), to.askAll()]);
    }
    if (signal.aborted) return;
  }
}

/** A member that was restarted, a leader that changed, a connection that was lost. */
function isPassing(error: unknown): error is PlayError {
  if (error instanceof UnreachableError) return true;
  if (error instanceof GrpcError) {
    return error.status === GrpcStatus.unavailable || /timed out|leader changed|no leader/.test(error.message);
  }
  return error instanceof PlayError && /knows of a leader|watch was ended/.test(error.message);
}
