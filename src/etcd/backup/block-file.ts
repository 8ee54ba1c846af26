import { type FileHandle, open } from 'node:fs/promises';
import { onDisk } from './on-disk.ts';

const BLOCK_BYTES = 1024 * 1024;
/** So many blocks are filled, hashed and written at a time: all the memory that a file of any size takes. */
const BLOCKS = 4;

/** Writes a file in big blocks beside the work of who gives the bytes; when too much waits, the giver waits. */
export class BlockFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #onBlock: (block: Buffer) => void;
  readonly #free: Buffer[] = Array.from({ length: BLOCKS - 1 }, () => Buffer.allocUnsafeSlow(BLOCK_BYTES));
  #current: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #filled = 0;
  #written: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #failure: unknown;

  private constructor(path: string, handle: FileHandle, onBlock: (block: Buffer) => void) {
    this.#path = path;
    this.#handle = handle;
    this.#onBlock = onBlock;
  }

  /** A new file that only its owner may read. `onBlock` sees every byte once, in order. */
  static async create(path: string, onBlock: (block: Buffer) => void = () => undefined): Promise<BlockFile> {
    const handle = await onDisk(path, () => open(path, 'wx', 0o600));
    return new BlockFile(path, handle, onBlock);
  }

  /** Takes a copy of the bytes. A promise means: wait for it before you give more. @throws what writing has failed with. */
  write(piece: Buffer): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    for (let at = 0; at < piece.length; ) {
      const taken = piece.copy(this.#current, this.#filled, at);
      this.#filled += taken;
      at += taken;
      if (this.#filled < BLOCK_BYTES) break;
      const rest = piece.subarray(at);
      this.#flush();
      const next = this.#free.pop();
      if (!next) return this.#whenFree().then(() => this.write(rest));
      this.#current = next;
    }
    return undefined;
  }

  #flush(): void {
    const block = this.#current;
    const bytes = block.subarray(0, this.#filled);
    this.#filled = 0;
    this.#onBlock(bytes);
    this.#written = this.#written
      .then(() => (this.#failure === undefined ? onDisk(this.#path, () => this.#writeAll(bytes)) : undefined))
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .then(() => {
        this.#free.push(block);
        this.#wake?.();
      });
  }

  async #writeAll(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) at += (await this.#handle.write(bytes, at)).bytesWritten;
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
  async finish(): Promise<void> {
    try {
      if (this.#filled > 0) this.#flush();
      await this.#written;
      if (this.#failure !== undefined) throw this.#failure;
      await onDisk(this.#path, () => this.#handle.sync());
    } finally {
      await this.#handle.close();
    }
  }

  /** Gives the file up; harmless after {@link finish}. */
  async abandon(): Promise<void> {
    await this.#written;
    await this.#handle.close().catch(() => undefined);
  }
}
