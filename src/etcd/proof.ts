import { randomBytes } from 'node:crypto';
import { PlayError } from '../errors.ts';
import { type Answer, disagreements } from './agreement.ts';
import type { MemberClient } from './client.ts';
import type { MemberAnswer } from './look.ts';
import type { EndpointHealth } from './tables.ts';
import type { EtcdSettings } from './variables.ts';

const PAUSE_MS = 200;
/** An election, or a disk that stands still for a moment, is no fault of a member. */
const PROVING_MS = 10_000;

/**
 * Asks all members until they are one cluster: one ID, one leader, one term, every member started.
 * Updates `answers` with the last word of each. @throws PlayError saying what they still differ in.
 */
export async function untilMembersAgree(
  answers: Map<string, MemberAnswer>,
  ask: (host: string) => Promise<MemberAnswer>,
  timeoutMs: number,
  signal: AbortSignal,
  expectedMembers = answers.size,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = judge(answers, expectedMembers);
    if (found.length === 0) return;
    if (signal.aborted || performance.now() > deadline) {
      throw new PlayError(`the members do not agree: ${found.join('; ')}`, {
        next: 'Look at their logs (journalctl -u etcd.service) and at the network between them, then run again.',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    await Promise.all([...answers].map(async ([host, answer]) => answers.set(host, await askAgain(host, answer, ask))));
  }
}

function judge(answers: ReadonlyMap<string, MemberAnswer>, expectedMembers: number): string[] {
  const silent = [...answers].filter(([, { api }]) => !api).map(([host]) => `${host} does not answer`);
  if (silent.length > 0) return silent;
  const spoken: Answer[] = [...answers].flatMap(([host, { api }]) => (api ? [{ host, ...api }] : []));
  return disagreements(spoken, expectedMembers);
}

/** By the client that is open, else anew: a member that was busy when it was asked first has none. */
async function askAgain(
  host: string,
  answer: MemberAnswer,
  ask: (host: string) => Promise<MemberAnswer>,
): Promise<MemberAnswer> {
  const { client } = answer;
  if (!client) return ask(host);
  try {
    const [status, members] = await Promise.all([client.status(), client.members()]);
    return { client, status, api: { status, members } };
  } catch {
    return { client };
  }
}

/**
 * A linearizable read through one member, and before it, where wanted, a write that is removed again. What fails is tried
 * again for ten seconds. @throws PlayError with the words of the last try.
 */
export async function proveMember(
  { advertiseClientUrls, host }: EtcdSettings,
  client: MemberClient,
  { write }: { write: boolean },
): Promise<EndpointHealth> {
  const endpoint = advertiseClientUrls[0]!;
  const key = `etcd-play/proof/${randomBytes(8).toString('hex')}`;
  const deadline = performance.now() + PROVING_MS;
  for (;;) {
    try {
      if (write) await client.write(key, host);
      const started = performance.now();
      const found = await client.read(key);
      const tookMs = performance.now() - started;
      if (write) await client.remove(key);
      if (write && found !== host) throw new Error(`read ${found ?? 'nothing'} where ${host} was written`);
      return { endpoint, healthy: true, tookMs, error: '' };
    } catch (cause) {
      if (performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        continue;
      }
      const words = (cause as Error).message;
      throw new PlayError(`${endpoint} does not ${write ? 'take a write and' : ''} answer a read: ${words}`, {
        cause,
        next: 'Look at its log there (journalctl -u etcd.service), then run again.',
      });
    }
  }
}
