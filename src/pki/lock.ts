import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, readlink, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../errors.ts';
import { errorCode } from './files.ts';

const PREFIX = '.lock~';
/** An owner that cannot be asked (another machine, another container) counts as gone after this time. */
const FOREIGN_LIMIT_MS = 10 * 60_000;

/** Who announced itself, as written in the name of its file. Parts unknown on this system are empty. */
interface Owner {
  host: string;
  boot: string;
  pidNamespace: string;
  pid: string;
  /** Start of the process in clock ticks since boot: tells a process from a later one with the same number. */
  start: string;
}

/**
 * Runs `work` while no other process does so in the same directory.
 *
 * Each contender makes a file of its own name that says who it is, then looks who else is there: alone, it holds the lock.
 * Of two, the later one to look sees the other, so never do both hold it. Files of dead processes are removed without
 * a race, since such a name is never used again; a single lock file that is taken over when stale does not have this
 * property (two may find it stale, and the second removes the first one's new lock).
 *
 * @throws InputError when others hold it for longer than `timeoutMs`.
 */
export async function withLock<T>(dir: string, work: () => Promise<T>, timeoutMs = 120_000): Promise<T> {
  const me = await currentOwner();
  const name = `${PREFIX}${[me.host, me.boot, me.pidNamespace, me.pid, me.start].join('~')}~${randomBytes(4).toString('hex')}`;
  const path = join(dir, name);
  const deadline = performance.now() + timeoutMs;
  try {
    for (;;) {
      await touch(path);
      const others = await livingOthers(dir, name, me);
      if (others.length === 0) return await work();
      if (performance.now() > deadline) throw busy(dir, others);
      // The first by name stays announced and the rest step back, so two that met do not meet for ever.
      if (others.some((other) => other < name)) await unlink(path);
      await sleep(5 + Math.random() * 20);
    }
  } finally {
    await unlink(path).catch(() => {});
  }
}

async function touch(path: string): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'a', 0o600);
  } finally {
    await file?.close();
  }
}

async function livingOthers(dir: string, mine: string, me: Owner): Promise<string[]> {
  const living: string[] = [];
  for (const name of await readdir(dir)) {
    if (!name.startsWith(PREFIX) || name === mine) continue;
    if (await isAlive(dir, name, mine, me)) living.push(name);
    else await unlink(join(dir, name)).catch(() => {});
  }
  return living;
}

async function isAlive(dir: string, name: string, mine: string, me: Owner): Promise<boolean> {
  const owner = ownerOf(name);
  if (owner.host === me.host && owner.boot !== me.boot) return false; // this machine was restarted since
  if (owner.host === me.host && owner.pidNamespace === me.pidNamespace) {
    return (await startOf(owner.pid)) === owner.start;
  }
  // Both times are given by the same file system, so the machines' clocks do not matter.
  const [theirs, ours] = await Promise.all([modifiedMs(join(dir, name)), modifiedMs(join(dir, mine))]);
  return theirs !== undefined && (ours ?? Date.now()) - theirs < FOREIGN_LIMIT_MS;
}

async function modifiedMs(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function ownerOf(name: string): Owner {
  const [host = '', boot = '', pidNamespace = '', pid = '', start = ''] = name.slice(PREFIX.length).split('~');
  return { host, boot, pidNamespace, pid, start };
}

async function currentOwner(): Promise<Owner> {
  const pid = String(process.pid);
  const [boot, pidNamespace, start] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
    readlink('/proc/self/ns/pid').catch(() => ''),
    startOf(pid),
  ]);
  return {
    host: hostname()
      .replace(/[^A-Za-z0-9.-]/g, '_')
      .slice(0, 64),
    boot: boot.trim().slice(0, 8),
    pidNamespace: pidNamespace.replace(/\D/g, ''),
    pid,
    start: start ?? '',
  };
}

/** Start time of a living process, '' where the system does not tell; undefined when there is none of this number. */
async function startOf(pid: string): Promise<string | undefined> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The second field is the program's name in brackets and may hold anything; state is the third, start the 22nd.
  const fields = line?.slice(line.lastIndexOf(')') + 2).split(' ');
  if (fields) return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  try {
    process.kill(Number(pid), 0);
    return '';
  } catch (error) {
    return errorCode(error) === 'EPERM' ? '' : undefined;
  }
}

function busy(dir: string, others: readonly string[]): InputError {
  const owner = ownerOf(others[0] ?? '');
  return new InputError(`another run issues certificates here (process ${owner.pid} on ${owner.host})`, {
    file: dir,
    next: `Wait for it to end. If there is no such process, remove ${join(dir, others[0] ?? '')}.`,
  });
}
