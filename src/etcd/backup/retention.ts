import { newestFirst, type Ranked } from './order.ts';

/** A backup, as far as it matters for how long it is kept. */
export interface Kept extends Ranked {
  clusterId: string;
  takenAt: Date;
  verified: boolean;
}

/** Which backups are kept; each rule by itself keeps some. No rule at all keeps everything. */
export interface RetentionPolicy {
  /** The newest so many. */
  last?: number | undefined;
  /** All that are younger. */
  days?: number | undefined;
  /** The newest of each of the last so many hours, days, weeks (from Monday) and months that have one, in UTC. */
  hourly?: number | undefined;
  daily?: number | undefined;
  weekly?: number | undefined;
  monthly?: number | undefined;
}

const DAY_MS = 86_400_000;

/**
 * The backups that no rule keeps, oldest first. Only verified ones count for the rules of number and generation, since a
 * damaged one must not push out a good one; others are kept by age, and while nothing verified is newer. The newest
 * verified one is never among them, and neither is what was just made, nor anything of a cluster that is not this one. Pure.
 */
export function expired<T extends Kept>(
  backups: readonly T[],
  clusterId: string,
  policy: RetentionPolicy,
  now: Date,
  made?: string,
): T[] {
  if (Object.values(policy).every((rule) => rule === undefined)) return [];
  const own = lineage(backups, clusterId).toSorted(newestFirst);
  const verified = own.filter((one) => one.verified);
  const newest = verified[0];
  const ageMs = (takenAt: Date) => now.getTime() - takenAt.getTime();
  const kept = new Set<T>([
    ...own.filter(({ name }) => name === made),
    ...(newest ? [newest] : []),
    ...verified.slice(0, policy.last ?? 0),
    ...own.filter(({ takenAt }) => policy.days !== undefined && ageMs(takenAt) < policy.days * DAY_MS),
    ...generations(verified, policy.hourly, (time) => time.toISOString().slice(0, 13)),
    ...generations(verified, policy.daily, (time) => time.toISOString().slice(0, 10)),
    ...generations(verified, policy.weekly, (time) => String(Math.floor((time.getTime() / DAY_MS + 3) / 7))),
    ...generations(verified, policy.monthly, (time) => time.toISOString().slice(0, 7)),
    ...own.filter((one) => !one.verified && (!newest || newestFirst(one, newest) < 0)),
  ]);
  return own.filter((one) => !kept.has(one)).reverse();
}

function generations<T extends Kept>(
  verified: readonly T[],
  most: number | undefined,
  period: (time: Date) => string,
): T[] {
  const newest = new Map<string, T>();
  for (const one of verified) {
    const key = period(one.takenAt);
    if (!newest.has(key)) newest.set(key, one);
  }
  return [...newest.values()].slice(0, most ?? 0);
}

/**
 * The backups of this cluster and of those before it: a restore gives a cluster a new ID. One whose ID is found again
 * after this cluster's first backup is another that lives, and shares the name by mistake: its backups are not ours.
 */
function lineage<T extends Kept>(backups: readonly T[], clusterId: string): T[] {
  const first = Math.min(
    ...backups.filter((one) => one.clusterId === clusterId).map(({ rankedAt }) => rankedAt.getTime()),
  );
  const others = backups.filter((one) => one.clusterId !== clusterId);
  const alive = new Set(others.filter(({ rankedAt }) => rankedAt.getTime() > first).map((one) => one.clusterId));
  return backups.filter((one) => !alive.has(one.clusterId));
}
