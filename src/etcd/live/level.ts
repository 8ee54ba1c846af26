import { PlayError, UnreachableError } from '../../errors.ts';
import type { MemberClient } from '../client.ts';

type Asked = Pick<MemberClient, 'status'>;

const PAUSE_MS = 100;
/** A member that reaches where its leader was, within this time, follows at the pace of the writes. */
const PACE_MS = 1_000;

/**
 * Waits until a member has what its leader had a moment ago, and so keeps pace with it: the server itself would let a
 * learner be promoted at 90 % (etcd server, `readyPercent`). @throws PlayError when it does not come level in time.
 */
export async function untilLevel(
  leader: Asked,
  member: Asked,
  {
    timeoutMs,
    signal,
    onProgress,
  }: { timeoutMs: number; signal: AbortSignal; onProgress(done: number, total: number): void },
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  // A member that is silent for a moment is not level yet: that is all that it means.
  const statusOf = async (asked: Asked) => {
    for (;;) {
      try {
        return await asked.status();
      } catch (error) {
        if (error instanceof UnreachableError) throw error;
        if (signal.aborted || performance.now() > deadline) {
          throw new PlayError(`a member does not say how far it is: ${(error as Error).message}`, {
            next: 'Look at its log there (journalctl -u etcd.service), then run again.',
            cause: error,
          });
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  };
  let target = (await statusOf(leader)).raftIndex;
  let since = performance.now();
  for (;;) {
    const own = await statusOf(member);
    // Before 3.4 nobody says how much is applied; what is in the log is the next best.
    const reached = own.appliedIndex === 0n ? own.raftIndex : own.appliedIndex;
    onProgress(Number(reached), Number(target));
    if (reached >= target) {
      if (performance.now() - since < PACE_MS) return;
      target = (await statusOf(leader)).raftIndex;
      since = performance.now();
      continue;
    }
    if (signal.aborted) throw new PlayError('the run was ended before the member was level with its leader');
    if (performance.now() > deadline) {
      throw new PlayError(
        `the member is not level with its leader after ${Math.round(timeoutMs / 1000)} s: it has ${reached} of ${target}`,
        { next: 'Look at its disk and its network: it takes data up slower than they are written.' },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
