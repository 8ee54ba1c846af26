import { join } from 'node:path';
import { PlayError, UnreachableError } from '../../errors.ts';
import { type Outcome, once, type Play, play } from '../../runner/playbook.ts';
import { batches } from '../keys/batches.ts';
import { saveKeys } from '../keys/saved.ts';
import { spell } from '../keys/spelling.ts';
import { walkKeys } from '../keys/walk.ts';
import { copyKeys, Journal, TakenError, takeBack } from '../migrate/copy.ts';
import { isOwnLease, LEASE_SLACK_MS } from '../migrate/leases.ts';
import { compareBystanders } from '../migrate/prove.ts';
import { changesBetween, count, some, unrest, type V2Reading } from '../v2/still.ts';
import { isHidden, shown } from '../v2/tree.ts';
import { type BothSides, dueKey } from './both-sides.ts';

const LEVEL_MS = 30_000;

export interface CopyRequest {
  /** Where backups are kept. */
  folder: string;
  /** Where v3 was made of v2 by etcd's own tool, and v2 is there no longer. */
  restored?: Restored;
  onDone(): void;
}

export interface Restored {
  /** What the tool has written bears no later revision: all later ones are those of clients. */
  upTo: bigint;
  /** Clients have had time to delete keys: what is missing is their business. */
  isLater: boolean;
  /** What is wrong is put back by other means. */
  goBack(error: unknown): Promise<PlayError>;
}

/** Writes what v3 lacks, and proves it; all that was written is taken back where it fails. */
export function copyPlay(sides: BothSides, { folder, restored, onDone }: CopyRequest): Play {
  const { run } = sides.cluster;
  const journal = new Journal();
  /** Keys that end too soon to be brought: they are waited for. */
  const skipped = new Set<string>();
  let started = 0n;
  let last: V2Reading | undefined;
  const safely = (name: string, act: () => Promise<Outcome>) =>
    once(name, async () => {
      // Whoever ended the run, or lost a host, may go on from here; all else is taken back.
      try {
        return await act();
      } catch (error) {
        if (sides.cluster.run.signal.aborted || error instanceof UnreachableError) throw error;
        throw await (restored ? restored.goBack(asPlayError(error)) : afterFailure(sides, journal, error));
      }
    });
  return play('Copy', {
    tasks: [
      restored
        ? safely('What has ended meanwhile goes', () => deleteEnded(sides, restored))
        : safely('What is overwritten is saved', () => saveOverwritten(sides, join(folder, 'keys'))),
      safely('Keys are written to v3', async () => {
        started = await sides.revision();
        const wanted = sides.pairs.filter(({ verdict }) => verdict !== 'same');
        for (const { key } of wanted) if (sides.isShort(key)) skipped.add(key.name);
        const due = wanted.filter(({ key }) => !skipped.has(key.name)).map(dueKey);
        const wish = { now: sides.now, signal: run.signal, onProgress: () => undefined };
        await copyKeys(await sides.v3(), due, journal, wish);
        const { written, leases } = journal;
        const parts = [count(written.length, 'key', 'keys'), count(leases.length, 'lease', 'leases')];
        return { changed: written.length > 0, summary: parts.join(', ') };
      }),
      ...(restored
        ? []
        : [
            safely('v2 is as it was', async () => {
              last = await readAgain(sides, skipped);
              return {};
            }),
          ]),
      safely('Each key has its twin', async () => {
        const { wrong } = await lookAtTwins(sides, last);
        // Another member has come to lead since.
        if (wrong.length > 0 && wrong.every(({ verdict }) => verdict === 'ours')) {
          await sides.cluster.lookWhenSettled();
          await setEndsRight(sides, journal);
        }
        return { summary: await proveTwins(sides, last) };
      }),
      safely('No other key was changed', async () => ({ summary: await proveOthers(sides, started, journal) })),
      safely('All members hold the same', async () => {
        const summary = await proveHashes(sides);
        onDone();
        return { summary };
      }),
    ],
  });
}

/** A new leader gives every lease its whole time anew (etcd server/lease, Promote): those that were made here get the rest. */
export async function setEndsRight(sides: BothSides, before = new Journal()): Promise<Outcome> {
  sides.closeAll();
  await sides.readClock();
  const late = (await sides.compare()).filter(({ key, verdict }) => verdict === 'ours' && !sides.isShort(key));
  if (late.length === 0) return {};
  const { signal } = sides.cluster.run;
  const wish = { now: sides.now, signal, onProgress: () => undefined };
  const journal = new Journal();
  await copyKeys(await sides.v3(), late.map(dueKey), journal, wish).finally(() => before.goOn(journal));
  return { changed: true, summary: count(late.length, 'key', 'keys') };
}

async function afterFailure(sides: BothSides, journal: Journal, error: unknown): Promise<PlayError> {
  const words = asPlayError(error);
  const undone = await sides
    .v3()
    .then((apis) => takeBack(apis, journal))
    .then(
      ({ deleted, putBack, left }) => {
        const rest = left > 0 ? ` ${count(left, 'key was', 'keys were')} written by others since, and left.` : '';
        return `What was written to v3 was taken back: ${deleted} deleted, ${putBack} put back.${rest}`;
      },
      (why: unknown) => `What was written to v3 could not be taken back (${(why as Error).message}).`,
    );
  return new PlayError(words.message, { cause: error, next: `${undone} ${words.next ?? 'Then run again.'}` });
}

function asPlayError(error: unknown): PlayError {
  if (error instanceof TakenError) {
    return new PlayError(`${spell(error.key, 'text')} was written in v3 by somebody else meanwhile`, {
      next: 'Stop who writes there, then run again: it shows what stands there.',
    });
  }
  const { message } = error as Error;
  const next = /space exceeded/.test(message)
    ? 'v3 is full: make room (play space_etcd -e do=compact,defrag,disarm), or raise ETCD_QUOTA_BACKEND_BYTES, then run again.'
    : undefined;
  if (error instanceof PlayError && next === undefined) return error;
  return new PlayError(message, { cause: error, ...(next !== undefined && { next }) });
}

/**
 * The tool knows no ends, and the log that it read was a moment behind: what is about to end is waited for, and what has
 * ended is deleted. Keys that clients have written since are theirs.
 */
async function deleteEnded(sides: BothSides, { upTo, isLater }: Restored): Promise<Outcome> {
  await sides.readClock();
  const ours = async () =>
    (await sides.compare()).filter(({ key, twin }) => {
      if (twin) return twin.modRevision <= upTo || isOwnLease(twin.lease);
      return !isLater || isHidden(key.name);
    });
  sides.pairs = await ours();
  const wrong = sides.pairs.filter(({ verdict }) => verdict === 'other value');
  if (wrong.length > 0) {
    const named = some(wrong.map(({ key }) => key.name));
    throw new PlayError(`etcdctl migrate has made other values of ${count(wrong.length, 'key', 'keys')}: ${named}`, {
      next: 'Run without offline: the copy through the API compares each key.',
    });
  }
  const ending = sides.pairs.filter(({ key, verdict }) => verdict !== 'same' && sides.isShort(key));
  const lastMs = Math.max(0, ...ending.map(({ key }) => key.endsAtMs!));
  while (sides.now() < lastMs && !sides.cluster.run.signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const due = [...ending.flatMap(({ twin }) => twin ?? []), ...(await strangers(sides, upTo))];
  const { keys } = await sides.v3();
  for (const group of batches(due, ({ key }) => 2 * key.length + 64)) {
    const { done } = await keys.change(
      group.map(({ key }) => ({ remove: key })),
      group.map(({ key, modRevision }) => ({ key, modRevision })),
    );
    if (!done) throw new PlayError('v3 is being written while keys get their ends', { next: 'Stop who writes there.' });
  }
  if (due.length === 0) return {};
  sides.pairs = await ours();
  return { changed: true, summary: count(due.length, 'key', 'keys') };
}

/** Keys of the tool that were gone from v2 when it was read. Those whose bytes v2 does not give out are none of them. */
async function strangers(sides: BothSides, upTo: bigint): Promise<{ key: Buffer; modRevision: bigint }[]> {
  const { keys } = await sides.v3();
  const known = new Set(sides.base.tree.keys.map(({ name }) => shown(name)));
  const found: { key: Buffer; modRevision: bigint }[] = [];
  const all = walkKeys(keys, { prefix: Buffer.from('/'), revision: await sides.revision(), keysOnly: true });
  // Bytes that are no UTF-8 are read as the sign that v2 shows for them.
  for await (const page of all) {
    found.push(...page.filter(({ key, modRevision }) => modRevision <= upTo && !known.has(key.toString())));
  }
  return found;
}

/** As `play keys_etcd` saves keys, so that it can put them back. */
async function saveOverwritten(sides: BothSides, folder: string): Promise<Outcome> {
  const { cluster, pairs } = sides;
  const keys = pairs.filter(({ verdict }) => verdict.startsWith('other')).map((pair) => dueKey(pair).before!);
  if (keys.length === 0) return {};
  const revision = String(await sides.revision());
  const head = { format: 1, kind: 'etcd keys', revision, takenAt: new Date().toISOString() } as const;
  const id = { name: cluster.allSettings[0]!.clusterToken, id: cluster.state().clusterId ?? '' };
  const pages = (async function* () {
    yield keys;
  })();
  const { path } = await saveKeys(folder, { ...head, cluster: id }, pages);
  return { changed: true, summary: path };
}

/** v2 once more: nobody has written, and what ends too soon to be brought has ended. */
async function readAgain(sides: BothSides, skipped: ReadonlySet<string>): Promise<V2Reading> {
  for (;;) {
    const now = await sides.readV2();
    // A member that was restarted meanwhile moves the index, too.
    const moved = unrest({ ...changesBetween(sides.base, now), unseen: 0 });
    if (moved !== undefined) {
      throw new PlayError(`v2 was written meanwhile: ${moved}`, {
        next: 'Stop what writes to v2 (or point it to v3), then run again.',
      });
    }
    if (!now.tree.keys.some(({ name }) => skipped.has(name))) return now;
    if (sides.cluster.run.signal.aborted) throw new PlayError('the run was ended', { next: 'Run again: it goes on.' });
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** @param last v2 as it was read last: what it has no longer has come to its end. */
async function lookAtTwins(sides: BothSides, last: V2Reading | undefined) {
  const there = new Set((last ?? sides.base).tree.keys.map(({ name }) => name));
  const ours = new Set(sides.pairs.map(({ key }) => key.name));
  const pairs = (await sides.compare()).filter(({ key }) => ours.has(key.name));
  const now = sides.now();
  const wrong = pairs.filter(({ key, twin, verdict }) => {
    const hasEnded = !there.has(key.name) || (key.endsAtMs ?? Number.POSITIVE_INFINITY) <= now + LEASE_SLACK_MS;
    if (!hasEnded) return verdict !== 'same';
    return twin !== undefined && (twin.endsAtMs ?? Number.POSITIVE_INFINITY) > now + LEASE_SLACK_MS;
  });
  return { pairs, wrong };
}

async function proveTwins(sides: BothSides, last: V2Reading | undefined): Promise<string> {
  const { pairs, wrong } = await lookAtTwins(sides, last);
  if (wrong.length > 0) {
    const named = wrong.map(({ key, verdict }) => `${key.name} (${verdict})`);
    throw new PlayError(`${count(wrong.length, 'key of v2 is', 'keys of v2 are')} not so in v3: ${some(named)}`);
  }
  const same = pairs.filter(({ verdict }) => verdict === 'same');
  const leased = same.filter(({ key }) => key.endsAtMs !== undefined).length;
  const ended = pairs.length - same.length;
  const rest = ended > 0 ? `; ${count(ended, 'key has', 'keys have')} ended meanwhile` : '';
  return `${same.length} with the same value, ${leased} of them with the same end${rest}`;
}

async function proveOthers(sides: BothSides, before: bigint, journal: Journal): Promise<string> {
  const { keys } = await sides.v3();
  const after = await sides.revision();
  const own = new Set(sides.pairs.map(({ name }) => name.toString('latin1')));
  const isOwn = (key: Buffer) => own.has(key.toString('latin1'));
  const found = await compareBystanders(keys, { before, after }, isOwn, journal.revisions);
  if (!found) return 'not told: the revision of before is compacted by now';
  const changed = found.changed > 0 ? `, ${found.changed} of them changed by their own clients` : '';
  return `${count(found.keys, 'other', 'others')}${changed}`;
}

/** At one revision, when all members have come to it. */
async function proveHashes(sides: BothSides): Promise<string> {
  const hosts = sides.cluster.state().serving.flatMap(({ host }) => host ?? []);
  const apis = await Promise.all(hosts.map(async (host) => (await sides.open(host)).member));
  const revision = await sides.revision();
  const deadline = performance.now() + LEVEL_MS;
  for (const [at, api] of apis.entries()) {
    while ((await api.status()).revision < revision) {
      if (performance.now() > deadline) {
        throw new PlayError('it does not come level with its leader', { host: hosts[at]!, next: 'Run again.' });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  const ask = () => Promise.all(apis.map((api) => api.keyHash(revision)));
  let hashes = await ask();
  // Members compact each in its own time: before that they are not to be compared.
  while (new Set(hashes.map(({ compactRevision }) => compactRevision)).size > 1 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    hashes = await ask();
  }
  const [first] = hashes;
  const odd = hosts.filter((_, at) => hashes[at]!.hash !== first!.hash);
  if (odd.length > 0) {
    throw new PlayError(`the members do not hold the same at revision ${revision}: ${odd.join(', ')} differ`, {
      next: 'Find the damaged member: play space_etcd.',
    });
  }
  return `hash ${first!.hash.toString(16)} at revision ${revision} on ${hosts.join(', ')}`;
}
