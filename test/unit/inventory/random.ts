/** A seeded source of chance (mulberry32), so that a failing case comes again. */
export function chance(seed: number) {
  let state = seed;
  const below = (n: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  return {
    below,
    pick,
    /** `count` picks in a row. */
    some: <T>(list: readonly T[], count: number): T[] => Array.from({ length: count }, () => pick(list)),
    percent: (p: number): boolean => below(100) < p,
  };
}

export type Chance = ReturnType<typeof chance>;
