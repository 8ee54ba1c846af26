import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd3, Watcher } from 'etcd3';
import { EndpointClients, type EndpointOptions } from './endpoint-clients.ts';
import { holdLease, type LeaseReport } from './lease-holder.ts';
import { OwnClock } from './standstill.ts';

export interface TrafficOptions extends EndpointOptions {
  prefix?: string;
  /** Between two writes. */
  pauseMs?: number;
  /** Another client holds a lease of this length meanwhile, with a key. */
  leaseSeconds?: number;
}

export interface TrafficReport {
  /** Writes that were acknowledged. */
  writes: number;
  /** Those of them that are not there at the end, or with another value. */
  lost: number[];
  /** Those of them that the watch did not tell of. */
  missed: number[];
  /** Between two acknowledged writes; what the writer itself stood still is not in it. */
  longestGapMs: number;
  /** Writes that were tried again at another endpoint. */
  failed: number;
  /** The last words of those that failed. */
  words: string[];
  /** Where a lease was held. */
  lease: LeaseReport | undefined;
}

export interface Traffic {
  /** How many writes were acknowledged so far. */
  writes(): number;
  /** The longest gap since this was asked last. */
  gapMs(): number;
  /** What clients wait for in this time is not what is measured; it ends with the first write behind it. */
  apart(work: Promise<unknown>): Promise<void>;
  /** Takes other endpoints from now on: members that were added or that are gone. */
  use(endpoints: readonly string[]): void;
  end(): Promise<TrafficReport>;
}

/** How long one try may take before the next endpoint is asked. */
const TRY_MS = 400;
/** The same for the beginning of a watch: etcd3 itself tries the one endpoint for ever, after longer and longer pauses. */
const BEGIN_MS = 2_000;

/**
 * A client that writes without end and watches what it writes, as an application would that knows all endpoints: one
 * that fails is left for the next at once. Begins with a first write that was taken, since what the cluster bore before is not
 * meant; runs until it is told to end, and then reads all of it again.
 */
export async function startTraffic(options: TrafficOptions): Promise<Traffic> {
  const { prefix = 'traffic/', pauseMs = 5, leaseSeconds } = options;
  const clients = new EndpointClients(options);
  const clock = new OwnClock();
  const acknowledged: number[] = [];
  const seen = new Set<number>();
  const words: string[] = [];
  let [failed, longestGapMs, recentGapMs, at] = [0, 0, 0, 0];
  let last = 0;
  let over = false;
  let isApart = false;

  const write = async (n: number) => {
    for (;;) {
      try {
        await clients
          .at(at)
          .put(`${prefix}${n}`)
          .value(n)
          .options({ deadline: Date.now() + TRY_MS })
          .exec();
        return;
      } catch (error) {
        failed++;
        words.push(`${clients.name(at)} ${(error as Error).message}`);
        clients.drop(at++);
        await sleep(5);
      }
    }
  };
  const watching = watch(clients, prefix, seen);
  await write(0);
  acknowledged.push(0);
  const holder = leaseSeconds === undefined ? undefined : await holdLease(options, `lease-of-${prefix}`, leaseSeconds);
  last = clock.now();
  const writing = (async () => {
    for (let n = 1; !over; n++) {
      await write(n);
      const now = clock.now();
      if (!isApart) {
        longestGapMs = Math.max(longestGapMs, now - last);
        recentGapMs = Math.max(recentGapMs, now - last);
      }
      last = now;
      acknowledged.push(n);
      await sleep(pauseMs);
    }
  })();

  return {
    writes: () => acknowledged.length,
    gapMs() {
      const gap = Math.max(recentGapMs, clock.now() - last);
      recentGapMs = 0;
      return gap;
    },
    async apart(work) {
      isApart = true;
      await work;
      const before = acknowledged.length;
      while (acknowledged.length === before) await sleep(5);
      isApart = false;
    },
    use(endpoints) {
      clients.use(endpoints);
      holder?.use(endpoints);
    },
    async end() {
      over = true;
      await writing;
      clock.stop();
      const deadline = performance.now() + 10_000;
      const missing = () => acknowledged.filter((n) => !seen.has(n));
      while (missing().length > 0 && performance.now() < deadline) await sleep(50);
      await watching.end();
      const held = await holder?.end();
      const stored = await readAll(clients, prefix);
      const lost = acknowledged.filter((n) => stored.get(`${prefix}${n}`) !== String(n));
      clients.close();
      return {
        writes: acknowledged.length,
        lost,
        missed: missing(),
        longestGapMs,
        failed,
        words: words.slice(-20),
        lease: held,
      };
    },
  };
}

async function readAll(clients: EndpointClients, prefix: string): Promise<Map<string, string>> {
  const found = await clients.ask((client) =>
    client
      .getAll()
      .prefix(prefix)
      .options({ deadline: Date.now() + 5_000 })
      .strings(),
  );
  return new Map(Object.entries(found));
}

/** Watches from the first revision on; where an endpoint ends the watch it goes on at the next, from where it was. */
function watch(clients: EndpointClients, prefix: string, seen: Set<number>): { end(): Promise<void> } {
  let [at, revision, over] = [0, 1, false];
  let client: Etcd3 | undefined;
  let watcher: Watcher | undefined;
  let stop = () => {};
  const leave = async () => {
    const [oldWatcher, oldClient] = [watcher, client];
    [watcher, client] = [undefined, undefined];
    oldWatcher?.removeAllListeners();
    oldWatcher?.on('error', () => undefined);
    await oldWatcher?.cancel().catch(() => undefined);
    oldClient?.close();
  };
  const go = async () => {
    while (!over) {
      client = clients.fresh(clients.name(at++));
      await new Promise<void>((resolve) => {
        let isLeft = false;
        const ended = () => {
          isLeft = true;
          clearTimeout(late);
          resolve();
        };
        const late = setTimeout(ended, BEGIN_MS);
        client!
          .watch()
          .prefix(prefix)
          .startRevision(String(revision))
          .create()
          .then((made) => {
            clearTimeout(late);
            if (isLeft) return void made.cancel().catch(() => undefined);
            watcher = made;
            made.on('disconnected', ended).on('error', ended).on('end', ended);
            made.on('put', ({ key, mod_revision }) => {
              seen.add(Number(key.toString().slice(prefix.length)));
              revision = Math.max(revision, Number(mod_revision) + 1);
            });
          }, ended);
        stop = ended;
      });
      await leave();
      await sleep(50);
    }
  };
  const going = go();
  return {
    async end() {
      over = true;
      stop();
      await going;
    },
  };
}
