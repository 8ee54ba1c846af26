import { PlayError } from '../errors.ts';
import { checkedOptions, flag, kind, list, needed, number, type Options, text } from '../options.ts';
import { accountName } from './account-name.ts';
import type { Resource } from './resource.ts';
import { unit } from './service.ts';
import { service, unitName } from './service-state.ts';

export interface TimerWish {
  /** Name of the pair `<name>.service` and `<name>.timer`, without its ending. */
  name: string;
  description: string;
  /** When, as `OnCalendar` of systemd.timer reads it: `daily`, `Mon..Fri 03:30`, `*:0/15`; several are alternatives. */
  onCalendar: string | readonly string[];
  /** The command and its arguments, the first an absolute path. Each reaches it as it is; no shell is between. */
  command: readonly string[];
  /** Default: root. */
  user?: string;
  /** A time that was missed while the host was down is made up for. Default: true. */
  persistent?: boolean;
  /** Up to so long later, so that many hosts do not start at once. Default: 0. */
  randomizedDelayMs?: number;
  /** The longest that one run may take. Default: no limit. */
  timeoutMs?: number;
  /** Default: true. False stops and removes the pair; a run that is under way goes on to its end. */
  present?: boolean;
}

const OPTIONS: Options<TimerWish> = {
  name: needed(text),
  description: needed(text),
  onCalendar: needed(
    kind('a text or a list of texts', (value) => [value].flat().every((one) => typeof one === 'string')),
  ),
  command: needed(list(text, 'texts')),
  user: text,
  persistent: flag,
  randomizedDelayMs: number,
  timeoutMs: number,
  present: flag,
};

/**
 * A command at certain times, by a timer of systemd that is started and starts at boot. Give all of it to one task.
 * @throws PlayError for a name that no unit can have, and where the command is no absolute path.
 */
export function timer(wish: TimerWish): Resource[] {
  unitName(checkedOptions('timer', wish, OPTIONS).name);
  const { name, present = true } = wish;
  if (!present) {
    return [
      service({ name: `${name}.timer`, state: 'stopped', enabled: false }),
      unit({ name: `${name}.timer`, present }),
      unit({ name: `${name}.service`, present }),
    ];
  }
  return [
    unit({ name: `${name}.service`, content: serviceText(wish) }),
    unit({ name: `${name}.timer`, content: timerText(wish) }),
    service({ name: `${name}.timer`, state: 'started', enabled: true }),
  ];
}

export function serviceText({ name, description, command, user, timeoutMs }: TimerWish): string {
  if (!command[0]?.startsWith('/')) throw new PlayError(`the command of timer ${name} begins with an absolute path`);
  return [
    '[Unit]',
    `Description=${oneLine(description)}`,
    '',
    '[Service]',
    'Type=oneshot',
    ...(user === undefined ? [] : [`User=${accountName(user, 'user')}`]),
    ...(timeoutMs === undefined ? [] : [`TimeoutStartSec=${timeoutMs}ms`]),
    `ExecStart=${command.map(execWord).join(' ')}`,
    '',
  ].join('\n');
}

export function timerText({ description, onCalendar, persistent = true, randomizedDelayMs = 0 }: TimerWish): string {
  return [
    '[Unit]',
    `Description=${oneLine(description)}`,
    '',
    '[Timer]',
    ...[onCalendar].flat().map((time) => `OnCalendar=${oneLine(time)}`),
    ...(persistent ? ['Persistent=true'] : []),
    ...(randomizedDelayMs > 0 ? [`RandomizedDelaySec=${randomizedDelayMs}ms`] : []),
    '',
    '[Install]',
    'WantedBy=timers.target',
    '',
  ].join('\n');
}

/** systemd.service(5), Command lines: quotes, backslashes, `$` and `%` mean something there. */
export function execWord(word: string): string {
  const escaped = word
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t');
  return `"${escaped}"`;
}

/** A value of a unit file ends with its line; a line that ends in a backslash would swallow the next. */
function oneLine(value: string): string {
  if (/[\n\r\0]|\\$/.test(value)) throw new PlayError(`a unit file cannot hold this in one line: '${value}'`);
  return value.replaceAll('%', '%%');
}
