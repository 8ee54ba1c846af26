import { describe, expect, it } from 'vitest';
import { PlayError, UnreachableError } from '../../../../src/errors.ts';
import { checkContent } from '../../../../src/etcd/restore/content.ts';
import { status } from '../plan/observed.ts';

type Word = { revision: bigint; keys: bigint | Error } | Error;

const silence = new UnreachableError('the connection to etcd was lost: nothing came for 3 s', { host: 'h1' });
const good: Word = { revision: 100n, keys: 7n };
const wanted = { keyCount: 7n, revision: 100n };
const wish = { timeoutMs: 60_000, signal: new AbortController().signal };

/** Says one after the other what it holds, the last one for ever; counts the sessions. */
function saying(...words: Word[]) {
  const sessions = { opened: 0, closed: 0 };
  const said = <T>(word: T | Error): T => {
    if (word instanceof Error) throw word;
    return word;
  };
  const open = async () => {
    sessions.opened++;
    const word = words.length > 1 ? words.shift()! : words[0]!;
    return {
      status: async () => ({ ...status('h1'), revision: said(word).revision }),
      keyCount: async () => said(said(word).keys),
      close: () => void sessions.closed++,
    };
  };
  return { open, sessions };
}

describe('a restored cluster', () => {
  it.each<[string, number, Word[]]>([
    ['has what the backup has', 1, [good]],
    ['has more: clients have written since', 1, [{ revision: 103n, keys: 9n }]],
    ['is silent when its revision is asked for', 2, [silence, good]],
    ['is silent when its keys are counted', 3, [{ ...good, keys: silence }, { ...good, keys: silence }, good]],
    ['refuses for a moment', 2, [new PlayError('Range: etcdserver: request timed out'), good]],
  ])('%s: is content', async (_, sessions, words) => {
    const member = saying(...words);
    await checkContent(member.open, wanted, wish);
    expect(member.sessions).toEqual({ opened: sessions, closed: sessions });
  });

  it('that cannot be spoken to for a moment is asked again', async () => {
    const { open } = saying(good);
    let tries = 0;
    const late = () => (++tries < 3 ? Promise.reject(silence) : open());
    await checkContent(late, wanted, wish);
    expect(tries).toBe(3);
  });

  it.each<[string, Word, string]>([
    ['keys are missing', { revision: 100n, keys: 6n }, 'has 6 keys at revision 100, and the backup 7 at 100'],
    ['it is behind', { revision: 99n, keys: 7n }, 'has 7 keys at revision 99, and the backup 7 at 100'],
  ])('is refused at once where %s', async (_, word, words) => {
    const { open, sessions } = saying(word);
    await expect(checkContent(open, wanted, wish)).rejects.toThrow(words);
    expect(sessions.opened).toBe(1);
  });

  it.each<[string, Partial<typeof wish>]>([
    ['stays silent', { timeoutMs: 0 }],
    ['is silent when the run is ended', { signal: AbortSignal.abort() }],
  ])('%s: is given up, with its words', async (_, given) => {
    await expect(checkContent(saying(silence).open, wanted, { ...wish, ...given })).rejects.toBe(silence);
  });
});
