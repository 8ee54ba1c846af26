import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd3 } from 'etcd3';
import { EndpointClients, type EndpointOptions } from './endpoint-clients.ts';

export interface LeaseReport {
  /** What the cluster has granted. */
  ttlMs: number;
  /** Keep-alives that were acknowledged. */
  renewals: number;
  /** Between two of them. */
  longestGapMs: number;
  /** What has become of the lease or its key; undefined where both are what they were. */
  lost: string | undefined;
}

export interface LeaseHolder {
  use(endpoints: readonly string[]): void;
  end(): Promise<LeaseReport>;
}

const TRY_MS = 1_000;

/**
 * A client that is there as long as its lease: a key under it, and keep-alives at each third of its time, as etcd's own client
 * sends them; an endpoint that does not answer is left for the next. Nobody writes the key again, so that it is the first one
 * at the end only where the lease has never expired.
 */
export async function holdLease(options: EndpointOptions, key: string, ttlSeconds: number): Promise<LeaseHolder> {
  const clients = new EndpointClients(options);
  const { id, ttlMs } = await clients.ask(async ({ leaseClient }) => {
    const { ID, TTL } = await leaseClient.leaseGrant({ TTL: ttlSeconds }, { deadline: Date.now() + 5_000 });
    return { id: ID, ttlMs: Number(TTL) * 1_000 };
  });
  const { header } = await clients.ask((client) =>
    client
      .put(key)
      .value('held')
      .lease(id)
      .options({ deadline: Date.now() + 5_000 })
      .exec(),
  );
  const stop = new AbortController();
  let [at, renewals, longestGapMs, last] = [0, 0, 0, performance.now()];
  let expired: string | undefined;

  const renewing = (async () => {
    while (expired === undefined) {
      await sleep(ttlMs / 3, undefined, { signal: stop.signal }).catch(() => undefined);
      if (stop.signal.aborted) return;
      const leftMs = await renew(clients, id, () => at++);
      const now = performance.now();
      longestGapMs = Math.max(longestGapMs, now - last);
      last = now;
      if (leftMs > 0) renewals++;
      else expired = `the lease was not there any more after ${renewals} keep-alives`;
    }
  })();

  return {
    use: (endpoints) => clients.use(endpoints),
    async end() {
      stop.abort();
      await renewing;
      const lost = expired ?? (await clients.ask((client) => changeOf(client, { id, key, revision: header.revision })));
      clients.close();
      return { ttlMs, renewals, longestGapMs, lost };
    },
  };

  /** Until it is answered; 0 where there is no such lease. */
  async function renew(all: EndpointClients, lease: string, leave: () => void): Promise<number> {
    for (;;) {
      try {
        return await keepAlive(all.at(at), lease);
      } catch {
        all.drop(at);
        leave();
        await sleep(5);
      }
    }
  }
}

async function keepAlive({ leaseClient }: Etcd3, id: string): Promise<number> {
  const stream = await leaseClient.leaseKeepAlive({ deadline: Date.now() + TRY_MS });
  try {
    return await new Promise<number>((resolve, reject) => {
      stream.on('data', ({ TTL }) => resolve(Number(TTL) * 1_000));
      stream.on('error', reject);
      stream.on('end', () => reject(new Error('the stream has ended')));
      stream.write({ ID: id });
    });
  } finally {
    stream.end();
  }
}

/** In which way the key or its lease is not that of before. */
async function changeOf(
  client: Etcd3,
  { id, key, revision }: { id: string; key: string; revision: string },
): Promise<string | undefined> {
  const options = { deadline: Date.now() + 5_000 };
  const { kvs } = await client.get(key).options(options).exec();
  const [found] = kvs;
  if (found === undefined) return 'the key is gone';
  const { create_revision, version, lease } = found;
  if (create_revision !== revision || version !== '1' || lease !== id) {
    return `the key was written at ${revision} with lease ${id}, and is of ${create_revision}, version ${version}, lease ${lease}`;
  }
  const { TTL, keys } = await client.leaseClient.leaseTimeToLive({ ID: id, keys: true }, options);
  return Number(TTL) > 0 && keys.length === 1 ? undefined : `the lease has ${TTL} s left, and ${keys.length} keys`;
}
