/** One field of a message. A number is in `value`, anything with a length in `bytes`. */
export interface Field {
  number: number;
  value: bigint;
  bytes: Buffer;
}

const EMPTY = Buffer.alloc(0);

/** The fields of a protocol buffer, in their order; unknown ones too. @throws RangeError for what is no message. */
export function* fieldsOf(message: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError('a number is too long');
  };
  const take = (length: number): Buffer => {
    if (length > message.length - at) throw new RangeError('the message is cut short');
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = Number(varint());
    const number = tag >>> 3;
    const wire = tag & 7;
    if (wire === 0) yield { number, value: varint(), bytes: EMPTY };
    else if (wire === 2) yield { number, value: 0n, bytes: take(Number(varint())) };
    else if (wire === 1) yield { number, value: take(8).readBigUInt64LE(), bytes: EMPTY };
    else if (wire === 5) yield { number, value: BigInt(take(4).readUInt32LE()), bytes: EMPTY };
    else throw new RangeError(`wire type ${wire} is unknown`);
  }
}

/** A message of these fields: numbers, truths and bytes by field number. What is zero, false or undefined is left out. */
export function message(fields: Readonly<Record<number, bigint | number | boolean | Uint8Array | undefined>>): Buffer {
  const parts = Object.entries(fields).flatMap(([number, value]) => {
    if (value === undefined || value === false || value === 0 || value === 0n) return [];
    const tag = Number(number) << 3;
    if (value instanceof Uint8Array) return [varintOf(BigInt(tag | 2)), varintOf(BigInt(value.length)), value];
    return [varintOf(BigInt(tag)), varintOf(BigInt.asUintN(64, BigInt(value)))];
  });
  return Buffer.concat(parts);
}

function varintOf(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}
