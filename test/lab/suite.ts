import { LabError } from './lab-error.ts';

/** The Debian releases the lab boots, by code name. */
export type Suite = 'bullseye' | 'bookworm' | 'trixie';

export const suites: Record<Suite, number> = { bullseye: 11, bookworm: 12, trixie: 13 };
export const defaultSuite: Suite = 'bookworm';

/** A suite by its code name or by Debian's number. */
export function suiteOf(text: string | number): Suite {
  const wanted = String(text).trim().toLowerCase();
  for (const [name, number] of Object.entries(suites)) {
    if (wanted === name || wanted === String(number)) return name as Suite;
  }
  throw new LabError(`unknown Debian release "${text}"`, { next: 'use 11, 12 or 13 (bullseye, bookworm, trixie)' });
}
