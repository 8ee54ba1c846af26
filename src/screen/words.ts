import type { PlayError } from '../errors.ts';
import { describeError } from '../errors.ts';
import type { RunEvent, TaskStatus } from '../runner/events.ts';
import { folded } from './fold.ts';
import { tallyLines } from './tally-lines.ts';

/** Colours of the terminal; off in pipes and where NO_COLOR is set (https://no-color.org). */
export type Paint = (style: Style, text: string) => string;
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'magenta';

const CODES: Record<Style, [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  magenta: [35, 39],
};

export const plain: Paint = (_, text) => text;
export const coloured: Paint = (style, text) => `\u001b[${CODES[style][0]}m${text}\u001b[${CODES[style][1]}m`;

export const STATUS_STYLE: Record<TaskStatus, Style> = {
  ok: 'green',
  changed: 'yellow',
  'would change': 'yellow',
  unknown: 'magenta',
  skipped: 'cyan',
  failed: 'red',
  unreachable: 'magenta',
};

export function formatDuration(ms: number): string {
  // Rounded before it is judged: 59.97 s is a minute, not 60.0 s.
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  if (Math.round(ms / 100) < 600) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** How a task can end so that its host is left behind. */
export const FAILED: readonly TaskStatus[] = ['failed', 'unreachable'];

export const MARKS = { done: '✔', failed: '✖', idle: '·' } as const;

/** `12 ok, 3 changed`, in the order in which they are worth telling. */
export function countsText(counts: ReadonlyMap<TaskStatus, number>): string {
  const statuses = Object.keys(STATUS_STYLE) as TaskStatus[];
  return statuses.flatMap((status) => (counts.get(status) ? [`${counts.get(status)} ${status}`] : [])).join(', ');
}

/** ` 33 %`; nothing where the whole is not known. */
export function percent(done: number, total: number): string {
  return total > 0 ? ` ${Math.min(100, Math.floor((100 * done) / total))} %` : '';
}

/** The same with a bar before it, for what takes its time. */
export function progressBar(done: number, total: number): string {
  const full = total > 0 ? Math.round(Math.min(1, done / total) * BAR_COLUMNS) : 0;
  return total > 0 ? ` ${'█'.repeat(full)}${'░'.repeat(BAR_COLUMNS - full)}${percent(done, total)}` : '';
}

const BAR_COLUMNS = 10;

/** The end of a run as Ansible users know it: each host, then the errors, then the time. */
export function recap(event: Extract<RunEvent, { type: 'run-end' }>, paint: Paint, columns?: number): string {
  const names = [...event.tallies].filter(([, tally]) => Object.values(tally).some((n) => n > 0)).map(([name]) => name);
  const lines = tallyLines(names, event.tallies, paint, columns);
  const head = lines.length > 0 ? [paint('bold', 'RECAP'), ...lines] : [];
  const errors = together(event.errors).map((error) => folded(errorText(error, paint), columns));
  const interrupted = event.exitCode === 130 ? [paint('red', 'Interrupted. Run the same command again to go on.')] : [];
  return [...head, ...errors, ...interrupted, paint('dim', `${formatDuration(event.durationMs)} in all`)].join('\n');
}

/** Errors that differ in nothing but their hosts are told once, with all of these. */
export function together(errors: readonly PlayError[]): PlayError[] {
  const groups = new Map<string, PlayError[]>();
  for (const error of errors) {
    const words = describeError(Object.create(error, { host: { value: undefined } }));
    groups.set(words, [...(groups.get(words) ?? []), error]);
  }
  return [...groups.values()].map((group) => {
    const [first] = group as [PlayError];
    if (group.length === 1) return first;
    return Object.create(first, { host: { value: fewOf(group.flatMap(({ host }) => host ?? [])) } }) as PlayError;
  });
}

/** Some of many names. */
export function fewOf(names: readonly string[], most = 8): string {
  return names.length > most ? `${names.slice(0, most).join(', ')} and ${names.length - most} more` : names.join(', ');
}

export function errorText(error: PlayError, paint: Paint): string {
  return `${paint('red', 'ERROR')} ${describeError(error)}`;
}
