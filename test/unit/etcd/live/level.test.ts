import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PlayError, UnreachableError } from '../../../../src/errors.ts';
import { type Speaker, untilLevel } from '../../../../src/etcd/live/level.ts';
import { status } from '../plan/observed.ts';

type Word = bigint | Error;

/** Says one after the other how far it is, the last one for ever. */
function saying(host: string, ...words: Word[]): Speaker {
  const next = async () => {
    const word = words.length > 1 ? words.shift()! : words[0]!;
    if (word instanceof Error) throw word;
    return { ...status(host), raftIndex: word, appliedIndex: word };
  };
  return { host, status: next };
}

const member = (...words: Word[]) => saying('h1', ...words);
const leader = (...words: Word[]) => saying('h2', ...words);
const successor = (...words: Word[]) => vi.fn(async (): Promise<Speaker | undefined> => saying('h3', ...words));
const silence = new Error('etcd does not answer within 5 s');
const TIMEOUT_MS = 60_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** The error that the wait ends with; undefined where the member came level. */
async function waited(
  one: Speaker,
  leads: Speaker,
  leadsNow: () => Promise<Speaker | undefined> = successor(silence),
  signal = new AbortController().signal,
): Promise<Error | undefined> {
  const waiting = untilLevel(one, leads, leadsNow, { timeoutMs: TIMEOUT_MS, signal, onProgress: () => undefined }).then(
    () => undefined,
    (error: Error) => error,
  );
  await vi.advanceTimersByTimeAsync(2 * TIMEOUT_MS);
  return waiting;
}

describe('a member that is to come level with its leader', () => {
  it.each<[string, Speaker, Speaker]>([
    ['is there', leader(9n), member(9n)],
    ['comes there', leader(9n), member(3n, 6n, 9n)],
    ['is silent for a moment', leader(9n), member(3n, silence, silence, 9n)],
    ['has a leader that is silent for a moment', leader(silence, 9n), member(9n)],
  ])('%s: is waited for', async (_, leads, one) => {
    const leadsNow = successor(silence);
    expect(await waited(one, leads, leadsNow)).toBeUndefined();
    expect(leadsNow).not.toHaveBeenCalled();
  });

  it.each<[string, Speaker, Speaker]>([
    ['ended', leader(silence), member(3n, 6n, 9n)],
    ['ended while it took up what that had', leader(9n, silence), member(...Array<Word>(20).fill(3n), 9n)],
    ['had what nobody else has, and ended', leader(12n, silence), member(3n, 9n)],
  ])('has a leader that %s: is waited for by who leads now', async (_, leads, one) => {
    const leadsNow = successor(9n);
    expect(await waited(one, leads, leadsNow)).toBeUndefined();
    expect(leadsNow).toHaveBeenCalledOnce();
  });

  it('leads itself by now: is level', async () => {
    const one = member(9n);
    expect(await waited(one, leader(silence), async () => one)).toBeUndefined();
  });

  it('is waited for until there is a leader again', async () => {
    const leadsNow = successor(9n).mockResolvedValueOnce(undefined).mockResolvedValueOnce(undefined);
    expect(await waited(member(9n), leader(silence), leadsNow)).toBeUndefined();
    expect(leadsNow).toHaveBeenCalledTimes(3);
  });

  const lost = new UnreachableError('connection lost', { host: 'h1' });
  it.each<[string, Speaker, Speaker, unknown, string]>([
    [
      'stays behind',
      leader(9n),
      member(3n),
      PlayError,
      'on h1 is not level with its leader on h2 after 60 s: it has 3 of 9',
    ],
    [
      'stays silent',
      leader(9n),
      member(silence),
      PlayError,
      'the member on h1 does not say how far it is: etcd does not',
    ],
    [
      'has no leader that speaks',
      leader(silence),
      member(9n),
      PlayError,
      'the member on h3 does not say how far it is',
    ],
    ['is lost with its host', leader(9n), member(lost), UnreachableError, 'lost'],
  ])('%s: is given up, with the words of who is in the way', async (_, leads, one, kind, words) => {
    const error = await waited(one, leads);
    expect(error).toBeInstanceOf(kind);
    expect(error?.message).toContain(words);
  });

  it('is not waited for any longer when the run is ended', async () => {
    const error = await waited(member(silence), leader(9n), undefined, AbortSignal.abort());
    expect(error?.message).toContain('does not say how far it is');
  });
});
