/** The first bits of the ID of a lease that was made for keys of v2: so a later run knows its own. */
const MARK = 0x7632n;

/** Keys that end within the same second share a lease, whose ID tells that second. `variant`: where one is taken. */
export function leaseIdFor(endsAtMs: number, variant = 0): bigint {
  return (MARK << 48n) | (BigInt(variant) << 40n) | BigInt(endSecond(endsAtMs));
}

/** Made for a key of v2, by this run or by one before it. */
export const isOwnLease = (id: bigint): boolean => id >> 48n === MARK;

const endSecond = (endsAtMs: number): number => Math.round(endsAtMs / 1000);

/** What a lease is to be granted for now. */
export function ttlAt(endsAtMs: number, nowMs: number): number {
  return Math.max(1, Math.round((endSecond(endsAtMs) * 1000 - nowMs) / 1000));
}

/** How far the end of a key in v3 may be from its end in v2. */
export const LEASE_SLACK_MS = 2_000;

/** @param leaseEndsAtMs by whole seconds that etcd tells, of which the last may have begun: up to a second later. */
export function endsTogether(endsAtMs: number, leaseEndsAtMs: number): boolean {
  const late = leaseEndsAtMs - endsAtMs;
  return late <= LEASE_SLACK_MS && late + 1000 >= -LEASE_SLACK_MS;
}

/** What took longer tells a time too vaguely, and is asked again, so many times at most. */
const VAGUE_MS = 1_000;
const MOST_TRIES = 5;

/** Does something until it has taken less than a second, so that it is known when it was; of a machine that stands still, the last. */
export async function atAKnownTime<T>(now: () => number, act: () => Promise<T>): Promise<{ said: T; atMs: number }> {
  for (let tries = 1; ; tries++) {
    const atMs = now();
    const said = await act();
    if (now() - atMs < VAGUE_MS || tries === MOST_TRIES) return { said, atMs };
  }
}

/**
 * Keys that end sooner than this are not brought: etcd grants no lease shorter than one and a half times its election
 * timeout (server/lease, minLeaseTTL), and they would outlive their twin.
 */
export function shortestMs(electionTimeoutMs: number): number {
  return Math.ceil((1.5 * electionTimeoutMs) / 1000) * 1000 + 3_000;
}
