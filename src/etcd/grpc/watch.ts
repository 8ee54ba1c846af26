import { PlayError } from '../../errors.ts';
import { compareVersions, parseVersion } from '../versions.ts';
import { MessageFrames } from './frames.ts';
import { headerRevision, type KeyValue, keyValueOf } from './keys.ts';
import { memberApi } from './member.ts';
import { fieldsOf, message } from './protobuf.ts';
import { type GrpcSession, NoAnswerError } from './session.ts';

/** What became of a key. Of one that was deleted there is only the key, and the revision at which it was. */
export interface WatchEvent {
  deleted: boolean;
  kv: KeyValue;
}

/** The revision that is to be watched from is forgotten already. */
export class CompactedError extends PlayError {
  override readonly name = 'CompactedError';
}

export interface WatchOptions {
  key: Buffer;
  end: Buffer;
  /** A revision that is there already: what came after it is to be heard of. */
  after: bigint;
  signal: AbortSignal;
  /** All events of one or more whole revisions, in their order. Nothing more is taken while its promise is open. */
  onEvents(events: readonly WatchEvent[]): Promise<void>;
  /** Everything up to this revision has been told. */
  onProgress(revision: bigint): void;
}

/** How often the member is asked how far it has come: it is also a sign of life. */
const ASK_MS = 500;
/** After a silence of this length it is asked whether it has anything to tell. */
const SILENCE_MS = 30_000;

/** Whether a member answers when it is asked how far a watch has come. Pure. */
export function tellsProgress(version: string): boolean {
  return parseVersion(version) === undefined || compareVersions(version, '3.3.14') >= 0;
}

/** One message of the answer. */
export interface WatchAnswer {
  /** Of the member when it answered. */
  revision: bigint;
  events: WatchEvent[];
  /** The rest of a revision's events comes in further messages. */
  isPart: boolean;
  cancelled: string | undefined;
  compactRevision: bigint;
  isCreated: boolean;
}

/** Watches keys until the signal ends it. @throws CompactedError, GrpcError, UnreachableError. */
export async function watchKeys(session: GrpcSession, host: string, options: WatchOptions): Promise<void> {
  const { key, end, after, signal, onEvents, onProgress } = options;
  const frames = new MessageFrames();
  // From the next revision on would be enough, but of one that is still to come no progress is told (etcd-io/etcd#20229).
  // Fragments (3.4): a revision with many large values comes in parts.
  const request = message({ 1: message({ 1: key, 2: end, 3: after, 4: true, 8: true }) });
  let parts: WatchEvent[] = [];
  /** The newest revision that the stream has named, and the one that the member had when it was silent last. */
  let [heard, due] = [0n, 0n];
  let asking: NodeJS.Timeout | undefined;
  let working = Promise.resolve();
  const answered = async (answer: WatchAnswer) => {
    if (answer.cancelled !== undefined) throw cancelled(answer, host);
    parts.push(...answer.events.filter(({ kv }) => kv.modRevision > after));
    if (answer.isPart) return;
    const events = parts;
    parts = [];
    if (events.length > 0) await onEvents(events);
    else if (!answer.isCreated && answer.events.length === 0) onProgress(answer.revision);
  };
  try {
    await session.stream('/etcdserverpb.Watch/Watch', request, {
      stallMs: SILENCE_MS,
      signal,
      // Where nothing is written there may be nothing to tell; what is owed since the last silence is owed for too long.
      async onSilence() {
        if (due > heard) throw new NoAnswerError(SILENCE_MS, host, true);
        due = (await memberApi(session).status()).revision;
      },
      onOpen(send) {
        asking = setInterval(() => send(message({ 3: Buffer.alloc(0) })), ASK_MS);
      },
      take(piece) {
        const answers = frames.push(piece).map(watchAnswerOf);
        if (answers.length === 0) return undefined;
        for (const { revision } of answers) if (revision > heard) heard = revision;
        working = answers.reduce((before, one) => before.then(() => answered(one)), working);
        return working;
      },
    });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(asking);
    // What has come is worked off: whoever goes on from here goes on behind it.
    await working.catch(() => undefined);
  }
}

function cancelled({ compactRevision, cancelled }: WatchAnswer, host: string): PlayError {
  if (compactRevision > 0n) {
    return new CompactedError(`what happened before revision ${compactRevision} is compacted`, {
      host,
      next: 'Run again.',
    });
  }
  return new PlayError(`the watch was ended by etcd: ${cancelled || 'it gives no reason'}`, {
    host,
    next: 'Run again.',
  });
}

/** WatchResponse and Event. */
export function watchAnswerOf(bytes: Buffer): WatchAnswer {
  const fields = [...fieldsOf(bytes)];
  const find = (number: number) => fields.find((field) => field.number === number);
  const isSet = (number: number) => find(number)?.value === 1n;
  return {
    revision: headerRevision(find(1)?.bytes),
    isCreated: isSet(3),
    cancelled: isSet(4) ? (find(6)?.bytes.toString() ?? '') : undefined,
    compactRevision: find(5)?.value ?? 0n,
    isPart: isSet(7),
    events: fields.filter(({ number }) => number === 11).map((one) => eventOf(one.bytes)),
  };
}

function eventOf(bytes: Buffer): WatchEvent {
  const fields = [...fieldsOf(bytes)];
  const kv = fields.find(({ number }) => number === 2)?.bytes ?? Buffer.alloc(0);
  return { deleted: fields.some(({ number, value }) => number === 1 && value === 1n), kv: keyValueOf(kv) };
}
