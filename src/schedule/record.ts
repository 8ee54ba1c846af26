import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../errors.ts';

/** Who calls it when the time has come. */
export type Keeper = 'systemd' | 'systemd --user' | 'cron';

/** A playbook that runs by the clock. */
export interface Schedule {
  format: 1;
  name: string;
  every: string;
  /** Who it runs as. */
  user: string;
  keeper: Keeper;
  /** What `play` is called with: all paths in it are absolute. */
  words: string[];
  /** Where it was made: relative paths in variables start there. */
  folder: string;
  /** Node and the command, as they were when it was made. */
  command: string[];
  /** Where the state of its runs lies. */
  stateDir: string;
  /** The folder of the textfile collector. */
  metrics: string | null;
  createdAt: string;
}

/** Names become names of files and units. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;

/** Root's are the machine's: they may run as another user. */
export function recordFolder(): string {
  if (process.getuid?.() === 0) return '/etc/etcd-play/schedules';
  return join(process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'etcd-play', 'schedules');
}

export function recordFile(name: string): string {
  return join(recordFolder(), `${name}.json`);
}

export async function readSchedules(): Promise<Schedule[]> {
  const names = await readdir(recordFolder()).catch(() => []);
  const files = names.filter((name) => name.endsWith('.json')).sort();
  return Promise.all(files.map((name) => readSchedule(join(recordFolder(), name))));
}

/** @throws InputError naming the file. */
export async function readSchedule(file: string): Promise<Schedule> {
  try {
    const parsed = JSON.parse(await readFile(file, 'utf8')) as Schedule;
    if (parsed.format === 1 && NAME.test(parsed.name) && Array.isArray(parsed.words)) return parsed;
  } catch (cause) {
    throw new InputError(`the schedule cannot be read: ${(cause as Error).message}`, { file, cause });
  }
  throw new InputError('this is no schedule of etcd-play', { file, next: 'Move it away.' });
}
