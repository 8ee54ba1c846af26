import { createHash } from 'node:crypto';

const TRAILER_BYTES = 32;

export interface SnapshotSums {
  /** Of the whole file, its trailer included. */
  sha256: string;
  sizeBytes: number;
  /**
   * A snapshot that a member gave ends with the sha256 of all that stands before (its size is then 32 over a multiple of
   * 512); a copied database file has none (etcd-io/etcd etcdutl/snapshot, hasChecksum).
   */
  trailer: 'right' | 'wrong' | 'none';
}

/** Takes both sums of a snapshot in one pass: its own, and that of what stands before its trailer. */
export class SnapshotSum {
  readonly #hash = createHash('sha256');
  /** The last bytes so far: they may be the trailer. */
  #held: Buffer = Buffer.alloc(0);
  #sizeBytes = 0;

  update(piece: Buffer): void {
    this.#sizeBytes += piece.length;
    if (piece.length < TRAILER_BYTES) {
      const both = Buffer.concat([this.#held, piece]);
      const cut = Math.max(0, both.length - TRAILER_BYTES);
      this.#hash.update(both.subarray(0, cut));
      this.#held = both.subarray(cut);
      return;
    }
    const cut = piece.length - TRAILER_BYTES;
    this.#hash.update(this.#held).update(piece.subarray(0, cut));
    // The piece may be written over by who gave it.
    this.#held = Buffer.from(piece.subarray(cut));
  }

  finish(): SnapshotSums {
    const isRight = this.#hash.copy().digest().equals(this.#held);
    const hasTrailer = this.#sizeBytes % 512 === TRAILER_BYTES;
    return {
      sha256: this.#hash.update(this.#held).digest('hex'),
      sizeBytes: this.#sizeBytes,
      trailer: hasTrailer ? (isRight ? 'right' : 'wrong') : 'none',
    };
  }
}
