import { type FileHandle, open } from 'node:fs/promises';
import { GrowingSum, type GrowingSumResult } from './growing-sum.ts';

const BLOCK_BYTES = 1024 * 1024;
/** So many blocks are filled and written at a time: all the memory that a file of any size takes. */
const BLOCKS = 4;
/** What was written is sent to the disk after so much, beside the work: little is left to wait for at the end. */
const SYNC_BYTES = 16 * BLOCK_BYTES;

export interface BlockFileOptions {
  /** Where in the file the first byte goes. Default: its beginning. The sum is of what stands before, too. */
  at?: number;
  /** How long the end is whose bytes are asked for apart from what stands before it. Default: 0. */
  endBytes?: number;
  /** Makes the error that callers see of one of the file system. */
  explained?(error: unknown): unknown;
}

export interface BlockFileResult extends GrowingSumResult {
  /** Of the whole file. */
  sizeBytes: number;
}

/**
 * Writes a file in big blocks beside the work of who gives the bytes, with its sum; when too much waits, the giver waits.
 */
export class BlockFile {
  readonly #handle: FileHandle;
  readonly #sum: GrowingSum;
  readonly #explained: (error: unknown) => unknown;
  #isOwn = false;
  readonly #free: Buffer[] = [];
  #allocated = 1;
  #current: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #filled = 0;
  #givenBytes: number;
  #syncedBytes: number;
  #syncing: Promise<void> | undefined;
  #written: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #failure: unknown;

  /** @param handle open for reading and writing. It stays open. */
  constructor(handle: FileHandle, { at = 0, endBytes = 0, explained = (error) => error }: BlockFileOptions = {}) {
    this.#handle = handle;
    this.#sum = new GrowingSum(handle.fd, endBytes);
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
      const taken = piece.copy(this.#current, this.#filled, at);
      this.#filled += taken;
      at += taken;
      if (this.#filled < BLOCK_BYTES) break;
      this.#flush();
      const next = this.#next();
      if (!next) {
        const rest = piece.subarray(at);
        return this.#whenFree().then(() => this.write(rest));
      }
      this.#current = next;
    }
    return undefined;
  }

  #next(): Buffer | undefined {
    const free = this.#free.pop();
    if (free || this.#allocated === BLOCKS) return free;
    this.#allocated++;
    return Buffer.allocUnsafeSlow(BLOCK_BYTES);
  }

  #flush(): void {
    const block = this.#current;
    const bytes = block.subarray(0, this.#filled);
    const from = this.#givenBytes;
    this.#filled = 0;
    this.#givenBytes += bytes.length;
    this.#written = this.#written
      .then(() => (this.#failure === undefined ? this.#writeAll(bytes, from) : undefined))
      .catch((error: unknown) => this.#fail(error))
      .then(() => {
        this.#free.push(block);
        this.#wake?.();
      });
  }

  async #writeAll(bytes: Buffer, from: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      at += (await this.#handle.write(bytes, at, bytes.length - at, from + at)).bytesWritten;
    }
    const end = from + bytes.length;
    this.#sum.upTo(end);
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
  }

  async #whenFree(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    if (this.#failure !== undefined) throw this.#failure;
    this.#current = this.#next()!;
  }

  /** Back when every byte is on the disk. */
  async finish(): Promise<BlockFileResult> {
    try {
      if (this.#filled > 0) this.#flush();
      await this.#written;
      await this.#syncing;
      if (this.#failure !== undefined) throw this.#failure;
      const sizeBytes = this.#givenBytes;
      const [sums] = await Promise.all([this.#sum.finish(sizeBytes), this.#handle.sync()]);
      return { sizeBytes, ...sums };
    } catch (error) {
      this.#fail(error);
      throw this.#failure;
    } finally {
      await this.abandon();
    }
  }

  /** Gives the file up; harmless after {@link finish}. */
  async abandon(): Promise<void> {
    await this.#written;
    await this.#syncing;
    await this.#sum.abandon();
    if (!this.#isOwn) return;
    this.#isOwn = false;
    await this.#handle.close();
  }
}
