import type { KeyChange, KeyCondition, KeysApi, KeyValue } from '../grpc/keys.ts';
import type { LeasesApi } from '../grpc/leases.ts';
import { batches } from '../keys/batches.ts';
import { atAKnownTime, endsTogether, leaseIdFor, ttlAt } from './leases.ts';

/** A key that is to be written to v3, and what was seen there: it is written only while that stands. */
export interface DueKey {
  name: Buffer;
  value: Buffer;
  endsAtMs?: number | undefined;
  /** What is overwritten; undefined where nothing is there. */
  before?: KeyValue | undefined;
}

/** What a run has written, so that it can be taken back. */
export class Journal {
  readonly leases: bigint[] = [];
  readonly written: { due: DueKey; revision: bigint }[] = [];
  /** Whether they were written is not known: the answer never came. */
  readonly unsure: DueKey[] = [];

  /** What was written again since: what was there before is still what was there first. */
  goOn({ leases, written, unsure }: Journal): void {
    this.leases.push(...leases);
    const first = new Map(this.written.map((one) => [one.due.name.toString('latin1'), one]));
    for (const { due, revision } of written) {
      const known = first.get(due.name.toString('latin1'));
      if (known) known.revision = revision;
      else this.written.push({ due, revision });
    }
    this.unsure.push(...unsure);
  }

  /** The revisions that this run has made. */
  get revisions(): Set<bigint> {
    return new Set(this.written.map(({ revision }) => revision));
  }
}

export interface CopyApis {
  keys: Pick<KeysApi, 'range' | 'change' | 'leaseSeconds'>;
  leases: LeasesApi;
}

export interface CopyWish {
  /** The time by the cluster's clock. */
  now(): number;
  signal: AbortSignal;
  onProgress(done: number): void;
}

/** Transactions, and leases, under way at the same time. */
const AT_ONCE = 4;
const LEASES_AT_ONCE = 16;

/** Another client has written a key meanwhile. Those that it stands with were not written. */
export class TakenError extends Error {
  override readonly name = 'TakenError';
  readonly key: Buffer;
  constructor(key: Buffer) {
    super('the key was written by somebody else');
    this.key = key;
  }
}

/** Writes keys, each only while v3 is as it was seen, and notes what it has written. @throws TakenError. */
export async function copyKeys(
  apis: CopyApis,
  due: readonly DueKey[],
  journal: Journal,
  wish: CopyWish,
): Promise<void> {
  const leases = await grantAll(apis, due, journal, wish);
  const groups = batches(due, ({ name, value }) => 2 * name.length + value.length + 64);
  let done = 0;
  const next = groups.values();
  const worker = async () => {
    for (const group of next) {
      if (wish.signal.aborted) return;
      await writeGroup(apis.keys, group, leases, journal);
      done += group.length;
      wish.onProgress(done);
    }
  };
  // All come to their end before anything is taken back.
  const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

async function writeGroup(
  keys: CopyApis['keys'],
  group: readonly DueKey[],
  leases: ReadonlyMap<number, bigint>,
  journal: Journal,
): Promise<void> {
  const changes = group.map(({ name, value, endsAtMs }): KeyChange => {
    const lease = endsAtMs === undefined ? undefined : leases.get(second(endsAtMs));
    return { put: name, value, ...(lease !== undefined && { lease }) };
  });
  const conditions = group.map(
    ({ name, before }): KeyCondition => ({ key: name, modRevision: before?.modRevision ?? 0n }),
  );
  const answer = await keys.change(changes, conditions).catch((error: unknown) => {
    journal.unsure.push(...group);
    throw error;
  });
  if (!answer.done) throw new TakenError(await takenOf(keys, group));
  for (const due of group) journal.written.push({ due, revision: answer.revision });
}

async function takenOf(keys: CopyApis['keys'], group: readonly DueKey[]): Promise<Buffer> {
  for (const { name, before } of group) {
    const [now] = (await keys.range({ key: name, keysOnly: true })).keys;
    if ((now?.modRevision ?? 0n) !== (before?.modRevision ?? 0n)) return name;
  }
  return group[0]!.name;
}

const second = (endsAtMs: number) => Math.round(endsAtMs / 1000);

/** A lease for each second at which keys end, by that second. */
async function grantAll(
  apis: CopyApis,
  due: readonly DueKey[],
  journal: Journal,
  { now, signal }: CopyWish,
): Promise<Map<number, bigint>> {
  const ends = new Map(due.flatMap(({ endsAtMs }) => (endsAtMs === undefined ? [] : [[second(endsAtMs), endsAtMs]])));
  const found = new Map<number, bigint>();
  const next = ends.entries();
  const worker = async () => {
    for (const [at, endsAtMs] of next) {
      if (signal.aborted) return;
      found.set(at, await grantOne(apis, endsAtMs, journal, now));
    }
  };
  const all = await Promise.allSettled(Array.from({ length: LEASES_AT_ONCE }, worker));
  for (const end of all) if (end.status === 'rejected') throw end.reason;
  return found;
}

/** One of an earlier run serves as well, where it ends when it should. */
async function grantOne(
  { keys, leases }: CopyApis,
  endsAtMs: number,
  journal: Journal,
  now: () => number,
): Promise<bigint> {
  for (let variant = 0; variant < 256; variant++) {
    const id = leaseIdFor(endsAtMs, variant);
    if (await grant(leases, id, endsAtMs, journal, now)) return id;
    const { said: left, atMs } = await atAKnownTime(now, () => keys.leaseSeconds(id));
    if (left !== undefined && endsTogether(endsAtMs, atMs + left * 1000)) return id;
  }
  throw new Error(`no lease is free for ${new Date(endsAtMs).toISOString()}`);
}

/** It begins to run when the members have noted it: where that took long, it is made anew. False: there is one of that ID. */
async function grant(
  leases: LeasesApi,
  id: bigint,
  endsAtMs: number,
  journal: Journal,
  now: () => number,
): Promise<boolean> {
  let isOwn = false;
  await atAKnownTime(now, async () => {
    if (isOwn) await leases.revoke(id);
    const isNew = (await leases.grant(id, ttlAt(endsAtMs, now()))) !== undefined;
    if (isNew && !isOwn) journal.leases.push(id);
    isOwn = isNew;
  });
  return isOwn;
}

export interface TakenBack {
  deleted: number;
  putBack: number;
  /** Written by others since, and left. */
  left: number;
}

/** Takes back what a run has written: keys that were made are deleted, others get what was there before. */
export async function takeBack({ keys, leases }: CopyApis, journal: Journal): Promise<TakenBack> {
  const result: TakenBack = { deleted: 0, putBack: 0, left: 0 };
  const sure = [...journal.written, ...(await whatCame(keys, journal.unsure))];
  for (const group of batches(sure, ({ due }) => 2 * due.name.length + (due.before?.value.length ?? 0) + 64)) {
    const all = await undoGroup(keys, group);
    for (const one of group) {
      const done = all || (await undoGroup(keys, [one]));
      if (!done) result.left += 1;
      else if (one.due.before) result.putBack += 1;
      else result.deleted += 1;
    }
  }
  // What others have put on such a lease would go with it.
  if (result.left === 0) for (const id of journal.leases) await leases.revoke(id);
  return result;
}

type Written = Journal['written'][number];

async function undoGroup(keys: CopyApis['keys'], group: readonly Written[]): Promise<boolean> {
  const changes = group.map(({ due: { name, before } }): KeyChange => {
    if (!before) return { remove: name };
    return { put: name, value: before.value, ...(before.lease !== 0n && { lease: before.lease }) };
  });
  const { done } = await keys.change(
    changes,
    group.map(({ due, revision }) => ({ key: due.name, modRevision: revision })),
  );
  return done;
}

/** A transaction whose answer never came may have been made. */
async function whatCame(keys: CopyApis['keys'], unsure: readonly DueKey[]): Promise<Written[]> {
  const found: Written[] = [];
  for (const due of unsure) {
    const [now] = (await keys.range({ key: due.name })).keys;
    const isNew = now !== undefined && now.modRevision !== (due.before?.modRevision ?? 0n);
    if (isNew && now.value.equals(due.value)) found.push({ due, revision: now.modRevision });
  }
  return found;
}
