import { ensureRelease } from '../lab/releases.ts';

/** Releases that are built with Go where Debian has none of them. */
export const NEWEST = { '3.5': '3.5.35', '3.6': '3.6.16', '3.7': '3.7.3' } as const;

/** How long they may take to be built, on a machine that is busy. */
export const BUILDING_MS = 1_800_000;

/**
 * Why tests with these releases cannot be run on this machine; undefined where they can. It is said aloud, and who skips for
 * it is counted as skipped.
 */
export async function cannotHave(...versions: readonly string[]): Promise<string | undefined> {
  try {
    for (const version of versions) await ensureRelease(version);
    return undefined;
  } catch (error) {
    const why = `SKIPPED: ${(error as Error).message}`;
    console.warn(why);
    return why;
  }
}
