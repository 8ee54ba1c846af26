import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Collector } from '../../../src/connection/collector.ts';

const MARK = '\nmark-7 ';

/** Hands a text to a collector in pieces of this length. */
async function feed(text: string, length: number): Promise<Collector> {
  const stream = new PassThrough();
  const collector = new Collector(stream);
  queueMicrotask(() => {
    for (let at = 0; at < text.length; at += length) stream.write(text.slice(at, at + length));
  });
  return collector;
}

describe.each([
  ['nothing', ''],
  ['a text', 'some text'],
  ['newlines only', '\n\n\n\n'],
  ['how a mark begins', '\nmark-\nmark-7\n'],
  ['how a mark begins, right before it', 'x\nmark-7'],
  ['the mark without its newline', 'mark-7 mark-7 '],
])('what stands before a mark, when it is %s,', (_, before) => {
  const text = `${before}${MARK}0\nnext`;

  it.each([1, 2, 3, 5, 8, 100])('is given whole by pieces of %i, and so is what follows', async (length) => {
    for (const pause of [false, true]) {
      const passing = await feed(text, length);
      let got = '';
      const write = (piece: Buffer) => {
        got += piece.toString();
        return pause ? new Promise((resolve) => setImmediate(resolve)) : undefined;
      };
      await passing.pass(MARK, { write });
      expect(got).toBe(before);
      expect((await passing.until('\n')).toString()).toBe('0');
    }
    const gathering = await feed(text, length);
    expect((await gathering.until(MARK)).toString()).toBe(before);
    expect((await gathering.until('\n')).toString()).toBe('0');
  });
});

describe('an output', () => {
  it('that came before it was asked for is given, too', async () => {
    const collector = await feed(`all of it${MARK}0\n`, 100);
    await new Promise((resolve) => setImmediate(resolve));
    const got: string[] = [];
    await collector.pass(MARK, { write: (piece) => void got.push(piece.toString()) as undefined });
    expect(got).toEqual(['all of it']);
  });

  it('is not given further while its taker is busy', async () => {
    const stream = new PassThrough();
    const collector = new Collector(stream);
    const given: string[] = [];
    let free = () => {};
    const passed = collector.pass(MARK, {
      write: (piece) => {
        given.push(piece.toString());
        return new Promise<void>((resolve) => {
          free = resolve;
        });
      },
    });
    stream.write('one');
    stream.write('two');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(given).toEqual(['one']);
    free();
    await expect.poll(() => given.length).toBe(2);
    stream.write(MARK);
    free();
    await passed;
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('full');
      },
    ],
    ['gives up', () => Promise.reject(new Error('full'))],
  ])('whose taker %s fails with that', async (_, write) => {
    const collector = await feed('text', 100);
    await expect(collector.pass(MARK, { write })).rejects.toThrow('full');
  });

  it('that is discarded lets its sender come to the end', async () => {
    const stream = new PassThrough();
    const collector = new Collector(stream);
    collector.pass(MARK, { write: () => new Promise(() => undefined) });
    stream.write('piece');
    collector.discard();
    const ended = new Promise((resolve) => stream.on('end', resolve));
    for (let i = 0; i < 100; i++) stream.write(Buffer.alloc(65_536));
    stream.end();
    await ended;
  });
});
