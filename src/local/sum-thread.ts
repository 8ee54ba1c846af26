import { Worker } from 'node:worker_threads';
import { type FileSums, sumsOf } from './file-sums.ts';

const CHUNK_BYTES = 1 << 20;
/** Below this a thread costs more than it saves. */
const THREAD_FROM_BYTES = 8 << 20;

/** Reckons the SHA-256 of stretches of a file in a thread of its own, while somebody else reads it. */
export class SumThread {
  readonly #fd: number;
  #worker: Worker | undefined;
  readonly #waiting: { resolve(sums: FileSums): void; reject(error: unknown): void }[] = [];
  #failure: unknown;

  /** @param fd open for reading, until {@link close} is through. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * @param endBytes how long the end is that is set apart.
   * @throws what reading it has failed with.
   */
  async of(from: number, to: number, endBytes = 0): Promise<FileSums> {
    if (!this.#worker && to - from < THREAD_FROM_BYTES) return sumsOf(this.#fd, from, to, endBytes);
    if (this.#failure !== undefined) throw this.#failure;
    this.#worker ??= this.#start();
    this.#worker.postMessage({ from, to, endBytes });
    // Where nobody else has anything to wait for, the process would end here, and well.
    this.#worker.ref();
    return await new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(SUMS, { eval: true, workerData: { fd: this.#fd, chunkBytes: CHUNK_BYTES } });
    worker.on('message', ({ end, ...sums }: FileSums) => {
      this.#waiting.shift()!.resolve({ ...sums, end: Buffer.from(end) });
      if (this.#waiting.length === 0) worker.unref();
    });
    worker.once('error', (error) => this.#fail(error));
    worker.once('exit', () => this.#fail(new Error('the sum was given up')));
    return worker;
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

/** The thread: words of JavaScript, since a module in TypeScript cannot be started as one everywhere. */
const SUMS = `
const { parentPort, workerData: { fd, chunkBytes } } = require('node:worker_threads');
const { readSync } = require('node:fs');
const { createHash } = require('node:crypto');
const chunk = Buffer.allocUnsafeSlow(chunkBytes);
parentPort.on('message', ({ from, to, endBytes }) => {
  const hash = createHash('sha256');
  const cut = Math.max(from, to - endBytes);
  for (let at = from; at < cut; ) {
    const count = readSync(fd, chunk, 0, Math.min(chunk.length, cut - at), at);
    if (count === 0) throw new Error('the file became shorter');
    hash.update(chunk.subarray(0, count));
    at += count;
  }
  const end = Buffer.alloc(to - cut);
  if (end.length > 0) readSync(fd, end, 0, end.length, cut);
  parentPort.postMessage({ before: hash.copy().digest('hex'), sha256: hash.update(end).digest('hex'), end });
});
`;
