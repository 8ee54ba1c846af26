import { calendars, parseCron } from './cron.ts';
import type { Schedule } from './record.ts';

export const unitName = (name: string): string => `etcd-play-${name}`;

const HEAD = '# Written by `play schedule`; `play schedule --remove` removes it.';

/** The service that a timer starts. Pure. */
export function serviceText(schedule: Schedule, recordFile: string): string {
  const { name, user, keeper, folder, command, words } = schedule;
  return [
    HEAD,
    '[Unit]',
    `Description=${specifiersOff(`play ${words[0]}, by the clock (${name})`)}`,
    'After=network-online.target',
    'Wants=network-online.target',
    '',
    '[Service]',
    'Type=oneshot',
    ...(keeper === 'systemd' ? [`User=${user}`] : []),
    `WorkingDirectory=${specifiersOff(folder)}`,
    `ExecStart=${[...command, 'schedule', '--run', recordFile].map(unitWord).join(' ')}`,
    // A big backup takes its time.
    'TimeoutStartSec=infinity',
    'UMask=0077',
    '',
  ].join('\n');
}

/** The timer. A run that was missed while the machine was off is made up for at once. Pure. */
export function timerText({ name, every, words }: Schedule): string {
  return [
    HEAD,
    '[Unit]',
    `Description=${specifiersOff(`when to play ${words[0]} (${name}): ${every}`)}`,
    '',
    '[Timer]',
    ...calendars(parseCron(every)).map((calendar) => `OnCalendar=${calendar}`),
    'Persistent=true',
    'AccuracySec=1s',
    '',
    '[Install]',
    'WantedBy=timers.target',
    '',
  ].join('\n');
}

function specifiersOff(text: string): string {
  return text.replaceAll('%', '%%');
}

/** A word of `ExecStart=`, as systemd.service(5) wants it quoted. Pure. */
export function unitWord(word: string): string {
  const plain = specifiersOff(word).replaceAll('$', '$$$$');
  return /^[\w@%+=:,./$-]+$/.test(plain) ? plain : `"${plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
