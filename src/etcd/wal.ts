import { crc32c } from './crc32c.ts';
import { fieldsOf } from './grpc/protobuf.ts';

/** What the newest file of a member's write-ahead log says of it (E/server/storage/wal: `encoder.go`, `walpb`, `raftpb`). */
export interface LogFacts {
  /** As etcdctl prints them; empty where the file has none. */
  memberId: string;
  clusterId: string;
  /** Of its last entry: what elections go by. */
  term: bigint;
  index: bigint;
  /** The last entry that it knows a majority to have. What lies behind it `--force-new-cluster` throws away. */
  committed: bigint;
  /** Why etcd would not start on it; undefined where nothing speaks against it. */
  fault: string | undefined;
}

const [METADATA, ENTRY, STATE, CRC, SNAPSHOT] = [1, 2, 3, 4, 5];
const SECTOR = 512;
/** Longer than any request that etcd takes: such a length is no length. */
const MOST_BYTES = 512 * 1024 * 1024;

/**
 * Reads one file of the log as it comes, in constant memory. It ends at the first zeros: files are made long beforehand. A record at
 * the end that was never written wholly counts for nothing, as for etcd itself.
 */
export class LogReader {
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;
  #sum = 0;
  #at = 0;
  #isBegun = false;
  readonly #facts: LogFacts;

  /** @param name of the file: `<sequence>-<index of its first entry>.wal`. A file that was just begun has no entry yet. */
  constructor(name: string) {
    const first = /^[0-9a-f]{16}-([0-9a-f]{16})\.wal$/.exec(name)?.[1];
    const before = first === undefined || /^0+$/.test(first) ? 0n : BigInt(`0x${first}`) - 1n;
    this.#facts = { memberId: '', clusterId: '', term: 0n, index: before, committed: 0n, fault: undefined };
  }

  push(piece: Buffer): void {
    if (this.#ended) return;
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    while (!this.#ended && this.#rest.length >= 8) {
      const frame = frameOf(this.#rest);
      if (frame.size === 0) this.#ended = true;
      else if (frame.size > MOST_BYTES) this.#damaged();
      else if (this.#rest.length < 8 + frame.size + frame.pad) return;
      else this.#take(this.#rest.subarray(8, 8 + frame.size), 8 + frame.size + frame.pad);
    }
  }

  /** What it has come to, when all is read. */
  get facts(): LogFacts {
    return { ...this.#facts };
  }

  /**
   * It was read to its end, and holds nothing but what etcd makes a log with. A member writes before it speaks (raft): nobody has
   * had a vote or an answer of this one. etcd does not start on such a log, as it says who the member is but not who the others are.
   */
  get isBlank(): boolean {
    const { fault, memberId } = this.#facts;
    return this.#ended && fault === undefined && memberId !== '' && !this.#isBegun;
  }

  #take(record: Buffer, bytes: number): void {
    try {
      this.#record(record);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (!isTorn(record, this.#at + 8)) this.#damaged();
      this.#ended = true;
    }
    this.#rest = this.#rest.subarray(bytes);
    this.#at += bytes;
  }

  #record(record: Buffer): void {
    let [type, sum] = [0, 0];
    let data: Buffer = Buffer.alloc(0);
    for (const field of fieldsOf(record)) {
      if (field.number === 1) type = Number(field.value);
      else if (field.number === 2) sum = Number(field.value);
      else if (field.number === 3) data = field.bytes;
    }
    if (type === CRC) {
      this.#sum = sum;
      return;
    }
    const now = crc32c(data, this.#sum);
    if (now !== sum) throw new RangeError('its sum is another');
    this.#sum = now;
    this.#note(type, data);
  }

  #note(type: number, data: Buffer): void {
    const facts = this.#facts;
    const numbers = new Map([...fieldsOf(data)].map(({ number, value }) => [number, value]));
    const number = (field: number) => numbers.get(field) ?? 0n;
    if (type === METADATA) {
      facts.memberId = number(1).toString(16);
      facts.clusterId = number(2).toString(16);
      return;
    }
    // It is made with a snapshot at 0, that is with none.
    if (type !== SNAPSHOT || number(1) > 0n) this.#isBegun = true;
    if (type === ENTRY) {
      // A new leader may have overwritten what was not committed: the last one counts, also where its index is lower.
      facts.term = number(2);
      facts.index = number(3);
    } else if (type === STATE) {
      facts.committed = number(3);
    } else if (type === SNAPSHOT && number(1) > facts.index) {
      facts.index = number(1);
      facts.term = number(2);
    }
  }

  #damaged(): void {
    this.#facts.fault = `its log is damaged at byte ${this.#at} of its newest file`;
    this.#ended = true;
  }
}

/** A length of 56 bits, and in the highest byte how many bytes fill it up to a multiple of eight. */
function frameOf(bytes: Buffer): { size: number; pad: number } {
  const high = bytes.readUInt8(7);
  const size = bytes.readUIntLE(0, 6) + bytes.readUInt8(6) * 2 ** 48;
  return { size, pad: high & 0x80 ? high & 0x07 : 0 };
}

/** Of a write that was cut off by a loss of power whole sectors are missing. */
function isTorn(record: Buffer, offset: number): boolean {
  for (let at = 0; at < record.length; ) {
    const next = at + SECTOR - ((offset + at) % SECTOR);
    if (record.subarray(at, next).every((byte) => byte === 0)) return true;
    at = next;
  }
  return false;
}
