import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../errors.ts';
import { identityIn, identityOf, identityText, isAlive, type ProcessIdentity } from '../local/process-identity.ts';
import { errorCode } from './files.ts';

const PREFIX = '.lock~';
/** An owner that cannot be asked (another machine, another container, before a restart) counts as gone after this time. */
const FOREIGN_LIMIT_MS = 10 * 60_000;

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
  const name = `${PREFIX}${identityText(identityOf())}~${randomBytes(4).toString('hex')}`;
  const path = join(dir, name);
  const deadline = performance.now() + timeoutMs;
  try {
    for (;;) {
      await touch(path);
      const others = await livingOthers(dir, name);
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

async function livingOthers(dir: string, mine: string): Promise<string[]> {
  const living: string[] = [];
  for (const name of await readdir(dir)) {
    if (!name.startsWith(PREFIX) || name === mine) continue;
    if (isAlive(ownerOf(name)) ?? (await isYoung(dir, name, mine))) living.push(name);
    else await unlink(join(dir, name)).catch(() => {});
  }
  return living;
}

async function isYoung(dir: string, name: string, mine: string): Promise<boolean> {
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

function ownerOf(name: string): ProcessIdentity {
  return identityIn(name.slice(PREFIX.length));
}

function busy(dir: string, others: readonly string[]): InputError {
  const owner = ownerOf(others[0] ?? '');
  return new InputError(`another run issues certificates here (process ${owner.pid} on ${owner.host})`, {
    file: dir,
    next: `Wait for it to end. If there is no such process, remove ${join(dir, others[0] ?? '')}.`,
  });
}
