import { type FileHandle, open } from 'node:fs/promises';
import { WRITE_BYTES } from '../write-bytes.ts';
import { type FileSums, sumsOf } from './file-sums.ts';
import { WritingThread } from './writing-thread.ts';

const BLOCK_BYTES = 1024 * 1024;
/** So many blocks are filled and written at a time: all the memory that a file of any size takes. */
const BLOCKS = 4;
/** What was written is sent to the disk after so much, beside the work: little is left to wait for at the end. */
const SYNC_BYTES = 16 * BLOCK_BYTES;
/** Below this a thread costs more than it saves. */
const THREAD_FROM_BYTES = 8 * BLOCK_BYTES;

export interface BlockFileOptions {
  /** Where in the file the first byte goes. Default: its beginning. The sum is of what stands before, too. */
  at?: number;
  /** How long the end is whose bytes are asked for apart from what stands before it. Default: 0. */
  endBytes?: number;
  /** Makes the error that callers see of one of the file system. */
  explained?(error: unknown): unknown;
}

export interface BlockFileResult extends FileSums {
  /** Of the whole file. */
  sizeBytes: number;
}

/**
 * Writes a file beside the work of who gives the bytes, with its sum; when too much waits, the giver waits.
 */
export class BlockFile {
  readonly #handle: FileHandle;
  readonly #endBytes: number;
  readonly #explained: (error: unknown) => unknown;
  #isOwn = false;
  /** Shared with the thread: what is handed over and back each time would be work for the garbage collector. */
  readonly #memory = new SharedArrayBuffer(BLOCKS * BLOCK_BYTES);
  readonly #blocks = Array.from({ length: BLOCKS }, (_, n) => Buffer.from(this.#memory, n * BLOCK_BYTES, BLOCK_BYTES));
  readonly #free = this.#blocks.map((_, n) => n);
  #current = this.#free.pop()!;
  #filled = 0;
  #givenBytes: number;
  #syncedBytes: number;
  #syncing: Promise<void> | undefined;
  /** All blocks so far are written, or the thread has them. */
  #handed: Promise<void> = Promise.resolve();
  #thread: WritingThread | undefined;
  #wake: (() => void) | undefined;
  #failure: unknown;

  /** @param handle open for reading and writing. It stays open. */
  constructor(handle: FileHandle, { at = 0, endBytes = 0, explained = (error) => error }: BlockFileOptions = {}) {
    this.#handle = handle;
    this.#endBytes = endBytes;
    this.#explained = explained;
    this.#givenBytes = at;
    this.#syncedBytes = at;
  }

  /** A new file that only its owner may read; {@link finish} and {@link abandon} close it. */
  static async create(path: string, options: Omit<BlockFileOptions, 'at'> = {}): Promise<BlockFile> {
    try {
      const file = new BlockFile(await open(path, 'wx+', 0o600), options);
      file.#isOwn = true;
      return file;
    } catch (error) {
      throw options.explained?.(error) ?? error;
    }
  }

  /** Takes a copy of the bytes. A promise means: wait for it before you give more. @throws what writing has failed with. */
  write(piece: Buffer): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    for (let at = 0; at < piece.length; ) {
      const taken = Math.min(piece.length - at, BLOCK_BYTES - this.#filled);
      // `copy` takes shared memory byte by byte where the two are not aligned alike, at a twentieth of the speed.
      this.#blocks[this.#current]!.fill(piece.subarray(at, at + taken), this.#filled, this.#filled + taken);
      this.#filled += taken;
      at += taken;
      if (this.#filled < BLOCK_BYTES) break;
      this.#flush();
      const next = this.#free.pop();
      if (next === undefined) {
        const rest = piece.subarray(at);
        return this.#whenFree().then(() => this.write(rest));
      }
      this.#current = next;
    }
    return undefined;
  }

  #flush(): void {
    const [block, bytes, at] = [this.#current, this.#filled, this.#givenBytes];
    this.#filled = 0;
    this.#givenBytes += bytes;
    this.#handed = this.#handed
      .then(() => (this.#failure === undefined ? this.#hand(block, bytes, at) : undefined))
      .catch((error: unknown) => this.#fail(error));
  }

  /** A file that grows big gets a thread, which goes on from what stands there. */
  async #hand(block: number, bytes: number, at: number): Promise<void> {
    if (at + bytes >= THREAD_FROM_BYTES) {
      this.#thread ??= this.#newThread();
      this.#thread.write({ block, bytes, at }).then(
        () => this.#isWritten(block, at + bytes),
        (error: unknown) => this.#fail(error),
      );
      return;
    }
    for (let done = 0; done < bytes; ) {
      const count = Math.min(WRITE_BYTES, bytes - done);
      done += (await this.#handle.write(this.#blocks[block]!, done, count, at + done)).bytesWritten;
    }
    this.#isWritten(block, at + bytes);
  }

  #newThread(): WritingThread {
    const { fd } = this.#handle;
    return new WritingThread({ fd, memory: this.#memory, blockBytes: BLOCK_BYTES, endBytes: this.#endBytes });
  }

  #isWritten(block: number, end: number): void {
    this.#free.push(block);
    this.#wake?.();
    if (this.#syncing || end - this.#syncedBytes < SYNC_BYTES) return;
    this.#syncedBytes = end;
    this.#syncing = this.#handle
      .datasync()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  #fail(error: unknown): void {
    this.#failure ??= this.#explained(error);
    this.#wake?.();
  }

  async #whenFree(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    if (this.#failure !== undefined) throw this.#failure;
    this.#current = this.#free.pop()!;
  }

  /** Back when every byte is on the disk. */
  async finish(): Promise<BlockFileResult> {
    try {
      if (this.#filled > 0) this.#flush();
      await this.#handed;
      const sizeBytes = this.#givenBytes;
      const sums = this.#thread && (await this.#thread.end());
      await this.#syncing;
      if (this.#failure !== undefined) throw this.#failure;
      const found = sums ?? sumsOf(this.#handle.fd, 0, sizeBytes, this.#endBytes);
      await this.#handle.sync();
      return { sizeBytes, ...found };
    } catch (error) {
      this.#fail(error);
      throw this.#failure;
    } finally {
      await this.abandon();
    }
  }

  /** Gives the file up; harmless after {@link finish}. */
  async abandon(): Promise<void> {
    await this.#handed;
    // Nothing must be written by a number that is another file's by then.
    await this.#thread?.close();
    await this.#syncing;
    if (!this.#isOwn) return;
    this.#isOwn = false;
    await this.#handle.close();
  }
}
