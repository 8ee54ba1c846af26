import type { RunEvent } from '../runner/events.ts';
import { diffText } from './diff-text.ts';
import { folded } from './fold.ts';
import { scriptText } from './script-text.ts';
import { textWidth } from './width.ts';
import { formatDuration, type Paint, recap, STATUS_STYLE } from './words.ts';

export interface TextOptions {
  paint: Paint;
  diff: boolean;
  verbosity: number;
  /** Of the window; undefined where lines may have any length. */
  columns?: number | undefined;
  /** A board shows how tasks are going: without -v they need no line of their own. */
  board: boolean;
}

/** What is printed of an event, for good; undefined where nothing is. */
export function eventText(
  event: RunEvent,
  { paint, diff, verbosity, columns, board }: TextOptions,
): string | undefined {
  switch (event.type) {
    case 'run-start': {
      const check = event.check ? ' (check mode)' : '';
      const names = event.hosts.join(', ');
      const room = (columns ?? Number.POSITIVE_INFINITY) - textWidth(`${event.playbook} on ${check}`);
      const hosts = textWidth(names) <= room ? names : `${event.hosts.length} hosts`;
      return `${paint('bold', event.playbook)} on ${hosts}${check}`;
    }
    case 'play-start':
      return `\n${paint('bold', event.play)}`;
    case 'task-end': {
      if (board && verbosity === 0 && !isNews(event, diff)) return undefined;
      const diffs = diff ? event.diffs.map((one) => diffText(one, paint)) : [];
      return [folded(taskLine(event, paint, verbosity), columns), ...diffs].join('\n');
    }
    case 'connected':
      return `  ${paint('dim', `[${event.host}] connected in ${formatDuration(event.durationMs)}: ${event.detail}`)}`;
    case 'script':
      return scriptText(event, paint);
    case 'message':
      return folded(event.level === 'warning' ? `${paint('yellow', 'WARNING')} ${event.text}` : event.text, columns);
    case 'run-end':
      return `\n${recap(event, paint, columns)}`;
    default:
      return undefined;
  }
}

type TaskEnd = Extract<RunEvent, { type: 'task-end' }>;

/** What check mode is asked for, and what a run is that shows differences: a board only counts it. */
function isNews({ status }: TaskEnd, diff: boolean): boolean {
  return status === 'would change' || status === 'unknown' || (diff && status === 'changed');
}

function taskLine(event: TaskEnd, paint: Paint, verbosity: number): string {
  const status = paint(STATUS_STYLE[event.status], `${event.status}:`);
  const time = verbosity > 0 ? ` ${formatDuration(event.durationMs)}` : '';
  return `  ${status} [${event.host}] ${event.task}${event.summary ? ` (${event.summary})` : ''}${time}`;
}
