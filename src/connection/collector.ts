import type { Readable } from 'node:stream';
import type { ScriptOutput } from './connection.ts';
import { lastLines } from './errors.ts';

interface Passage {
  mark: Buffer;
  output: ScriptOutput;
  /** The end of what came last, where it may be the beginning of the mark. */
  held: Buffer;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Reads a stream of many answers and hands out what stands before a mark: gathered, or piece by piece as it comes. Each
 * byte is looked at once, however big the output. What nobody asked for yet is kept.
 */
export class Collector {
  readonly #stream: Readable;
  #chunks: Buffer[] = [];
  #wanted: { mark: Buffer; resolve: (before: Buffer) => void } | undefined;
  #passage: Passage | undefined;
  #isDiscarding = false;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    stream.on('error', () => undefined);
  }

  /** The last lines of what nobody asked for yet. */
  peek(): string {
    return lastLines(Buffer.concat(this.#chunks).toString(), 3);
  }

  until(mark: string): Promise<Buffer> {
    return new Promise((resolve) => {
      this.#wanted = { mark: Buffer.from(mark), resolve };
      if (this.#chunks.length > 0) this.#look(0);
    });
  }

  /** Fulfilled when all that stands before the mark was taken; rejected with the error of who takes it. */
  pass(mark: string, output: ScriptOutput): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#passage = { mark: Buffer.from(mark), output, held: Buffer.alloc(0), resolve, reject };
      const waiting = Buffer.concat(this.#chunks);
      this.#chunks = [];
      if (waiting.length > 0) this.#forward(this.#passage, waiting);
    });
  }

  /** Lets all that is still to come pass by unread, so that whoever sends it comes to its end. */
  discard(): void {
    this.#isDiscarding = true;
    this.#stream.resume();
  }

  #take(chunk: Buffer): void {
    if (this.#isDiscarding) return;
    if (this.#passage) this.#forward(this.#passage, chunk);
    else {
      this.#chunks.push(chunk);
      this.#look(this.#chunks.length - 1);
    }
  }

  #forward(passage: Passage, chunk: Buffer): void {
    const { mark, held } = passage;
    const part = held.length > 0 ? Buffer.concat([held, chunk]) : chunk;
    const at = part.indexOf(mark);
    const end = at < 0 ? part.length - beginningAtEnd(part, mark) : at;
    if (at < 0) passage.held = part.subarray(end);
    else {
      this.#passage = undefined;
      const rest = part.subarray(at + mark.length);
      if (rest.length > 0) this.#chunks.push(rest);
    }
    this.#hand(passage, part.subarray(0, end), at >= 0);
  }

  /** The stream stands still until the piece is taken: its sender is held back, and nothing piles up here. */
  #hand({ output, resolve, reject }: Passage, piece: Buffer, isLast: boolean): void {
    const done = () => {
      if (isLast) resolve();
    };
    try {
      const taken = piece.length > 0 ? output.write(piece) : undefined;
      if (taken) {
        this.#stream.pause();
        taken.then(() => this.#stream.resume()).then(done, reject);
      } else done();
    } catch (error) {
      reject(error);
    }
  }

  /** Looks for the mark in the chunks from `first` on, and across the seam before it. */
  #look(first: number): void {
    if (!this.#wanted) return;
    const { mark, resolve } = this.#wanted;
    let start = first;
    for (let seam = 0; start > 0 && seam < mark.length; seam += this.#chunks[start]!.length) start--;
    const part = Buffer.concat(this.#chunks.slice(start));
    const at = part.indexOf(mark);
    if (at < 0) return;
    this.#wanted = undefined;
    const before = Buffer.concat([...this.#chunks.slice(0, start), part.subarray(0, at)]);
    const rest = part.subarray(at + mark.length);
    this.#chunks = rest.length > 0 ? [rest] : [];
    resolve(before);
  }
}

/** How many bytes at the end of `part` are how the mark begins. */
function beginningAtEnd(part: Buffer, mark: Buffer): number {
  let at = part.indexOf(mark[0]!, Math.max(0, part.length - mark.length + 1));
  while (at >= 0) {
    if (mark.subarray(0, part.length - at).equals(part.subarray(at))) return part.length - at;
    at = part.indexOf(mark[0]!, at + 1);
  }
  return 0;
}
