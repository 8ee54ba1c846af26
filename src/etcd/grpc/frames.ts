/** Cuts a stream of gRPC into its messages: a byte that tells whether it is compressed, four of its length, itself. */
export class MessageFrames {
  #rest: Buffer[] = [];
  #size = 0;
  #needed = 5;

  /** The messages that are whole by now. @throws RangeError for one that is compressed: nobody has asked for that. */
  push(piece: Buffer): Buffer[] {
    this.#rest.push(piece);
    this.#size += piece.length;
    const whole: Buffer[] = [];
    while (this.#size >= this.#needed) {
      const all = this.#rest.length === 1 ? this.#rest[0]! : Buffer.concat(this.#rest);
      this.#rest = [all];
      if (all[0] !== 0) throw new RangeError('a message is compressed');
      this.#needed = 5 + all.readUInt32BE(1);
      if (this.#size < this.#needed) break;
      whole.push(all.subarray(5, this.#needed));
      this.#rest = [all.subarray(this.#needed)];
      this.#size -= this.#needed;
      this.#needed = 5;
    }
    return whole;
  }
}
