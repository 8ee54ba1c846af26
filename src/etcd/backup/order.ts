/** What tells which of two backups is the newer one. */
export interface Ranked {
  name: string;
  revision: bigint;
  /** When it counts as taken. */
  rankedAt: Date;
}

/** Sorts backups, the newest first. Of one moment the one with more changes is the newer. Pure. */
export function newestFirst(a: Ranked, b: Ranked): number {
  return b.rankedAt.getTime() - a.rankedAt.getTime() || compared(b.revision, a.revision) || compared(b.name, a.name);
}

function compared<T extends bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * When a backup counts as taken that is made beside these: after all of them. That is its own time, but where this clock
 * stands behind what was there already. Revisions would not tell it: a cluster that is made anew of the same hosts has the
 * same ID and begins at 1, and what `--force-new-cluster` keeps may lack the last changes. Pure.
 */
export function rankBeside(takenAt: Date, there: readonly Ranked[]): Date {
  const newestMs = Math.max(...there.map(({ rankedAt }) => rankedAt.getTime()));
  return takenAt.getTime() > newestMs ? takenAt : new Date(newestMs + 1);
}

/** Machines that share a folder never have quite the same time. */
const AHEAD_MS = 60_000;

/** What is to be said where backups are stamped later than now; undefined where none is. Pure. */
export function aheadText(backups: readonly { name: string; takenAt: Date }[], now: Date): string | undefined {
  const ahead = backups
    .filter(({ takenAt }) => takenAt.getTime() - now.getTime() > AHEAD_MS)
    .toSorted((a, b) => b.takenAt.getTime() - a.takenAt.getTime());
  const [last] = ahead;
  if (!last) return undefined;
  const which = ahead.length === 1 ? `${last.name} is` : `${ahead.length} backups, up to ${last.name}, are`;
  return `${which} stamped later than now: the clock was ahead then, or is behind now`;
}
