import { quote } from '../connection/quote.ts';
import type { Schedule } from './record.ts';

const mark = (name: string) => `# etcd-play ${name}`;

/** The lines of a schedule: one for its time, one that makes up for a missed run after the machine was off. Pure. */
export function cronLines({ name, every, folder, command }: Schedule, recordFile: string): string[] {
  const call = `cd ${quote(folder)} && ${[...command, 'schedule', '--run', recordFile].map(quote).join(' ')}`;
  // To cron a % is the end of the line.
  const line = (text: string) => text.replaceAll('%', '\\%');
  return [
    `${mark(name)}: written by play schedule`,
    `${every} ${line(`${call} >/dev/null`)} ${mark(name)}`,
    `@reboot ${line(`${call} --missed >/dev/null`)} ${mark(name)}`,
  ];
}

/** A crontab with these lines in place of those that the schedule has in it. What others wrote stays as it is. Pure. */
export function crontabWith(crontab: string, name: string, lines: readonly string[]): string {
  const others = crontab.split('\n').filter((line) => !isOf(line, name));
  while (others.at(-1) === '') others.pop();
  const all = [...others, ...lines];
  return all.length === 0 ? '' : `${all.join('\n')}\n`;
}

export function isOf(line: string, name: string): boolean {
  return line.endsWith(mark(name)) || line === `${mark(name)}: written by play schedule`;
}
