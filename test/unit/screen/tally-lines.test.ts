import { describe, expect, it } from 'vitest';
import type { HostTally } from '../../../src/runner/events.ts';
import { tallyLines } from '../../../src/screen/tally-lines.ts';
import { textWidth } from '../../../src/screen/width.ts';
import { plain } from '../../../src/screen/words.ts';
import { type Chance, chance } from '../inventory/random.ts';
import { tally } from './events.ts';

type Given = Readonly<Record<string, Partial<HostTally>>>;

function lines(given: Given, columns?: number): string[] {
  const tallies = new Map(Object.entries(given).map(([name, counts]) => [name, tally(counts)]));
  return tallyLines([...tallies.keys()], tallies, plain, columns);
}

const long = (n: number) => `very-long-host-name-number-00${n}.example.com`;

describe('the tallies of hosts', () => {
  it.each<[string, Given, number | undefined, string[]]>([
    [
      'are in columns where there is room',
      { h1: { ok: 12, changed: 3 }, [long(0)]: { failed: 1 } },
      undefined,
      [
        `${'h1'.padEnd(42)} : ok=12  changed=3   unreachable=0   failed=0   skipped=0`,
        `${long(0)} : ok=0   changed=0   unreachable=0   failed=1   skipped=0`,
      ],
    ],
    [
      'are what is not nothing where there is less',
      { [long(0)]: { ok: 3, changed: 2 }, [long(1)]: { ok: 3, unknown: 2 } },
      60,
      [`${long(0)} : ok=3 changed=2`, `${long(1)} : ok=3 unknown=2`],
    ],
    [
      'stand below names that have no room beside them',
      { [long(0)]: { ok: 3, changed: 2 }, h2: { ok: 3 } },
      50,
      [long(0), '         : ok=3 changed=2', 'h2       : ok=3'],
    ],
    [
      'go on below where they are many',
      { h1: { ok: 30, changed: 20, failed: 10, skipped: 9 } },
      30,
      ['h1       : ok=30 changed=20', '           failed=10 skipped=9'],
    ],
  ])('%s', (_, given, columns, expected) => {
    expect(lines(given, columns)).toEqual(expected);
  });

  it.each([20, 26, 40, 60, 79, 120])('of any hosts fit into %d columns, each with its whole name', (columns) => {
    const luck = chance(columns);
    for (let round = 0; round < 40; round++) {
      const given = Object.fromEntries(
        Array.from({ length: 1 + luck.below(8) }, () => [someName(luck), someTally(luck)]),
      );
      const shown = lines(given, columns);
      expect(
        shown.filter((line) => textWidth(line) > columns),
        JSON.stringify(given),
      ).toEqual([]);
      expect(namesIn(shown), JSON.stringify(given)).toEqual(Object.keys(given));
    }
  });
});

/** Most begin and end as others do. */
function someName(luck: Chance): string {
  const middle = luck.some(['0', '1', 'a', '-', '.', '主', 'é'], 1 + luck.below(luck.percent(10) ? 150 : 12)).join('');
  return luck.pick(['x', 'very-long-host-name-number-', 'etcd-']) + middle + luck.pick(['', '.example.com', 'z']);
}

function someTally(luck: Chance): Partial<HostTally> {
  const keys = ['changed', 'unreachable', 'failed', 'skipped', 'unknown'] as const;
  const counts = keys.map((key) => [key, luck.percent(40) ? luck.below(2_000) : 0] as const);
  return { ok: 1 + luck.below(100), ...Object.fromEntries(counts.filter(([, count]) => count > 0)) };
}

/** Reads the names back: all that stands before a colon, on as many lines as it takes. */
function namesIn(shown: readonly string[]): string[] {
  const names: string[] = [];
  let begun = '';
  for (const line of shown) {
    const [, name] = /^(.*?) *: /.exec(line) ?? [];
    if (name !== undefined) {
      names.push(begun + name);
      begun = '';
    } else if (!/^ +\w+=\d/.test(line)) begun += line;
  }
  return names;
}
