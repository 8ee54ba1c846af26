import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import type { Connection, LockAnswer } from '../connection/connection.ts';
import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';

const FILE = '/run/etcd-play.lock';
/** A run that lives is heard of at least every {@link BEAT_MS}; after this long without a word it is gone. */
const STALE_SECONDS = 60;
const BEAT_MS = 15_000;

interface Holder {
  user: string;
  on: string;
  /** Boot of the control machine, process and its start: together they tell whether that very run still lives. */
  boot: string;
  pid: number;
  start: string;
  playbook: string;
  since: string;
}

/**
 * Takes the host for this run: no two runs change it at once. The lock is let go of when the connection ends. One that
 * a dead run left behind, since its host could not know, is taken over.
 * @throws PlayError saying who holds it.
 */
export async function lockHost(connection: Connection, playbook: string): Promise<void> {
  const note = JSON.stringify(ownNote(playbook));
  for (let tries = 0; ; tries++) {
    const answer = await connection.hold({ file: FILE, note });
    if (answer.held) return;
    const holder = holderOf(answer.note);
    // One machine under several names, or this very machine: this run has it already.
    if (holder && isThisRun(holder)) return;
    if (tries > 20 || !isGone(answer, holder)) throw locked(answer, holder);
    await connection.run(hangUp());
  }
}

/** Ends the shell that holds the lock, and only if it does: its number lies in the file, its descriptor proves it. */
function hangUp(): string {
  const file = quote(FILE);
  return `{ read -r n; read -r p; } <${file}; [ "$(readlink "/proc/$p/fd/9")" = ${file} ] && kill -s HUP "-$p" 2>/dev/null || kill -s HUP "$p"; sleep 0.1`;
}

export function isGone(answer: Extract<LockAnswer, { held: false }>, holder: Holder | undefined): boolean {
  if (holder?.on === hostname() && holder.boot === bootId()) return startOf(holder.pid) !== holder.start;
  return !answer.busy && answer.ageSeconds > STALE_SECONDS;
}

function isThisRun({ on, boot, pid, start }: Holder): boolean {
  return on === hostname() && boot === bootId() && pid === process.pid && start === startOf(process.pid);
}

function locked(answer: Extract<LockAnswer, { held: false }>, holder: Holder | undefined): PlayError {
  const who = holder
    ? `${holder.playbook} by ${holder.user} on ${holder.on} (process ${holder.pid}), since ${holder.since}`
    : answer.note;
  return new PlayError(`another run is at work on this host: ${who}`, {
    next: `Wait until it has ended. It was last heard of ${answer.ageSeconds} s ago; after ${STALE_SECONDS} s of silence its lock is taken over.`,
  });
}

function ownNote(playbook: string): Holder {
  const { pid } = process;
  const since = new Date().toISOString();
  return { user: userInfo().username, on: hostname(), boot: bootId(), pid, start: startOf(pid), playbook, since };
}

function holderOf(note: string): Holder | undefined {
  try {
    return JSON.parse(note) as Holder;
  } catch {
    return undefined;
  }
}

function bootId(): string {
  return readOr('/proc/sys/kernel/random/boot_id').trim();
}

/** Clock ticks from boot to the start of a process; empty where there is none. Numbers of processes come again. */
function startOf(pid: number): string {
  const stat = readOr(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Lets hosts know, while they have nothing to do, that the run that holds them lives. Gives the way to stop it. */
export function keepBeating(connections: ReadonlySet<Connection>): () => void {
  const asked = new Set<Connection>();
  const beat = (connection: Connection) => {
    if (asked.has(connection)) return;
    asked.add(connection);
    connection
      .run(':')
      .catch(() => undefined)
      .finally(() => asked.delete(connection));
  };
  const timer = setInterval(() => {
    for (const connection of connections) beat(connection);
  }, BEAT_MS);
  timer.unref();
  return () => clearInterval(timer);
}
