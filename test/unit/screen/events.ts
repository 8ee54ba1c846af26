import { PassThrough } from 'node:stream';
import type { PlayError } from '../../../src/errors.ts';
import type { HostTally, RunEvent, TaskStatus } from '../../../src/runner/events.ts';

export const tally = (rest: Partial<HostTally> = {}): HostTally => ({
  ok: 0,
  changed: 0,
  skipped: 0,
  failed: 0,
  unreachable: 0,
  ...rest,
});

export type TaskEnd = Extract<RunEvent, { type: 'task-end' }>;
export type RunEnd = Extract<RunEvent, { type: 'run-end' }>;

export const taskEnd = (
  host: string,
  task: string,
  status: TaskStatus = 'ok',
  rest: Partial<TaskEnd> = {},
): TaskEnd => ({
  type: 'task-end',
  host,
  task,
  status,
  summary: '',
  diffs: [],
  durationMs: 1234,
  ...rest,
});

export const runEnd = (
  tallies: Record<string, Partial<HostTally>> = {},
  errors: PlayError[] = [],
  exitCode = 0,
): RunEnd => ({
  type: 'run-end',
  tallies: new Map(Object.entries(tallies).map(([host, counts]) => [host, tally(counts)])),
  errors,
  exitCode,
  durationMs: 2_345,
});

/** Somewhere to write to, and all that was written. */
export function sink(): { out: PassThrough; text: () => string } {
  const out = new PassThrough();
  let text = '';
  out.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return { out, text: () => text };
}
