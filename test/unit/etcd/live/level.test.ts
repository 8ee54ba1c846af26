import { describe, expect, it } from 'vitest';
import { PlayError, UnreachableError } from '../../../../src/errors.ts';
import type { MemberClient } from '../../../../src/etcd/client.ts';
import { untilLevel } from '../../../../src/etcd/live/level.ts';
import { status } from '../plan/observed.ts';

type Word = bigint | Error;

/** Says one after the other how far it is, the last one for ever. */
function saying(...words: Word[]): Pick<MemberClient, 'status'> {
  const next = async () => {
    const word = words.length > 1 ? words.shift()! : words[0]!;
    if (word instanceof Error) throw word;
    return { ...status('h1'), raftIndex: word, appliedIndex: word };
  };
  return { status: next };
}

const silence = new Error('etcd does not answer within 5 s');
const wish = { timeoutMs: 300, signal: new AbortController().signal, onProgress: () => undefined };

describe('a member that is to come level with its leader', () => {
  it.each<[string, ReturnType<typeof saying>, ReturnType<typeof saying>]>([
    ['is there', saying(9n), saying(9n)],
    ['comes there', saying(9n), saying(3n, 6n, 9n)],
    ['is silent for a moment', saying(9n), saying(3n, silence, silence, 9n)],
    ['has a leader that is silent for a moment', saying(silence, 9n), saying(9n)],
  ])('%s: is waited for', async (_, leader, member) => {
    await expect(untilLevel(leader, member, wish)).resolves.toBeUndefined();
  });

  it.each<[string, Word, unknown, string]>([
    ['stays behind', 3n, PlayError, 'it has 3 of 9'],
    ['stays silent', silence, PlayError, 'does not say how far it is: etcd does not answer within 5 s'],
    ['is lost with its host', new UnreachableError('connection lost', { host: 'h1' }), UnreachableError, 'lost'],
  ])('%s: is given up, with its words', async (_, word, kind, words) => {
    const failed = untilLevel(saying(9n), saying(word), wish);
    await expect(failed).rejects.toThrow(words);
    await expect(failed).rejects.toBeInstanceOf(kind);
  });

  it('is not waited for any longer when the run is ended', async () => {
    const signal = AbortSignal.abort();
    await expect(untilLevel(saying(9n), saying(silence), { ...wish, timeoutMs: 60_000, signal })).rejects.toThrow(
      'does not say how far it is',
    );
  });
});
