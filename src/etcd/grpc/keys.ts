import { fieldsOf, message } from './protobuf.ts';
import type { GrpcSession } from './session.ts';

/** A key as etcd has it: both are any bytes. */
export interface KeyValue {
  key: Buffer;
  value: Buffer;
  createRevision: bigint;
  modRevision: bigint;
  /** How often it was written since it was made. */
  version: bigint;
  /** The ID of its lease; 0 for none. */
  lease: bigint;
}

export interface RangeRequest {
  key: Buffer;
  /** Up to before this one; one zero byte is: to the end. Without it the key alone. */
  end?: Buffer | undefined;
  limit?: number;
  /** As it was then; 0 is now. */
  revision?: bigint;
  keysOnly?: boolean;
  countOnly?: boolean;
}

export interface RangeAnswer {
  /** Of the whole store, when it answered. */
  revision: bigint;
  keys: KeyValue[];
  /** There are more than the limit. */
  more: boolean;
  /** Of all that are asked for, beyond the limit too. */
  count: bigint;
}

export type KeyChange =
  | { put: Buffer; value: Buffer; lease?: bigint }
  /** One key. */
  | { remove: Buffer };

/** A key is as it was when its revision was read; 0: it is not there. */
export interface KeyCondition {
  key: Buffer;
  modRevision: bigint;
}

/** Keys of a cluster, asked of one member; reads are what the quorum agrees on. */
export interface KeysApi {
  range(request: RangeRequest): Promise<RangeAnswer>;
  /** All of the changes where all conditions hold, else none. No key may be changed twice. */
  change(
    changes: readonly KeyChange[],
    conditions?: readonly KeyCondition[],
  ): Promise<{ done: boolean; revision: bigint }>;
  /** Seconds that a lease has left; undefined where there is none (any more). */
  leaseSeconds(id: bigint): Promise<number | undefined>;
}

const RANGE_MS = 60_000;
const CHANGE_MS = 30_000;

export function keysApi(session: GrpcSession): KeysApi {
  const kv = (name: string) => `/etcdserverpb.KV/${name}`;
  return {
    range: async (request) => rangeOf(await session.ask(kv('Range'), rangeMessage(request), RANGE_MS)),
    async change(changes, conditions = []) {
      const request = Buffer.concat([
        ...conditions.map((one) => message({ 1: conditionMessage(one) })),
        ...changes.map((one) => message({ 2: changeMessage(one) })),
      ]);
      const fields = [...fieldsOf(await session.ask(kv('Txn'), request, CHANGE_MS))];
      const done = fields.some(({ number, value }) => number === 2 && value === 1n);
      return { done, revision: headerRevision(fields.find(({ number }) => number === 1)?.bytes) };
    },
    async leaseSeconds(id) {
      const answer = await session.ask('/etcdserverpb.Lease/LeaseTimeToLive', message({ 1: id }), CHANGE_MS);
      const left = BigInt.asIntN(64, [...fieldsOf(answer)].find(({ number }) => number === 3)?.value ?? 0n);
      return left < 0n ? undefined : Number(left);
    },
  };
}

/** Where keys with this prefix end: the next text of bytes that does not begin with it. */
export function prefixEnd(prefix: Buffer): Buffer {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1;
  if (length === 0) return Buffer.from([0]);
  const end = Buffer.from(prefix.subarray(0, length));
  end[length - 1]! += 1;
  return end;
}

/** The first key of a range: of all keys it is one zero byte, since no key is empty. */
export const firstKey = (prefix: Buffer): Buffer => (prefix.length === 0 ? Buffer.from([0]) : prefix);

function rangeMessage({ key, end, limit, revision, keysOnly, countOnly }: RangeRequest): Buffer {
  return message({ 1: key, 2: end, 3: limit, 4: revision, 8: keysOnly, 9: countOnly });
}

const COMPARE_MOD = 2;

/** EQUAL is 0, and a revision of 0 is what is left out. */
function conditionMessage({ key, modRevision }: KeyCondition): Buffer {
  return message({ 2: COMPARE_MOD, 3: key, 6: modRevision });
}

function changeMessage(change: KeyChange): Buffer {
  if ('remove' in change) return message({ 3: message({ 1: change.remove }) });
  return message({ 2: message({ 1: change.put, 2: change.value, 3: change.lease }) });
}

/** RangeResponse. */
export function rangeOf(bytes: Buffer): RangeAnswer {
  const fields = [...fieldsOf(bytes)];
  return {
    revision: headerRevision(fields.find(({ number }) => number === 1)?.bytes),
    keys: fields.filter(({ number }) => number === 2).map((one) => keyValueOf(one.bytes)),
    more: fields.some(({ number, value }) => number === 3 && value === 1n),
    count: fields.find(({ number }) => number === 4)?.value ?? 0n,
  };
}

/** ResponseHeader. */
export function headerRevision(header: Buffer | undefined): bigint {
  return [...fieldsOf(header ?? Buffer.alloc(0))].find(({ number }) => number === 3)?.value ?? 0n;
}

/** mvccpb's KeyValue. */
export function keyValueOf(bytes: Buffer): KeyValue {
  const fields = [...fieldsOf(bytes)];
  const number = (at: number) => fields.find((field) => field.number === at)?.value ?? 0n;
  const text = (at: number) => fields.find((field) => field.number === at)?.bytes ?? Buffer.alloc(0);
  return {
    key: text(1),
    createRevision: number(2),
    modRevision: number(3),
    version: number(4),
    value: text(5),
    lease: number(6),
  };
}
