import { userInfo } from 'node:os';
import type { Connection, LockAnswer } from '../connection/connection.ts';
import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { identityOf, identityText, isAlive, type ProcessIdentity } from '../local/process-identity.ts';

const FILE = '/run/etcd-play.lock';
/** A run that lives is heard of at least every {@link BEAT_MS}; after this long without a word it is gone. */
const STALE_SECONDS = 60;
const BEAT_MS = 15_000;
/** What a dead run has begun and what nothing ends before its time: etcd that is stopped has 90 s, and is started again behind it. */
const ENDING_MS = 120_000;
/** Who came later finds that out by itself, and goes. */
const GIVING_WAY_MS = 10_000;

interface Holder {
  /** The run's own process: it tells whether that very run still lives. */
  process: ProcessIdentity;
  user: string;
  playbook: string;
  since: string;
}

/**
 * Takes the host for this run: no two runs change it at once. The lock is let go of when the connection ends, and what it was doing
 * there. One that a dead run left behind, since its host could not know, is taken over.
 * @throws PlayError saying who holds it.
 */
export async function lockHost(connection: Connection, playbook: string, signal: AbortSignal): Promise<void> {
  const own = ownNote(playbook);
  const note = JSON.stringify(own);
  for (const started = performance.now(); ; ) {
    const answer = await connection.hold({ file: FILE, note });
    if (answer.held) return;
    const holder = holderOf(answer.note);
    // One machine under several names, or this very machine: this run has it already.
    if (holder && isThisRun(holder)) return;
    const gone = isGone(answer, holder);
    const patience = signal.aborted ? 0 : patienceMs({ gone, own, holder });
    if (performance.now() - started >= patience) throw locked(answer, holder);
    await connection.run(`${gone ? hangUp(answer.note) : ':'}; sleep 0.1`);
  }
}

/**
 * How long the end of what holds a host is waited for. Of two runs that began together each may hold some of the hosts: the later one
 * gives way at once, so the earlier one gets them all.
 */
export function patienceMs(about: { gone: boolean; own: Began; holder: Began | undefined }): number {
  const { gone, own, holder } = about;
  if (gone) return ENDING_MS;
  if (holder === undefined) return 0;
  const isEarlier = own.since === holder.since ? own.process.pid < holder.process.pid : own.since < holder.since;
  return isEarlier ? GIVING_WAY_MS : 0;
}

interface Began {
  since: string;
  process: Pick<ProcessIdentity, 'pid'>;
}

/**
 * Ends the shell of whoever left this note, and all that it started: its number lies in the file, its descriptor proves it. Whoever
 * has the lock by now is left alone. Behind sudo it leads no group of its own: the group is what the kernel says.
 */
function hangUp(note: string): string {
  const file = quote(FILE);
  const proof = `[ "$n" = ${quote(note)} ] && [ "$(readlink "/proc/$p/fd/9")" = ${file} ]`;
  return `{ read -r n; read -r p; } <${file}; if ${proof}; then s=$(cat "/proc/$p/stat"); set -- \${s##*) }; kill -s HUP -- "-$3"; fi`;
}

export function isGone(answer: Extract<LockAnswer, { held: false }>, holder: Holder | undefined): boolean {
  const lives = holder && isAlive(holder.process);
  return lives === undefined ? !answer.busy && answer.ageSeconds > STALE_SECONDS : !lives;
}

function isThisRun({ process: theirs }: Holder): boolean {
  return identityText(theirs) === identityText(identityOf());
}

function locked(answer: Extract<LockAnswer, { held: false }>, holder: Holder | undefined): PlayError {
  const who = holder
    ? `${holder.playbook} by ${holder.user} on ${holder.process.host} (process ${holder.process.pid}), since ${holder.since}`
    : answer.note;
  return new PlayError(`another run is at work on this host: ${who}`, {
    next: `Wait until it has ended. It was last heard of ${answer.ageSeconds} s ago; after ${STALE_SECONDS} s of silence its lock is taken over.`,
  });
}

function ownNote(playbook: string): Holder {
  // The same for all hosts: it tells which of two runs was the first.
  since ??= new Date().toISOString();
  return { process: identityOf(), user: userInfo().username, playbook, since };
}

let since: string | undefined;

function holderOf(note: string): Holder | undefined {
  try {
    const read = JSON.parse(note) as Holder | null;
    return typeof read?.process?.pid === 'string' && typeof read.since === 'string' ? read : undefined;
  } catch {
    return undefined;
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
