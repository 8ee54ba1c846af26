import { describe, expect, it } from 'vitest';
import { calendars, nextAfter, parseCron } from '../../../src/schedule/cron.ts';

const at = (text: string) => new Date(text);
const local = (date: Date | undefined) => date && `${date.toDateString()} ${date.toTimeString().slice(0, 5)}`;

describe('a time as cron has it', () => {
  it.each([
    ['0 3 * * *', '2026-08-01T02:59:59', 'Sat Aug 01 2026 03:00'],
    ['0 3 * * *', '2026-08-01T03:00:00', 'Sun Aug 02 2026 03:00'],
    ['*/15 * * * *', '2026-08-01T10:07:00', 'Sat Aug 01 2026 10:15'],
    ['5-20/5 8 * * *', '2026-08-01T08:10:30', 'Sat Aug 01 2026 08:15'],
    ['30 22 * * fri', '2026-08-01T00:00:00', 'Fri Aug 07 2026 22:30'],
    ['0 0 * * 7', '2026-08-01T00:00:00', 'Sun Aug 02 2026 00:00'],
    ['0 0 1,15 * *', '2026-08-01T00:00:00', 'Sat Aug 15 2026 00:00'],
    // Either day is enough where both are given.
    ['0 0 13 * 5', '2026-08-01T00:00:00', 'Fri Aug 07 2026 00:00'],
    ['0 0 13 * 5', '2026-08-08T00:00:00', 'Thu Aug 13 2026 00:00'],
    ['0 0 29 2 *', '2026-03-01T00:00:00', 'Tue Feb 29 2028 00:00'],
    ['0 4 * jan-mar *', '2026-08-01T00:00:00', 'Fri Jan 01 2027 04:00'],
    ['@daily', '2026-12-31T12:00:00', 'Fri Jan 01 2027 00:00'],
    ['@hourly', '2026-08-01T10:00:00', 'Sat Aug 01 2026 11:00'],
  ])('%s after %s is %s', (text, after, next) => {
    expect(local(nextAfter(parseCron(text), at(after)))).toBe(next);
  });

  it.each([
    ['0 3 * * *', ['*-*-* 03:00:00']],
    ['*/20 * * * *', ['*-*-* *:00,20,40:00']],
    ['30 22 * * 1-5', ['Mon,Tue,Wed,Thu,Fri *-*-* 22:30:00']],
    ['0 0 1 1 *', ['*-01-01 00:00:00']],
    ['0 0 13 * 5', ['*-*-13 00:00:00', 'Fri *-*-* 00:00:00']],
    ['@weekly', ['Sun *-*-* 00:00:00']],
  ])('%s is %j to systemd', (text, wanted) => {
    expect(calendars(parseCron(text))).toEqual(wanted);
  });

  it.each([
    ['', 'it has 1 fields, not five'],
    ['0 3 * *', 'it has 4 fields, not five'],
    ['0 3 * * * *', 'it has 6 fields, not five'],
    ['60 3 * * *', "'60' is no minute"],
    ['0 24 * * *', "'24' is no hour"],
    ['0 3 0 * *', "'0' is no day of the month"],
    ['0 3 * 13 *', "'13' is no month"],
    ['0 3 * * 8', "'8' is no day of the week"],
    ['0 3 * * someday', "'someday' is no day of the week"],
    ['*/0 * * * *', "'*/0' is no minute"],
    ['20-10 * * * *', "'20-10' is no minute"],
    ['1,,2 * * * *', "'1,,2' is no minute"],
    ['1-2-3 * * * *', "'1-2-3' is no minute"],
    ['0 3 30 2 *', 'there is no such day'],
    ['@reboot', 'it has 1 fields, not five'],
  ])('refuses %j: %s', (text, words) => {
    expect(() => parseCron(text)).toThrow(words);
  });
});
