import { InputError } from '../errors.ts';

/** When something runs, as cron has it: a minute is meant where all of it fits. Local time. */
export interface CronTime {
  /** As it was written, with single blanks. */
  text: string;
  minutes: readonly number[];
  hours: readonly number[];
  days: readonly number[];
  months: readonly number[];
  /** 0 is Sunday. */
  weekdays: readonly number[];
  /** Where both days of the month and of the week are given, one of them is enough. */
  eitherDay: boolean;
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const WEEKDAYS = 'sun mon tue wed thu fri sat'.split(' ');
const FIELDS = [
  { name: 'minute', first: 0, last: 59, words: [] as string[] },
  { name: 'hour', first: 0, last: 23, words: [] as string[] },
  { name: 'day of the month', first: 1, last: 31, words: [] as string[] },
  { name: 'month', first: 1, last: 12, words: MONTHS },
  { name: 'day of the week', first: 0, last: 7, words: WEEKDAYS },
] as const;

const SHORT: Record<string, string> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};

/** @throws InputError saying which field is wrong. */
export function parseCron(given: string): CronTime {
  const text = given.trim().replace(/\s+/g, ' ');
  const fields = (SHORT[text.toLowerCase()] ?? text).split(' ');
  const wrong = (why: string) =>
    new InputError(`--every '${text}': ${why}`, {
      next: "Five fields, as in crontab(5): minute hour day month weekday. '0 3 * * *' is every day at 3:00.",
    });
  if (fields.length !== FIELDS.length) throw wrong(`it has ${fields.length} fields, not five`);
  const read = FIELDS.map((field, index) => {
    const values = valuesOf(fields[index]!, field);
    if (values) return values;
    throw wrong(`'${fields[index]}' is no ${field.name}`);
  });
  const [minutes, hours, days, months, weekdays] = read as [number[], number[], number[], number[], number[]];
  const time = {
    text,
    minutes,
    hours,
    days,
    months,
    weekdays: sorted(weekdays.map((day) => day % 7)),
    eitherDay: !fields[2]!.startsWith('*') && !fields[4]!.startsWith('*'),
  };
  if (!nextAfter(time, new Date(2024, 0, 1))) throw wrong('there is no such day');
  return time;
}

function valuesOf(text: string, field: (typeof FIELDS)[number]): number[] | undefined {
  const values: number[] = [];
  for (const part of text.toLowerCase().split(',')) {
    const [, range = '', step] = /^([^/]+)(?:\/(\d{1,2}))?$/.exec(part) ?? [];
    const ends = range === '*' ? [field.first, field.last] : range.split('-').map((word) => numberOf(word, field));
    const [from, to = step === undefined ? from : field.last] = ends;
    if (from === undefined || to === undefined || ends.length > 2 || ends.includes(undefined)) return undefined;
    if (from > to || from < field.first || to > field.last || step === '0' || step === '00') return undefined;
    for (let value = from; value <= to; value += Number(step ?? 1)) values.push(value);
  }
  return sorted(values);
}

function numberOf(word: string, { words, first }: (typeof FIELDS)[number]): number | undefined {
  if (/^\d{1,2}$/.test(word)) return Number(word);
  const at = words.indexOf(word);
  return at < 0 ? undefined : at + first;
}

function sorted(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

function isDay({ days, weekdays, eitherDay }: CronTime, date: Date): boolean {
  const [byMonth, byWeek] = [days.includes(date.getDate()), weekdays.includes(date.getDay())];
  return eitherDay ? byMonth || byWeek : byMonth && byWeek;
}

/** Leap days come again within eight years. */
const MOST_DAYS = 366 * 9;

/** The first such time after a moment; undefined for a day that never comes. Pure. */
export function nextAfter(time: CronTime, after: Date): Date | undefined {
  const day = new Date(after.getFullYear(), after.getMonth(), after.getDate());
  for (let count = 0; count < MOST_DAYS; count++, day.setDate(day.getDate() + 1)) {
    if (!time.months.includes(day.getMonth() + 1) || !isDay(time, day)) continue;
    for (const hour of time.hours) {
      for (const minute of time.minutes) {
        const at = new Date(day.getFullYear(), day.getMonth(), day.getDate(), hour, minute);
        if (at.getTime() > after.getTime()) return at;
      }
    }
  }
  return undefined;
}

/** The same as `OnCalendar=` of systemd.time(7), which wants all parts at once: two where one of the days is enough. Pure. */
export function calendars(time: CronTime): string[] {
  const { minutes, hours, days, months, weekdays, eitherDay } = time;
  const list = (values: readonly number[], all: number) =>
    values.length === all ? '*' : values.map((value) => String(value).padStart(2, '0')).join(',');
  const names = weekdays.map((day) => `${WEEKDAYS[day]![0]!.toUpperCase()}${WEEKDAYS[day]!.slice(1)}`).join(',');
  const clock = `${list(hours, 24)}:${list(minutes, 60)}:00`;
  const month = list(months, 12);
  const weekly = weekdays.length === 7 ? '' : `${names} `;
  if (eitherDay) return [`*-${month}-${list(days, 31)} ${clock}`, `${weekly}*-${month}-* ${clock}`];
  return [`${weekly}*-${month}-${list(days, 31)} ${clock}`];
}
