import type { HostTally } from '../runner/events.ts';
import { pad, pieces, textWidth, withoutColour } from './width.ts';
import type { Paint, Style } from './words.ts';

/**
 * The tallies of hosts, a line for each. In a window that is too narrow for all counts in columns, what is not nothing;
 * a name that does not fit beside it stands above it, whole: cut, it could be that of another host.
 */
export function tallyLines(
  names: readonly string[],
  tallies: ReadonlyMap<string, HostTally>,
  paint: Paint,
  columns = Number.POSITIVE_INFINITY,
): string[] {
  const width = Math.max(LEAST_NAME, ...names.map(textWidth));
  const wide = names.map((name) => {
    const tally = tallies.get(name)!;
    return `${paint(styleOf(tally), pad(name, width))}${COLON}${allCounts(tally, paint)}`;
  });
  if (wide.every((line) => textWidth(withoutColour(line)) <= columns)) return wide;
  const counts = new Map(names.map((name) => [name, someCounts(tallies.get(name)!)]));
  const all = [...counts.values()];
  const widest = Math.max(...all.map((words) => textWidth(words.map(([word]) => word).join(' '))));
  const longest = Math.max(...all.flat().map(([word]) => textWidth(word)));
  const left = columns - COLON.length;
  const room = Math.max(0, Math.min(left - longest, Math.max(left - widest, Math.floor(columns / 3))));
  const beside = Math.min(room, Math.max(LEAST_NAME, ...names.map(textWidth).filter((one) => one <= room)));
  return names.flatMap((name) => {
    const named = (part: string) => paint(styleOf(tallies.get(name)!), part);
    const [first = '', ...rest] = rows(counts.get(name)!, left - beside, paint);
    const below = rest.map((row) => ' '.repeat(beside + COLON.length) + row);
    if (textWidth(name) <= beside) return [`${named(pad(name, beside))}${COLON}${first}`, ...below];
    return [...pieces(name, columns).map(named), `${' '.repeat(beside)}${COLON}${first}`, ...below];
  });
}

const COLON = ' : ';
const LEAST_NAME = 8;

type Count = readonly [word: string, colour: Style];

function styleOf({ failed, unreachable, changed }: HostTally): Style {
  return failed || unreachable ? 'red' : changed ? 'yellow' : 'green';
}

function allCounts(tally: HostTally, paint: Paint): string {
  const words = TALLY.filter(([key]) => key !== 'unknown' || tally.unknown).map(([key, colour]) => {
    const word = `${key}=${tally[key] ?? 0}`.padEnd(key.length + 4);
    return tally[key] ? paint(colour, word) : word;
  });
  return words.join(' ').trimEnd();
}

function someCounts(tally: HostTally): Count[] {
  return TALLY.flatMap(([key, colour]) => (tally[key] ? [[`${key}=${tally[key]}`, colour] as const] : []));
}

/** As many to a row as there is room for. */
function rows(counts: readonly Count[], columns: number, paint: Paint): string[] {
  const all: Count[][] = [];
  let left = 0;
  for (const count of counts) {
    const width = textWidth(count[0]);
    if (width + 1 > left || all.length === 0) {
      all.push([]);
      left = columns + 1;
    }
    all.at(-1)!.push(count);
    left -= width + 1;
  }
  return all.map((row) => row.map(([word, colour]) => paint(colour, word)).join(' '));
}

const TALLY = [
  ['ok', 'green'],
  ['changed', 'yellow'],
  ['unreachable', 'magenta'],
  ['failed', 'red'],
  ['skipped', 'cyan'],
  ['unknown', 'magenta'],
] as const satisfies readonly (readonly [keyof HostTally, Style])[];
