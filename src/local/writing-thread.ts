import { Worker } from 'node:worker_threads';
import { WRITE_BYTES } from '../write-bytes.ts';
import type { FileSums } from './file-sums.ts';

export interface WritingOptions {
  /** Open for reading and writing, until {@link WritingThread.end} or {@link WritingThread.close} is through. */
  fd: number;
  /** So much stands in the file already, and counts in its sum. */
  from: number;
  /** How long the end is that is set apart. */
  endBytes: number;
}

/** Writes blocks into a file, in the order in which they are given, and reckons its SHA-256, in a thread of its own. */
export class WritingThread {
  readonly #worker: Worker;
  readonly #waiting: { resolve(memory: ArrayBuffer): void; reject(error: unknown): void }[] = [];
  #ending: { resolve(sums: FileSums): void; reject(error: unknown): void } | undefined;
  #failure: unknown;

  constructor(workerData: WritingOptions) {
    this.#worker = new Worker(WRITING, { eval: true, workerData: { ...workerData, writeBytes: WRITE_BYTES } });
    this.#worker.on('message', (said: { memory?: ArrayBuffer; sums?: FileSums; failed?: NodeJS.ErrnoException }) => {
      if (said.memory) this.#waiting.shift()!.resolve(said.memory);
      else if (said.sums) this.#ending!.resolve({ ...said.sums, end: Buffer.from(said.sums.end) });
      else this.#fail(Object.assign(new Error(said.failed!.message), { code: said.failed!.code }));
    });
    this.#worker.once('error', (error) => this.#fail(error));
    this.#worker.once('exit', () => this.#fail(new Error('the writing was given up')));
    this.#worker.unref();
  }

  /** Takes the memory of the block, which is nobody's until it is given back, when it is written. @param at where in the file it begins. */
  write(block: Buffer, at: number): Promise<ArrayBuffer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const memory = block.buffer as ArrayBuffer;
    // Where nobody else has anything to wait for, the process would end here, and well.
    this.#worker.ref();
    this.#worker.postMessage({ memory, bytes: block.length, at }, [memory]);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Back when all is written; it still has to be brought to the disk. */
  end(): Promise<FileSums> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#worker.ref();
    this.#worker.postMessage({});
    return new Promise((resolve, reject) => {
      this.#ending = { resolve, reject };
    });
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
const { parentPort, workerData: { fd, from, endBytes, writeBytes } } = require('node:worker_threads');
const { readSync, writeSync } = require('node:fs');
const hash = require('node:crypto').createHash('sha256');
let end = Buffer.alloc(0);
function add(piece) {
  const all = piece.length < endBytes ? Buffer.concat([end, piece]) : piece;
  if (all === piece) hash.update(end);
  const cut = Math.max(0, all.length - endBytes);
  hash.update(all.subarray(0, cut));
  end = Buffer.from(all.subarray(cut));
}
function addWhatIsThere() {
  const chunk = Buffer.allocUnsafeSlow(Math.min(1048576, from));
  for (let at = 0; at < from; ) {
    const count = readSync(fd, chunk, 0, Math.min(chunk.length, from - at), at);
    if (count === 0) throw new Error('the file became shorter');
    add(chunk.subarray(0, count));
    at += count;
  }
}
let begun = false;
parentPort.on('message', ({ memory, bytes, at }) => {
  try {
    if (!begun) addWhatIsThere();
    begun = true;
    if (memory === undefined) {
      const before = hash.copy().digest('hex');
      return parentPort.postMessage({ sums: { before, sha256: hash.update(end).digest('hex'), end } });
    }
    const block = Buffer.from(memory, 0, bytes);
    for (let done = 0; done < bytes; )
      done += writeSync(fd, block, done, Math.min(writeBytes, bytes - done), at + done);
    add(block);
    parentPort.postMessage({ memory }, [memory]);
  } catch (error) {
    parentPort.postMessage({ failed: { message: error.message, code: error.code } });
  }
});
`;
