import { PlayError } from '../../errors.ts';

/**
 * A change that may have been made although it failed: after a time-out or a lost leader the cluster is read again before
 * anything else is done (kubernetes/kubeadm#3317). @throws the error of the change where it was not made.
 */
export async function certain(change: () => Promise<unknown>, isMade: () => Promise<boolean>): Promise<void> {
  try {
    await whenConnected(change);
  } catch (error) {
    if (await madeAfterAll(isMade)) return;
    if (error instanceof PlayError) throw error;
    throw new PlayError(`the cluster did not take the change: ${(error as Error).message}`, {
      next: 'It was read again, and the change was not made. See how the cluster stands (play status_etcd), then run again.',
      cause: error,
    });
  }
}

/** etcd takes no member until all voters have been connected for 5 s (HealthInterval); twice that and a half. */
const CONNECTED_WITHIN_MS = 12_500;

/** A member that has just started or was promoted is not yet long enough with the others: that refusal passes. */
async function whenConnected(change: () => Promise<unknown>): Promise<void> {
  const until = Date.now() + CONNECTED_WITHIN_MS;
  for (;;) {
    try {
      await change();
      return;
    } catch (error) {
      if (!/unhealthy cluster/.test((error as Error).message) || Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

const TRIES = 5;

/** The first reads may meet a cluster that is just electing a leader. */
async function madeAfterAll(isMade: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      return await isMade();
    } catch (error) {
      if (tries === TRIES) {
        throw new PlayError(`whether the cluster took the change is unknown: ${(error as Error).message}`, {
          next: 'Run again: it looks first, and goes on from what it finds.',
          cause: error,
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
