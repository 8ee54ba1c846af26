import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { noop } from 'cockatiel';
import { Etcd3, type Watcher } from 'etcd3';

export interface TrafficOptions {
  /** `https://10.0.0.11:2379`: all that the client knows. */
  endpoints: readonly string[];
  /** The folder with ca.pem, client.pem and client-key.pem; read anew at each connection, as certificates change. */
  pki: string;
  prefix?: string;
  /** Between two writes. */
  pauseMs?: number;
}

export interface TrafficReport {
  /** Writes that were acknowledged. */
  writes: number;
  /** Those of them that are not there at the end, or with another value. */
  lost: number[];
  /** Those of them that the watch did not tell of. */
  missed: number[];
  /** Between two acknowledged writes. */
  longestGapMs: number;
  /** Writes that were tried again at another endpoint. */
  failed: number;
  /** The last words of those that failed. */
  words: string[];
}

export interface Traffic {
  /** How many writes were acknowledged so far. */
  writes(): number;
  /** The longest gap since this was asked last. */
  gapMs(): number;
  /** Takes other endpoints from now on: members that were added or that are gone. */
  use(endpoints: readonly string[]): void;
  end(): Promise<TrafficReport>;
}

/** How long one try may take before the next endpoint is asked. */
const TRY_MS = 400;

/**
 * A client that writes without end and watches what it writes, as an application would that knows all endpoints: one
 * that fails is left for the next at once. Begins with a first write that was taken, since what the cluster bore before is not
 * meant; runs until it is told to end, and then reads all of it again.
 */
export async function startTraffic(options: TrafficOptions): Promise<Traffic> {
  const { prefix = 'traffic/', pauseMs = 5 } = options;
  const clients = new Clients(options);
  const acknowledged: number[] = [];
  const seen = new Set<number>();
  const words: string[] = [];
  let [failed, longestGapMs, recentGapMs, at] = [0, 0, 0, 0];
  let last = 0;
  let over = false;

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
  last = performance.now();
  const writing = (async () => {
    for (let n = 1; !over; n++) {
      await write(n);
      const now = performance.now();
      longestGapMs = Math.max(longestGapMs, now - last);
      recentGapMs = Math.max(recentGapMs, now - last);
      last = now;
      acknowledged.push(n);
      await sleep(pauseMs);
    }
  })();

  return {
    writes: () => acknowledged.length,
    gapMs() {
      const gap = Math.max(recentGapMs, performance.now() - last);
      recentGapMs = 0;
      return gap;
    },
    use: (endpoints) => clients.use(endpoints),
    async end() {
      over = true;
      await writing;
      const deadline = performance.now() + 10_000;
      const missing = () => acknowledged.filter((n) => !seen.has(n));
      while (missing().length > 0 && performance.now() < deadline) await sleep(50);
      await watching.end();
      const stored = await clients.readAll(prefix);
      const lost = acknowledged.filter((n) => stored.get(`${prefix}${n}`) !== String(n));
      clients.close();
      return { writes: acknowledged.length, lost, missed: missing(), longestGapMs, failed, words: words.slice(-20) };
    },
  };
}

/** One client for each endpoint, made when it is needed and dropped when it fails. */
class Clients {
  readonly #pki: string;
  #endpoints: readonly string[];
  readonly #open = new Map<string, Etcd3>();

  constructor({ endpoints, pki }: TrafficOptions) {
    this.#endpoints = endpoints;
    this.#pki = pki;
  }

  use(endpoints: readonly string[]): void {
    this.#endpoints = endpoints;
  }

  name(at: number): string {
    return this.#endpoints[at % this.#endpoints.length]!;
  }

  at(at: number): Etcd3 {
    const endpoint = this.name(at);
    const open = this.#open.get(endpoint) ?? this.fresh(endpoint);
    this.#open.set(endpoint, open);
    return open;
  }

  fresh(endpoint: string): Etcd3 {
    const read = (file: string) => readFileSync(join(this.#pki, file));
    return new Etcd3({
      hosts: endpoint,
      credentials: {
        rootCertificate: read('ca.pem'),
        certChain: read('client.pem'),
        privateKey: read('client-key.pem'),
      },
      faultHandling: { global: noop, host: () => noop },
      // Else grpc keeps one connection for all clients of the same address, also with certificates of before.
      grpcOptions: { 'grpc.use_local_subchannel_pool': 1 },
    });
  }

  drop(at: number): void {
    const endpoint = this.name(at);
    this.#open.get(endpoint)?.close();
    this.#open.delete(endpoint);
  }

  async readAll(prefix: string): Promise<Map<string, string>> {
    for (let tries = 0; ; tries++) {
      try {
        const found = await this.at(tries)
          .getAll()
          .prefix(prefix)
          .options({ deadline: Date.now() + 5_000 })
          .strings();
        return new Map(Object.entries(found));
      } catch (error) {
        this.drop(tries);
        if (tries >= 20) throw error;
        await sleep(200);
      }
    }
  }

  close(): void {
    for (const client of this.#open.values()) client.close();
    this.#open.clear();
  }
}

/** Watches from the first revision on; where an endpoint ends the watch it goes on at the next, from where it was. */
function watch(clients: Clients, prefix: string, seen: Set<number>): { end(): Promise<void> } {
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
        const ended = () => resolve();
        client!
          .watch()
          .prefix(prefix)
          .startRevision(String(revision))
          .create()
          .then((made) => {
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
