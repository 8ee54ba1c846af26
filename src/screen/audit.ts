import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { homedir, hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import type { RunEvent } from '../runner/events.ts';
import { conceal } from '../secret.ts';
import { eventLine } from './json.ts';
import { withoutValues } from './recorded-words.ts';
import type { Screen } from './screen.ts';
import { veiled } from './veil.ts';

/** Where every run leaves its record: one file for each, JSON lines. */
export function auditFolder(): string {
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'etcd-play', 'runs');
}

/**
 * Keeps a record of a run as it goes: who, when, with which words, on which hosts, what was changed or failed, and how
 * it ended. A run that was killed leaves what it had done so far. A record that cannot be written does not stop a run.
 *
 * @param words as `recordedWords` leaves them
 */
export function auditScreen(words: readonly string[], warn: (text: string) => void, folder = auditFolder()): Screen {
  const time = new Date().toISOString().replace(/[-:]/g, '').slice(0, 15);
  // Containers may share the folder, and have the same numbers of processes.
  const id = `${time}-${process.pid}-${randomBytes(3).toString('hex')}`;
  const file = join(folder, `${id}.jsonl`);
  let broken = false;
  const write = (line: string) => {
    if (broken) return;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      appendFileSync(file, `${line}\n`, { mode: 0o600 });
    } catch (error) {
      broken = true;
      warn(`no record of this run can be kept: ${(error as Error).message}`);
    }
  };
  const who = { user: userInfo().username, on: hostname() };
  const record: Screen = {
    listener(event) {
      if (event.type === 'run-start') {
        // Only now are all secrets of the run known.
        const kept = words.map((word) => conceal(withoutValues(word)));
        write(eventLine(Object.assign({ id, ...who, words: kept }, event)));
      } else if (isWorthKeeping(event)) write(eventLine(withoutDiffs(event)));
    },
    done: async () => undefined,
  };
  // There the command is the name of the task.
  return words[0] === 'exec' ? veiled(record, withoutValues) : record;
}

function isWorthKeeping(event: RunEvent): boolean {
  return event.type === 'run-end' || (event.type === 'task-end' && !['ok', 'skipped'].includes(event.status));
}

/** The record says that a file was changed, not what stood in it. */
function withoutDiffs(event: RunEvent): RunEvent {
  return event.type === 'task-end' ? { ...event, diffs: [] } : event;
}

export interface RunRecord {
  id: string;
  started: string;
  user: string;
  /** The machine that it was started on. */
  on: string;
  playbook: string;
  check: boolean;
  hosts: string[];
  words: string[];
  /** Undefined for a run that was killed, or is still going on. */
  exitCode: number | undefined;
  durationMs: number | undefined;
  /** Everything that was changed or failed. */
  done: { time: string; host: string; task: string; status: string; summary: string }[];
}

/** All records, newest first; a record that cannot be read is passed over. */
export function readRuns(folder = auditFolder()): RunRecord[] {
  let names: string[] = [];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.jsonl'));
  } catch {
    return [];
  }
  return names
    .sort()
    .reverse()
    .flatMap((name) => readRun(join(folder, name)));
}

function readRun(file: string): RunRecord[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => parsed(line));
  const start = lines.find((line) => line.type === 'run-start');
  if (!start) return [];
  const end = lines.find((line) => line.type === 'run-end');
  const { time, id, user, on, playbook, check, hosts, words } = start as unknown as RunRecord & { time: string };
  return [
    {
      ...{ id, started: time, user, on, playbook, check, hosts, words },
      exitCode: end?.exitCode as number | undefined,
      durationMs: end?.durationMs as number | undefined,
      done: lines.filter((line) => line.type === 'task-end').map(doneOf),
    },
  ];
}

function doneOf({ time, host, task, status, summary }: Record<string, unknown>): RunRecord['done'][number] {
  return { time, host, task, status, summary } as RunRecord['done'][number];
}

/** The last line of a killed run may be half of one. */
function parsed(line: string): Record<string, unknown>[] {
  try {
    return line === '' ? [] : [JSON.parse(line) as Record<string, unknown>];
  } catch {
    return [];
  }
}
