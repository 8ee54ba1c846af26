import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../local/whole-file.ts';
import { said } from './command.ts';
import { nextAfter, parseCron } from './cron.ts';
import type { Schedule } from './record.ts';

/** One run of a schedule. */
export interface RunOfSchedule {
  startedAt: string;
  /** Null while it runs, and of one that was cut off. */
  endedAt: string | null;
  exitCode: number | null;
  /** The last lines of what it said, where it did not end well. */
  words: string[];
}

export interface ScheduleState {
  /** The newest first. */
  runs: RunOfSchedule[];
  lastGoodAt: string | null;
}

const MOST_RUNS = 50;

export const stateFile = ({ stateDir, name }: Schedule): string => join(stateDir, `${name}.json`);
export const lockFile = ({ stateDir, name }: Schedule): string => join(stateDir, `${name}.lock`);

export async function readState(schedule: Schedule): Promise<ScheduleState> {
  try {
    return JSON.parse(await readFile(stateFile(schedule), 'utf8')) as ScheduleState;
  } catch {
    return { runs: [], lastGoodAt: null };
  }
}

export async function writeState(schedule: Schedule, state: ScheduleState): Promise<void> {
  const kept = { ...state, runs: state.runs.slice(0, MOST_RUNS) };
  await writeWhole(stateFile(schedule), `${JSON.stringify(kept, undefined, 2)}\n`, 0o600);
}

/** Whether a run is under way: it holds the lock as long as it lives. */
export async function isRunning(schedule: Schedule): Promise<boolean> {
  return (await said('flock', ['-s', '-n', '-E', '75', lockFile(schedule), 'true'])).code === 75;
}

/**
 * What is noted of its runs, and whether one is under way. A run is noted behind its lock, and its end before it lets go
 * of it: what stands open while nobody has the lock is looked at once more.
 */
export async function lookAtRuns(schedule: Schedule): Promise<{ state: ScheduleState; running: boolean }> {
  const state = await readState(schedule);
  const running = await isRunning(schedule);
  if (running || state.runs[0]?.endedAt !== null) return { state, running };
  const again = await readState(schedule);
  const isAnother = again.runs[0]?.startedAt !== state.runs[0].startedAt;
  return { state: again, running: isAnother && again.runs[0]?.endedAt === null };
}

/** A run may be late: a machine that boots, a run before it that took longer. */
const LATE_MS = 15 * 60_000;

/** What is wrong with a schedule; empty where all is well. Pure. */
export function scheduleFault(
  schedule: Pick<Schedule, 'every' | 'createdAt'>,
  { runs }: ScheduleState,
  isRunningNow: boolean,
  keeperFault: string,
  now: Date,
): string {
  if (keeperFault !== '') return keeperFault;
  // A run holds the lock before it stands among the runs.
  const [last] = isRunningNow && runs[0]?.endedAt === null ? runs.slice(1) : runs;
  if (last && last.exitCode === null) return 'the last run was cut off';
  if (last && last.exitCode !== 0) return `the last run ended with ${last.exitCode}`;
  const due = nextAfter(parseCron(schedule.every), new Date(runs[0]?.startedAt ?? schedule.createdAt));
  if (!isRunningNow && due && now.getTime() - due.getTime() > LATE_MS) {
    return `it should have run at ${due.toISOString()}`;
  }
  return '';
}
