const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const INTEGER = /^\s*[+-]?[0-9](?:_?[0-9])*\s*$/;

/** More hosts than this from one line is a slip of the pen; making them would only use up the memory. */
export const MAX_RANGE = 100_000;

/** Thrown for a range that cannot be expanded; the message is a clause about it. */
export class BadRange extends Error {}

/**
 * Names that a host pattern stands for: `db[01:03]` → db01, db02, db03; `[a:c]`, steps `[0:10:5]`, and several ranges in
 * one name. Both ends are included. A pattern without `[` stands for itself; a range that runs backwards for nothing.
 *
 * @throws {BadRange}
 */
export function expandRange(pattern: string): string[] {
  const names: string[] = [];
  const open = [pattern];
  while (open.length > 0) {
    const next = open.pop()!;
    const start = next.indexOf('[');
    if (start < 0) {
      names.push(next);
      continue;
    }
    const end = next.indexOf(']');
    // Ansible marks both ends with `|`, which therefore cannot stand in a name that has a range.
    if (end < start || next.includes('|')) throw new BadRange(`the range in '${next}' is not closed or holds a '|'`);
    const steps = sequence(next.slice(start + 1, end));
    if (names.length + open.length + steps.length > MAX_RANGE) {
      throw new BadRange(`'${pattern}' stands for more than ${MAX_RANGE} hosts`);
    }
    // Last in, first out: pushed backwards, the names come out in order.
    for (const step of steps.reverse()) open.push(next.slice(0, start) + step + next.slice(end + 1));
  }
  return names;
}

function sequence(range: string): string[] {
  const bounds = range.split(':');
  if (bounds.length !== 2 && bounds.length !== 3) {
    throw new BadRange(`'[${range}]' is not a range: it must be [begin:end] or [begin:end:step]`);
  }
  const begin = bounds[0] || '0';
  const end = bounds[1]!;
  const step = bounds[2] ?? '1';
  if (end === '') throw new BadRange(`the range '[${range}]' has no end`);
  const width = begin.startsWith('0') && begin.length > 1 ? begin.length : 0;
  if (width > 0 && width !== end.length) {
    throw new BadRange(`begin and end of the range '[${range}]' must have the same number of digits`);
  }
  return letters(range, begin, end, step) ?? numbers(range, begin, end, step).map((n) => fill(n, width));
}

function letters(range: string, begin: string, end: string, step: string): string[] | undefined {
  const first = LETTERS.indexOf(begin);
  const last = LETTERS.indexOf(end);
  if (first < 0 || last < 0) return undefined;
  if (first > last) throw new BadRange(`the range '[${range}]' runs backwards`);
  const by = nonZero(range, step);
  // Python's slice with a negative step and its ends this way round is empty.
  if (by < 0) return [];
  return [...LETTERS.slice(first, last + 1)].filter((_, index) => index % by === 0);
}

function numbers(range: string, begin: string, end: string, step: string): number[] {
  const [first, last, by] = [integer(range, begin), integer(range, end) + 1, nonZero(range, step)];
  const count = Math.max(0, Math.ceil((last - first) / by));
  if (count > MAX_RANGE) throw new BadRange(`the range '[${range}]' stands for more than ${MAX_RANGE} hosts`);
  return Array.from({ length: count }, (_, index) => first + index * by);
}

function nonZero(range: string, step: string): number {
  const value = integer(range, step);
  if (value === 0) throw new BadRange(`the range '[${range}]' has a step of 0`);
  return value;
}

function integer(range: string, text: string): number {
  const value = INTEGER.test(text) ? Number(text.trim().replaceAll('_', '')) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new BadRange(`'${text}' in the range '[${range}]' is neither a number nor a letter`);
  return value;
}

function fill(value: number, width: number): string {
  return value < 0 ? `-${String(-value).padStart(width - 1, '0')}` : String(value).padStart(width, '0');
}
