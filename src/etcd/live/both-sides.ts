import { type KeysApi, keysApi } from '../grpc/keys.ts';
import { type LeasesApi, leasesApi } from '../grpc/leases.ts';
import { type MemberApi, memberApi } from '../grpc/member.ts';
import { openSession } from '../grpc/session.ts';
import { clientAddress } from '../look.ts';
import type { DueKey } from '../migrate/copy.ts';
import { shortestMs } from '../migrate/leases.ts';
import { lookUp } from '../migrate/look-up.ts';
import { isChosen, judgeTwin, type NameMapping, type Twin, twinName, type Verdict } from '../migrate/twins.ts';
import type { V2Found } from '../plan/migrate.ts';
import { clockOffsetMs, findHidden, readV2, type V2Door } from '../v2/read.ts';
import { changesBetween, unrest, type V2Reading } from '../v2/still.ts';
import { shown, type V2Key } from '../v2/tree.ts';
import type { LiveCluster } from './cluster.ts';
import { noLeaderError } from './errors.ts';

interface Apis {
  member: MemberApi;
  keys: KeysApi;
  leases: LeasesApi;
  close(): void;
}

/** etcd's own (server/embed). */
const MAX_REQUEST_BYTES = 1.5 * 1024 ** 2;
/** What a transaction is beside its key and value. */
const REQUEST_MARGIN_BYTES = 1024;

/** A key of v2 beside its twin. */
export interface Pair {
  key: V2Key;
  name: Buffer;
  twin: (Twin & { key: Buffer }) | undefined;
  verdict: Verdict;
}

/** v2 and v3 of one cluster: how they are read, and what was read of them. */
export class BothSides {
  readonly cluster: LiveCluster;
  readonly mapping: NameMapping;
  readonly #apis = new Map<string, Apis>();
  #door: V2Door | undefined;
  #offsetMs = 0;
  #base: V2Reading | undefined;
  #unrest: string | undefined;
  /** As they were seen last. */
  pairs: readonly Pair[] = [];

  constructor(cluster: LiveCluster, mapping: NameMapping) {
    this.cluster = cluster;
    this.mapping = mapping;
    cluster.run.onEnd(() => this.closeAll());
  }

  /** The time by the clock of the leader, who has v2's keys end. */
  now = (): number => Date.now() + this.#offsetMs;

  /** v2 as it is brought. */
  get base(): V2Reading {
    return this.#base!;
  }

  /** What an earlier run has saved of it, where it is there no longer. */
  takeBase(saved: V2Reading): void {
    this.#base = saved;
  }

  async open(host: string): Promise<Apis> {
    const found = this.#apis.get(host);
    if (found) return found;
    const { cluster } = this;
    const address = clientAddress(cluster.listening(host));
    const session = await openSession(await cluster.run.connect(host), address, cluster.identity);
    const close = () => session.close();
    const apis = { member: memberApi(session), keys: keysApi(session), leases: leasesApi(session), close };
    this.#apis.set(host, apis);
    return apis;
  }

  /** v3 is asked of the leader. */
  async v3(): Promise<Apis> {
    const host = this.cluster.state().leader?.host;
    if (host === undefined) throw noLeaderError('the cluster has no leader that can be asked');
    return this.open(host);
  }

  async revision(): Promise<bigint> {
    return (await (await this.v3()).keys.range({ key: Buffer.from('/'), countOnly: true })).revision;
  }

  close(host: string): void {
    this.#apis.get(host)?.close();
    this.#apis.delete(host);
  }

  closeAll(): void {
    for (const host of [...this.#apis.keys()]) this.close(host);
  }

  async readClock(): Promise<void> {
    const { cluster } = this;
    const { leader } = cluster.state();
    this.#offsetMs = await clockOffsetMs(await cluster.run.connect(leader!.host!));
  }

  async doorAt(host: string): Promise<V2Door> {
    const { cluster } = this;
    const { dataDir, walDir = `${dataDir}/member/wal` } = cluster.own(host);
    return {
      connection: await cluster.run.connect(host),
      address: clientAddress(cluster.listening(host)),
      identity: cluster.identity,
      snapDir: `${dataDir}/member/snap`,
      walDir,
    };
  }

  /** Reads v2 by a host that serves it, twice at first, and looks up the twins. */
  async look(host: string, stillForMs: number): Promise<V2Found> {
    await this.readClock();
    this.#door = await this.doorAt(host);
    if (!this.#base) {
      const before = await this.readV2();
      await new Promise((resolve) => setTimeout(resolve, stillForMs));
      this.#base = await this.readV2();
      this.#unrest = unrest(changesBetween(before, this.#base));
    }
    this.pairs = await this.compare();
    return this.#found();
  }

  async readV2(): Promise<V2Reading> {
    return readV2(this.#door!, await findHidden(this.#door!), this.#offsetMs);
  }

  get door(): V2Door {
    return this.#door!;
  }

  #chosen(): V2Key[] {
    const { keys, unreadable } = this.base.tree;
    const bad = new Set(unreadable);
    return keys.filter((key) => isChosen(key, this.mapping) && !bad.has(key.name));
  }

  /** Each key beside its twin, as v3 is now. */
  async compare(): Promise<Pair[]> {
    const chosen = this.#chosen().map((key) => ({ key, name: twinName(key, this.mapping) }));
    const named = chosen.filter(({ name }) => name.length > 0);
    const names = named.map(({ name }) => name);
    const twins = await lookUp((await this.v3()).keys, names, await this.revision(), this.now);
    return named.map(({ key, name }) => {
      const twin = twins.get(name.toString('latin1'));
      return { key, name, twin, verdict: judgeTwin(key, twin) };
    });
  }

  /** It ends too soon to be brought. */
  isShort({ endsAtMs }: Pick<V2Key, 'endsAtMs'>): boolean {
    const least = shortestMs(this.cluster.allSettings[0]!.electionTimeoutMs);
    return endsAtMs !== undefined && endsAtMs - this.now() < least;
  }

  #isLarge({ key, name }: Pair): boolean {
    const bytes = Buffer.byteLength(key.value) + 2 * name.length + REQUEST_MARGIN_BYTES;
    return bytes > (this.cluster.allSettings[0]!.maxRequestBytes ?? MAX_REQUEST_BYTES);
  }

  #found(): V2Found {
    const { mapping, pairs } = this;
    const all = pairs.filter(({ key, verdict }) => verdict === 'same' || !this.isShort(key));
    const have = (...verdicts: Verdict[]) => all.filter(({ verdict }) => verdicts.includes(verdict));
    return {
      keys: all.length,
      missing: have('missing').length,
      same: have('same').length,
      late: have('ours').length,
      different: have('other value', 'other end').map(({ key, verdict }) => ({ name: key.name, how: verdict })),
      short: pairs.length - all.length,
      unreadable: this.base.tree.unreadable.filter((name) => isChosen({ name }, mapping)).map(shown),
      unrest: this.#unrest,
      large: all.filter((pair) => this.#isLarge(pair)).map(({ key }) => key.name),
      nameless: this.#chosen().flatMap((key) => (twinName(key, mapping).length === 0 ? [key.name] : [])),
    };
  }
}

/** What is to be written for a key, and what is overwritten by it. */
export function dueKey({ key, name, twin }: Pair): DueKey {
  const before = twin as DueKey['before'];
  return { name, value: Buffer.from(key.value), endsAtMs: key.endsAtMs, ...(before && { before }) };
}
