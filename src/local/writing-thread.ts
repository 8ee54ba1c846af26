import { Worker } from 'node:worker_threads';
import { WRITE_BYTES } from '../write-bytes.ts';
import type { FileSums } from './file-sums.ts';

export interface WritingOptions {
  /** Open for reading and writing, until {@link WritingThread.end} or {@link WritingThread.close} is through. */
  fd: number;
  /** The blocks, one behind the other: whoever fills one must not touch it until it is written. */
  memory: SharedArrayBuffer;
  blockBytes: number;
  /** How long the end is that is set apart. */
  endBytes: number;
}

type Said = { isWritten: true } | { sums: FileSums } | { failed: { message: string; code: string | undefined } };

/**
 * Writes blocks into a file, in the order in which they are given, and reckons its SHA-256, in a thread of its own. The sum is of what
 * the file says, from its beginning, and not of what was meant.
 */
export class WritingThread {
  readonly #worker: Worker;
  readonly #waiting: { resolve(): void; reject(error: unknown): void }[] = [];
  #ending: { resolve(sums: FileSums): void; reject(error: unknown): void } | undefined;
  #failure: unknown;

  constructor(workerData: WritingOptions) {
    this.#worker = new Worker(WRITING, { eval: true, workerData: { ...workerData, writeBytes: WRITE_BYTES } });
    this.#worker.on('message', (said: Said) => {
      if ('isWritten' in said) this.#waiting.shift()!.resolve();
      else if ('sums' in said) this.#ending!.resolve({ ...said.sums, end: Buffer.from(said.sums.end) });
      else this.#fail(Object.assign(new Error(said.failed.message), { code: said.failed.code }));
    });
    this.#worker.once('error', (error) => this.#fail(error));
    this.#worker.once('exit', () => this.#fail(new Error('the writing was given up')));
    this.#worker.unref();
  }

  /** @param at where in the file the block begins. */
  write({ block, bytes, at }: { block: number; bytes: number; at: number }): Promise<void> {
    return this.#ask({ block, bytes, at }, (waiter) => void this.#waiting.push(waiter));
  }

  /** Back when all is written; it still has to be brought to the disk. */
  end(): Promise<FileSums> {
    return this.#ask<FileSums>({}, (waiter) => {
      this.#ending = waiter;
    });
  }

  #ask<T>(
    question: object,
    wait: (waiter: { resolve(value: T): void; reject(error: unknown): void }) => void,
  ): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    // Where nobody else has anything to wait for, the process would end here, and well.
    this.#worker.ref();
    this.#worker.postMessage(question);
    return new Promise((resolve, reject) => wait({ resolve, reject }));
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
    this.#ending?.reject(this.#failure);
  }
}

/** The thread: words of JavaScript, since a module in TypeScript cannot be started as one everywhere. */
const WRITING = `
const { parentPort, workerData: { fd, memory, blockBytes, endBytes, writeBytes } } = require('node:worker_threads');
const { readSync, writeSync } = require('node:fs');
const hash = require('node:crypto').createHash('sha256');
const chunk = Buffer.allocUnsafeSlow(blockBytes);
let at = 0;
let end = Buffer.alloc(0);
function sumUpTo(to) {
  while (at < to) {
    const count = readSync(fd, chunk, 0, Math.min(chunk.length, to - at), at);
    if (count === 0) throw new Error('the file became shorter');
    const piece = chunk.subarray(0, count);
    const all = count < endBytes ? Buffer.concat([end, piece]) : piece;
    if (all === piece) hash.update(end);
    const cut = Math.max(0, all.length - endBytes);
    hash.update(all.subarray(0, cut));
    end = Buffer.from(all.subarray(cut));
    at += count;
  }
}
parentPort.on('message', ({ block, bytes, at: from }) => {
  try {
    if (block === undefined) {
      const before = hash.copy().digest('hex');
      return parentPort.postMessage({ sums: { before, sha256: hash.update(end).digest('hex'), end } });
    }
    const piece = Buffer.from(memory, block * blockBytes, bytes);
    for (let done = 0; done < bytes; )
      done += writeSync(fd, piece, done, Math.min(writeBytes, bytes - done), from + done);
    parentPort.postMessage({ isWritten: true });
    sumUpTo(from + bytes);
  } catch (error) {
    parentPort.postMessage({ failed: { message: error.message, code: error.code } });
  }
});
`;
