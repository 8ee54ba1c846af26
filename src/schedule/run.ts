import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { PlayError } from '../errors.ts';
import { nextAfter, parseCron } from './cron.ts';
import { writeScheduleMetrics } from './metrics.ts';
import { readSchedule, type Schedule } from './record.ts';
import { lockFile, readState, type ScheduleState, writeState } from './state.ts';

/** flock's own exit code where somebody else holds the lock. */
const TAKEN = 75;
const LAST_LINES = 20;

/**
 * What systemd and cron call: runs the playbook once, one run of a schedule at a time, and keeps how it ended. Gives the
 * exit code of the run, so that a failed run is a failed service.
 */
export async function runSchedule(recordFile: string, onlyMissed: boolean): Promise<number> {
  const schedule = await readSchedule(recordFile);
  const before = await readState(schedule);
  if (onlyMissed && !isMissed(schedule, before, new Date())) return 0;
  await mkdir(schedule.stateDir, { recursive: true, mode: 0o700 });
  const startedAt = new Date().toISOString();
  const underWay = { startedAt, endedAt: null, exitCode: null, words: [] };
  const state = (run: ScheduleState['runs'][number], lastGoodAt = before.lastGoodAt): ScheduleState => ({
    runs: [run, ...before.runs],
    lastGoodAt,
  });
  const { code, words } = await underLock(schedule, () => writeState(schedule, state(underWay)));
  if (code === TAKEN) {
    process.stderr.write(`the run of ${schedule.name} before this one is still under way: this one is left out\n`);
    return 0;
  }
  const endedAt = new Date().toISOString();
  const isGood = code === 0;
  const after = state({ startedAt, endedAt, exitCode: code, words: isGood ? [] : words }, isGood ? endedAt : undefined);
  await writeState(schedule, after);
  await writeScheduleMetrics(schedule, after);
  return code;
}

/** Whether its time has come since it last ran. Pure. */
export function isMissed({ every, createdAt }: Schedule, { runs }: ScheduleState, now: Date): boolean {
  const due = nextAfter(parseCron(every), new Date(runs[0]?.startedAt ?? createdAt));
  return due !== undefined && due <= now;
}

/** The playbook in a process that holds the lock until it ends, however it ends. */
async function underLock(schedule: Schedule, onBegin: () => Promise<void>): Promise<{ code: number; words: string[] }> {
  const { command, words, folder } = schedule;
  // Who only looks whether the lock is free holds it for a moment.
  const line = ['-F', '-w', '2', '-E', String(TAKEN), lockFile(schedule), ...command, ...words];
  const child = spawn('flock', line, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  let begun: Promise<void> | undefined;
  const note = (to: NodeJS.WriteStream) => (chunk: string) => {
    // Only what runs says something: without the lock there is no run to be noted.
    begun ??= onBegin();
    to.write(chunk);
    text = `${text}${chunk}`.slice(-8_000);
  };
  child.stdout.setEncoding('utf8').on('data', note(process.stdout));
  child.stderr.setEncoding('utf8').on('data', note(process.stderr));
  // The run ends where it is safe to; this one waits for it, to note how.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => child.kill(name));
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => reject(new PlayError(`flock cannot be run: ${cause.message}`, { cause })));
    child.once('close', (exitCode, signal) => resolve(exitCode ?? 128 + constants.signals[signal!]));
  });
  await begun;
  return { code, words: text.trimEnd().split('\n').slice(-LAST_LINES) };
}
