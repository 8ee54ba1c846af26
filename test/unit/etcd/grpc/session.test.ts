import type { ServerHttp2Stream } from 'node:http2';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { UnreachableError } from '../../../../src/errors.ts';
import { NoAnswerError } from '../../../../src/etcd/grpc/session.ts';
import { answer, EMPTY, emptyAnswer, farEnd, WAYS } from './far-end.ts';

const HOUR_MS = 3_600_000;
const MIB = 1024 ** 2;
const BIG = 3 * MIB;
const LOST = { name: 'UnreachableError', message: 'the connection to etcd was lost', host: 'h1' };

/** Something that a test waits for, and when it has come. */
function moment(): { come: Promise<void>; isHere(): void } {
  let isHere = () => {};
  const come = new Promise<void>((resolve) => {
    isHere = resolve;
  });
  return { come, isHere };
}

/** Takes the first piece for as long as the test wishes, and counts. */
function slowTaker() {
  const begun = moment();
  const mayGoOn = moment();
  const taker = {
    bytes: 0,
    begun: begun.come,
    goOn: mayGoOn.isHere,
    take: (piece: Buffer) => {
      taker.bytes += piece.length;
      begun.isHere();
      return mayGoOn.come;
    },
  };
  return taker;
}

/** An answer of three mebibytes; whoever asks for `/mark` is told when all of it is on its way. */
function bigAnswer(ends: boolean) {
  const sent = moment();
  return {
    '/big': (stream: ServerHttp2Stream) => {
      answer(stream);
      if (ends) stream.once('close', sent.isHere).end(Buffer.alloc(BIG));
      else stream.write(Buffer.alloc(BIG), sent.isHere);
    },
    '/mark': (stream: ServerHttp2Stream) => void sent.come.then(() => emptyAnswer(stream)),
  };
}

/** An answer that does not go on. */
function beginning(stream: ServerHttp2Stream): void {
  answer(stream);
  stream.write(EMPTY);
}

describe.each(WAYS)('a member that is reached by %s', (way) => {
  it('and is killed ends its calls and its session at once', async () => {
    const asked = moment();
    const { session, near, kill } = await farEnd(way, { '/silent': asked.isHere, '/empty': emptyAnswer });
    await session.ask('/empty', EMPTY, HOUR_MS);
    const asking = session.ask('/silent', EMPTY, HOUR_MS);
    asking.catch(() => undefined);
    await asked.come;
    kill();
    await expect(asking).rejects.toMatchObject(LOST);
    await expect.poll(() => [session.isOpen, near.destroyed]).toEqual([false, true]);
    await expect(session.ask('/empty', EMPTY, HOUR_MS)).rejects.toThrow('the connection to etcd was lost');
  });

  it.each([
    ['whole', true],
    ['cut off', false],
  ])('has all taken that came before its end, though slowly: %s', async (_, ends) => {
    const { session, kill } = await farEnd(way, bigAnswer(ends));
    const taker = slowTaker();
    const streaming = session.stream('/big', EMPTY, { stallMs: HOUR_MS, take: taker.take });
    streaming.catch(() => undefined);
    await taker.begun;
    await session.ask('/mark', EMPTY, HOUR_MS);
    expect(taker.bytes).toBeLessThan(BIG);
    kill();
    await expect.poll(() => session.isOpen).toBe(false);
    taker.goOn();
    if (ends) await streaming;
    else await expect(streaming).rejects.toMatchObject(LOST);
    expect(taker.bytes).toBe(BIG);
  });

  it('is not taken to have said all where the rest was lost on the way', async () => {
    const { session, near } = await farEnd(way, bigAnswer(true));
    const taker = slowTaker();
    const streaming = session.stream('/big', EMPTY, { stallMs: HOUR_MS, take: taker.take });
    streaming.catch(() => undefined);
    await taker.begun;
    await session.ask('/mark', EMPTY, HOUR_MS);
    near.destroy();
    await expect.poll(() => session.isOpen).toBe(false);
    taker.goOn();
    await expect(streaming).rejects.toThrow(UnreachableError);
    expect(taker.bytes).toBeLessThan(BIG);
  });

  it('and ends in good order answers what it was asked before', async () => {
    const asked = moment();
    let answering: ServerHttp2Stream | undefined;
    const { session, far } = await farEnd(way, {
      '/later': (stream) => {
        answering = stream;
        asked.isHere();
      },
    });
    const asking = session.ask('/later', EMPTY, HOUR_MS);
    await asked.come;
    far.close();
    await expect.poll(() => session.isOpen).toBe(false);
    await expect(session.ask('/later', EMPTY, HOUR_MS)).rejects.toThrow('the connection to etcd was lost');
    emptyAnswer(answering!);
    expect(await asking).toHaveLength(0);
  });
});

describe('a member that is silent', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is said to be so, and not to be lost', async () => {
    const { session } = await farEnd('a tunnel', { '/silent': () => undefined, '/begun': beginning });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const asking = session.ask('/silent', EMPTY, 3_000);
    const begun = moment();
    const streaming = session.stream('/begun', EMPTY, { stallMs: 60_000, take: () => void begun.isHere() });
    for (const one of [asking, streaming]) one.catch(() => undefined);
    await begun.come;
    await vi.advanceTimersByTimeAsync(61_000);
    await expect(asking).rejects.toThrow('etcd does not answer within 3 s');
    await expect(streaming).rejects.toThrow('nothing more has come from etcd for 60 s');
    expect(session.isOpen).toBe(true);
  });

  it.each([
    [0.5, '0.0005 s'],
    [999, '0.999 s'],
    [2_998.7, '3 s'],
    [60_000, '60 s'],
  ])('for %d ms is silent for %s', (ms, words) => {
    expect(new NoAnswerError(ms, 'h1').message).toBe(`etcd does not answer within ${words}`);
  });

  it('is borne with for as long as it gives a reason when it is asked', async () => {
    const { session } = await farEnd('a tunnel', { '/silent': () => undefined });
    let asked = 0;
    const onSilence = async () => {
      asked++;
      if (asked === 3) throw new Error('no reason any more');
    };
    const streaming = session.stream('/silent', EMPTY, { stallMs: 20, onSilence, take: () => undefined });
    await expect(streaming).rejects.toThrow('no reason any more');
    expect(asked).toBe(3);
  });
});

it('answers while large requests wait to be sent', async () => {
  // What nobody reads stays with who sends it.
  const { session, far } = await farEnd('a tunnel', { '/large': () => undefined, '/empty': emptyAnswer });
  far.setLocalWindowSize(16 * MIB);
  const large = Array.from({ length: 4 }, () => session.ask('/large', Buffer.alloc(BIG), HOUR_MS));
  for (const one of large) one.catch(() => undefined);
  expect(await session.ask('/empty', EMPTY, HOUR_MS)).toHaveLength(0);
});

describe('a call that is over', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('leaves no timer behind, though a piece is still being taken', async () => {
    const { session } = await farEnd('a tunnel', { '/begun': beginning });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const ending = new AbortController();
    const taker = slowTaker();
    const streaming = session.stream('/begun', EMPTY, { stallMs: HOUR_MS, signal: ending.signal, take: taker.take });
    streaming.catch(() => undefined);
    await taker.begun;
    ending.abort();
    await expect(streaming).rejects.toThrow('the run was ended');
    taker.goOn();
    await new Promise(setImmediate);
    expect(vi.getTimerCount()).toBe(0);
  });
});
