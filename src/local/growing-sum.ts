import { Worker } from 'node:worker_threads';
import { type FileSums, sumsOf } from './file-sums.ts';

const CHUNK_BYTES = 1 << 20;
/** Below this a thread costs more than it saves. */
const THREAD_FROM_BYTES = 8 << 20;

/**
 * Reckons the SHA-256 of a file from its beginning while it is being read by somebody else, in a thread of its own.
 */
export class GrowingSum {
  readonly #fd: number;
  readonly #endBytes: number;
  #worker: Worker | undefined;
  #answer: Promise<FileSums> | undefined;

  /** @param fd open for reading, until {@link finish} or {@link abandon} is through. `endBytes`: how long the end is that is set apart. */
  constructor(fd: number, endBytes = 0) {
    this.#fd = fd;
    this.#endBytes = endBytes;
  }

  /** So many bytes stand in the file, and will not change any more. */
  upTo(bytes: number): void {
    if (bytes < THREAD_FROM_BYTES) return;
    if (!this.#worker) this.#start();
    this.#worker!.postMessage({ upTo: bytes - this.#endBytes });
  }

  /** Of the first bytes of the file. @throws what reading it has failed with. */
  async finish(bytes: number): Promise<FileSums> {
    if (!this.#worker) return sumsOf(this.#fd, bytes, this.#endBytes);
    this.#worker.postMessage({ upTo: bytes - this.#endBytes, end: bytes });
    // Where nobody else has anything to wait for, the process would end here, and well.
    this.#worker.ref();
    try {
      return await this.#answer!;
    } finally {
      await this.#worker.terminate();
    }
  }

  async abandon(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): void {
    const worker = new Worker(FOLLOWING, { eval: true, workerData: { fd: this.#fd, chunkBytes: CHUNK_BYTES } });
    this.#worker = worker;
    this.#answer = new Promise((resolve, reject) => {
      worker.once('message', ({ end, ...sums }: FileSums) => resolve({ ...sums, end: Buffer.from(end) }));
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the sum was given up')));
    });
    this.#answer.catch(() => undefined);
    worker.unref();
  }
}

/** The thread: words of JavaScript, since a module in TypeScript cannot be started as one everywhere. */
const FOLLOWING = `
const { parentPort, workerData: { fd, chunkBytes } } = require('node:worker_threads');
const { readSync } = require('node:fs');
const hash = require('node:crypto').createHash('sha256');
const chunk = Buffer.allocUnsafeSlow(chunkBytes);
let at = 0;
parentPort.on('message', ({ upTo, end }) => {
  while (at < upTo) {
    const count = readSync(fd, chunk, 0, Math.min(chunk.length, upTo - at), at);
    if (count === 0) throw new Error('the file became shorter');
    hash.update(chunk.subarray(0, count));
    at += count;
  }
  if (end === undefined) return;
  const rest = Buffer.alloc(end - at);
  if (rest.length > 0) readSync(fd, rest, 0, rest.length, at);
  parentPort.postMessage({ before: hash.copy().digest('hex'), sha256: hash.update(rest).digest('hex'), end: rest });
});
`;
