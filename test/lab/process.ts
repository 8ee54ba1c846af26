import { readdir, readFile } from 'node:fs/promises';

/** The arguments of a process; empty for a zombie, undefined when there is no such process. */
export async function argumentsOf(pid: number): Promise<string[] | undefined> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return text?.split('\0').slice(0, -1);
}

/**
 * Whether `pid` is a process of the lab: one of its arguments is exactly `argument`, a name nothing else carries.
 * A number from a file proves nothing by itself, since numbers are given out again.
 */
export async function isOurs(pid: number | undefined, argument: string): Promise<boolean> {
  return pid !== undefined && ((await argumentsOf(pid))?.includes(argument) ?? false);
}

/**
 * Whether a process has ended, a zombie being as good as gone. Its arguments do not tell: they are empty for a zombie, but
 * for a moment also while a process becomes another program (execve).
 */
export async function hasEnded(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat === undefined || /^[ZX]$/.test(stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3));
}

export async function readPid(file: string): Promise<number | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return /^\d+$/.test(text.trim()) ? Number(text.trim()) : undefined;
}

/** The process that is number 1 of its own pid namespace, among these. */
export async function findInit(pids: readonly number[]): Promise<number | undefined> {
  for (const pid of pids) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const numbers = /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
    if (numbers.length > 1 && numbers.at(-1) === '1' && !/^State:\s+Z/m.test(status)) return pid;
  }
  return undefined;
}

/** Sends a signal; false when the process is gone already. */
export function signal(pid: number, name: NodeJS.Signals | number): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Time since a process started, from the clock that counts since the machine's own start. */
export async function uptimeMs(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const ticks = Number(stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  const now = Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]);
  return Number.isFinite(ticks) ? Math.max(0, now * 1000 - ticks * 10) : undefined;
}

export async function subfolders(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries.filter((e) => e.isDirectory()).map((e) => e.name);
}
