/** Of `SnapshotResponse` in etcd's rpc.proto. */
const REMAINING_BYTES = 2;
const BLOB = 3;

interface InFrame {
  reading: 'frame';
  header: Buffer;
  have: number;
}

interface InNumber {
  reading: 'tag' | 'number' | 'length';
  field: number;
  value: number;
  factor: number;
}

interface InBytes {
  reading: 'blob' | 'skip';
  left: number;
}

/**
 * Takes the framed messages of a snapshot as they come off the wire, cut anywhere, and hands out the snapshot's own bytes
 * without gathering them: no piece is ever copied.
 */
export class SnapshotFrames {
  readonly #give: (piece: Buffer) => void;
  #state: InFrame | InNumber | InBytes = { reading: 'frame', header: Buffer.alloc(5), have: 0 };
  /** What is left of the message that is being read. */
  #left = 0;
  /** How many bytes the member says are still to come; undefined before it has said so. */
  remainingBytes: number | undefined;

  constructor(give: (piece: Buffer) => void) {
    this.#give = give;
  }

  /** Whether the wire may end here. */
  get isBetweenMessages(): boolean {
    return this.#state.reading === 'frame' && this.#state.have === 0;
  }

  /** @throws RangeError for what is no snapshot. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const state = this.#state;
      if (state.reading === 'frame') at = this.#readFrame(state, chunk, at);
      else if ('left' in state) {
        const end = Math.min(chunk.length, at + state.left);
        if (state.reading === 'blob') this.#give(chunk.subarray(at, end));
        state.left -= end - at;
        this.#left -= end - at;
        at = end;
        if (state.left === 0) this.#nextField();
      } else this.#readNumber(state, chunk[at++]!);
    }
  }

  #readFrame(state: InFrame, chunk: Buffer, at: number): number {
    const taken = chunk.copy(state.header, state.have, at);
    state.have += taken;
    if (state.have === 5) {
      if (state.header[0] !== 0) throw new RangeError('a message is compressed');
      this.#left = state.header.readUInt32BE(1);
      // What is zero is left out of a message.
      this.remainingBytes = 0;
      this.#nextField();
    }
    return at + taken;
  }

  #nextField(): void {
    this.#state =
      this.#left > 0
        ? { reading: 'tag', field: 0, value: 0, factor: 1 }
        : { reading: 'frame', header: Buffer.alloc(5), have: 0 };
  }

  #readNumber(state: InNumber, byte: number): void {
    if (--this.#left < 0) throw new RangeError('a message is longer than it says');
    state.value += (byte & 0x7f) * state.factor;
    state.factor *= 128;
    if (state.factor > 2 ** 70) throw new RangeError('a number is too long');
    if (byte >= 0x80) return;
    if (state.reading === 'tag') this.#readTag(state.value);
    else if (state.reading === 'number') {
      if (state.field === REMAINING_BYTES) this.remainingBytes = state.value;
      this.#nextField();
    } else {
      if (state.value > this.#left) throw new RangeError('a field is longer than its message');
      if (state.value === 0) this.#nextField();
      else this.#state = { reading: state.field === BLOB ? 'blob' : 'skip', left: state.value };
    }
  }

  #readTag(tag: number): void {
    const field = Math.floor(tag / 8);
    const wire = tag % 8;
    if (wire === 0) this.#state = { reading: 'number', field, value: 0, factor: 1 };
    else if (wire === 2) this.#state = { reading: 'length', field, value: 0, factor: 1 };
    else throw new RangeError(`wire type ${wire} is not expected`);
  }
}
