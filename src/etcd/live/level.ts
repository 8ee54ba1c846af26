import { PlayError, UnreachableError } from '../../errors.ts';
import type { MemberStatus } from '../cluster.ts';
import type { LiveCluster } from './cluster.ts';

/** A member that says how far it is. */
export interface Speaker {
  host: string;
  status(): Promise<Pick<MemberStatus, 'raftIndex' | 'appliedIndex'>>;
}

export interface LevelWish {
  timeoutMs: number;
  signal: AbortSignal;
  onProgress(done: number, total: number): void;
}

const PAUSE_MS = 100;
/** A member that reaches where its leader was, within this time, follows at the pace of the writes. */
const PACE_MS = 1_000;
/** A leader that is silent for so long may not lead any more. */
const SILENT_MS = 3_000;

/** Waits until a host's member is level with the one that leads: `leader` has it now, and another one may have it on the way. */
export function levelWithLeader(cluster: LiveCluster, host: string, leader: string, wish: LevelWish): Promise<void> {
  const speaker = (one: string): Speaker => ({
    host: one,
    // Each look may close a client and open another.
    status: async () => {
      if (!cluster.answers.get(one)?.client) await cluster.ask(one);
      return cluster.client(one).status();
    },
  });
  const leadsNow = async () => {
    await cluster.lookAgain();
    const now = cluster.state().leader?.host;
    return now === undefined ? undefined : speaker(now);
  };
  return untilLevel(speaker(host), speaker(leader), leadsNow, wish);
}

/**
 * Waits until a member has what its leader had a moment ago, and so keeps pace with it: the server itself would let a
 * learner be promoted at 90 % (etcd server, `readyPercent`). Where the leader falls silent it goes by who `leadsNow`.
 * @throws PlayError when it does not come level in time.
 */
export async function untilLevel(
  member: Speaker,
  leader: Speaker,
  leadsNow: () => Promise<Speaker | undefined>,
  { timeoutMs, signal, onProgress }: LevelWish,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  // Who is silent for a moment is not level yet: that is all that it means.
  const statusOf = async (asked: Speaker, askInstead = async () => asked) => {
    let speaker = asked;
    let silentSince = performance.now();
    for (;;) {
      try {
        return await speaker.status();
      } catch (error) {
        if (error instanceof UnreachableError) throw error;
        if (signal.aborted || performance.now() > deadline) throw silentError(speaker.host, error as Error);
        if (performance.now() - silentSince > SILENT_MS) {
          speaker = await askInstead();
          silentSince = performance.now();
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  };
  let leads = leader;
  const askAnother = async () => {
    leads = (await leadsNow()) ?? leads;
    return leads;
  };
  const goal = async () => ({ target: (await statusOf(leads, askAnother)).raftIndex, since: performance.now() });
  let { target, since } = await goal();
  let moved = { to: -1n, at: since };
  for (;;) {
    const own = await statusOf(member);
    // Before 3.4 nobody says how much is applied; what is in the log is the next best.
    const reached = own.appliedIndex === 0n ? own.raftIndex : own.appliedIndex;
    onProgress(Number(reached), Number(target));
    if (reached >= target) {
      if (performance.now() - since < PACE_MS) return;
      ({ target, since } = await goal());
      continue;
    }
    if (signal.aborted) throw new PlayError('the run was ended before the member was level with its leader');
    if (performance.now() > deadline) {
      throw new PlayError(
        `the member on ${member.host} is not level with its leader on ${leads.host} after ${Math.round(timeoutMs / 1000)} s: it has ${reached} of ${target}`,
        { next: 'Look at its disk and its network: it takes data up slower than they are written.' },
      );
    }
    if (reached !== moved.to) moved = { to: reached, at: performance.now() };
    else if (performance.now() - moved.at > SILENT_MS) {
      // What a leader had that ended meanwhile may never come: nobody else had it.
      ({ target, since } = await goal());
      moved.at = since;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

function silentError(host: string, cause: Error): PlayError {
  return new PlayError(`the member on ${host} does not say how far it is: ${cause.message}`, {
    next: `Look at the log on ${host} (journalctl -u etcd.service), then run again.`,
    cause,
  });
}
