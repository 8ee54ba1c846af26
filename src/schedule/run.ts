import { spawn } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { PlayError } from '../errors.ts';
import { exitOf } from './command.ts';
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
  if (onlyMissed && !isMissed(schedule, await readState(schedule), new Date())) return 0;
  await mkdir(schedule.stateDir, { recursive: true, mode: 0o700 });
  const startedAt = new Date().toISOString();
  const lock = await open(lockFile(schedule), 'a', 0o600);
  try {
    if (!(await locked(lock.fd))) {
      process.stderr.write(`the run of ${schedule.name} before this one is still under way: this one is left out\n`);
      return 0;
    }
    // Behind the lock: the run before this one has noted its end by now.
    const before = await readState(schedule);
    const underWay = { startedAt, endedAt: null, exitCode: null, words: [] };
    const state = (run: ScheduleState['runs'][number], lastGoodAt = before.lastGoodAt): ScheduleState => ({
      runs: [run, ...before.runs],
      lastGoodAt,
    });
    await writeState(schedule, state(underWay));
    const { code, words } = await runUnder(lock.fd, schedule);
    const endedAt = new Date().toISOString();
    const isGood = code === 0;
    const run = { startedAt, endedAt, exitCode: code, words: isGood ? [] : words };
    const after = state(run, isGood ? endedAt : undefined);
    // Before the lock goes: whoever finds it free, and no end, takes the run for cut off.
    await writeState(schedule, after);
    await writeScheduleMetrics(schedule, after);
    return code;
  } finally {
    await lock.close();
  }
}

/** Takes the lock of an open file, which all hold who have it from here, and as long as one of them lives. False: another run has it. */
async function locked(fd: number): Promise<boolean> {
  const flock = async (...words: string[]) => {
    const child = spawn('flock', [...words, '-E', String(TAKEN), '3'], { stdio: ['ignore', 'ignore', 'inherit', fd] });
    const code = await exitOf(child, 'flock');
    if (code !== 0 && code !== TAKEN) throw new PlayError(`flock ended with ${code}`);
    return code === 0;
  };
  // Who only looks whether a run is under way shares the lock for as long as that takes: no reason to leave a run out.
  while (!(await flock('-n', '-x'))) {
    if (!(await flock('-n', '-s'))) return false;
    await flock('-u');
    await new Promise((resolve) => setTimeout(resolve, 50 + 100 * Math.random()));
  }
  return true;
}

/** Whether its time has come since it last ran. Pure. */
export function isMissed({ every, createdAt }: Schedule, { runs }: ScheduleState, now: Date): boolean {
  const due = nextAfter(parseCron(every), new Date(runs[0]?.startedAt ?? createdAt));
  return due !== undefined && due <= now;
}

/** The playbook in a process that holds the lock too: should this one be killed, it still runs, and that is seen. */
async function runUnder(fd: number, schedule: Schedule): Promise<{ code: number; words: string[] }> {
  const { command, words, folder } = schedule;
  const [program, ...before] = command;
  const child = spawn(program!, [...before, ...words], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe', fd] });
  let text = '';
  const note = (to: NodeJS.WriteStream) => (chunk: string) => {
    to.write(chunk);
    text = `${text}${chunk}`.slice(-8_000);
  };
  child.stdout!.setEncoding('utf8').on('data', note(process.stdout));
  child.stderr!.setEncoding('utf8').on('data', note(process.stderr));
  // The run ends where it is safe to; this one waits for it, to note how.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => child.kill(name));
  const code = await exitOf(child, program!);
  return { code, words: text.trimEnd().split('\n').slice(-LAST_LINES) };
}
