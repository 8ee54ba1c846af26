import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PlayError, UnreachableError } from '../../errors.ts';
import { once, type Play, play, type RunContext, step } from '../../runner/playbook.ts';
import { localTools } from '../backup/tools.ts';
import { makeWorkFolder } from '../backup/work-folder.ts';
import { parseEnvironmentFile } from '../configuration.ts';
import { type KeysApi, keysApi } from '../grpc/keys.ts';
import { type LeasesApi, leasesApi } from '../grpc/leases.ts';
import { type MemberApi, memberApi } from '../grpc/member.ts';
import { openSession } from '../grpc/session.ts';
import { saveKeys } from '../keys/saved.ts';
import { spell } from '../keys/spelling.ts';
import { clientAddress } from '../look.ts';
import type { MigrateAction, V2Found, V2Host } from '../plan/migrate.ts';
import { type MemberFiles, reasons } from '../plan/reload.ts';
import { clusterPairs } from '../plan/sight.ts';
import { takeSafetyBackup } from '../restore/safety.ts';
import { copyKeys, type DueKey, Journal, TakenError, takeBack } from '../v2/copy.ts';
import { LEASE_SLACK_MS, shortestMs } from '../v2/leases.ts';
import { lookUp } from '../v2/look-up.ts';
import { compareBystanders } from '../v2/prove.ts';
import { askService, askUsers, clockOffsetMs, findHidden, readV2, type V2Door } from '../v2/read.ts';
import { saveV2 } from '../v2/saved.ts';
import { changesBetween, count, some, unrest, type V2Reading } from '../v2/still.ts';
import { contentText, overlapText } from '../v2/text.ts';
import { shown, type V2Key } from '../v2/tree.ts';
import { isChosen, judgeTwin, type NameMapping, type Twin, twinName, type Verdict } from '../v2/twins.ts';
import type { LiveCluster } from './cluster.ts';
import { lookAtFiles } from './files.ts';
import { handOver } from './hand-over.ts';
import { performRoll } from './roll.ts';

export interface MigrateWish {
  mapping: NameMapping;
  overwrite: boolean;
  leaveOut: boolean;
  /** How long v2 is watched for writers. */
  stillForMs: number;
}

interface Apis {
  member: MemberApi;
  keys: KeysApi;
  leases: LeasesApi;
  close(): void;
}

/** A key of v2 beside its twin. */
interface Pair {
  key: V2Key;
  name: Buffer;
  twin: (Twin & { key: Buffer }) | undefined;
  verdict: Verdict;
}

const LEVEL_MS = 30_000;
const SERVING_MS = 10_000;

/** A migration of v2: what is seen of both sides, and what this run has done so far. */
export class LiveMigration {
  readonly cluster: LiveCluster;
  readonly folder: string;
  readonly #wish: MigrateWish;
  readonly #files = new Map<string, MemberFiles>();
  readonly #apis = new Map<string, Apis>();
  readonly #hosts = new Map<string, V2Host>();
  #door: V2Door | undefined;
  #offsetMs = 0;
  /** v2 as it is brought. */
  #base: V2Reading | undefined;
  #unrest: string | undefined;
  #pairs: Pair[] = [];
  #hasTold = false;
  /** Keys that end too soon to be brought: they are waited for. */
  readonly #skipped = new Set<string>();
  switched = false;
  backedUp = false;
  done = false;

  constructor(cluster: LiveCluster, wish: MigrateWish) {
    this.cluster = cluster;
    this.#wish = wish;
    this.folder = cluster.allSettings[0]!.localBackupDir ?? join(cluster.run.inventoryDir, 'backups');
    cluster.run.onEnd(() => this.#closeAll());
  }

  get hosts(): ReadonlyMap<string, V2Host> {
    return this.#hosts;
  }

  #now = () => Date.now() + this.#offsetMs;

  async #open(host: string): Promise<Apis> {
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

  #closeAll(): void {
    for (const { close } of this.#apis.values()) close();
    this.#apis.clear();
  }

  #leader(): string {
    const host = this.cluster.state().leader?.host;
    if (host === undefined) throw new PlayError('the cluster has no leader', { next: 'Run again.' });
    return host;
  }

  /** Goes by what the cluster's own look has shown a moment ago. Undefined where no member serves v2. */
  async look(): Promise<V2Found | undefined> {
    const { cluster } = this;
    await Promise.all(cluster.hosts.map((host) => this.#lookAt(host)));
    const { leader } = cluster.state();
    const serving = cluster.hosts.filter((host) => this.#hosts.get(host)?.service === 'on');
    const from = serving.find((host) => host === leader?.host) ?? serving[0];
    if (from === undefined || leader?.host === undefined || this.done) return undefined;
    this.#offsetMs = await clockOffsetMs(await cluster.run.connect(leader.host));
    this.#door = await this.#doorAt(from);
    if (!this.#base) await this.#firstReading();
    this.#pairs = await this.#compare(this.#base!.tree.keys);
    const found = this.#found();
    if (!this.#hasTold) {
      this.#hasTold = true;
      const { users } = await askUsers(this.#door);
      const content = contentText(from, this.#base!, this.#wish.mapping, users);
      cluster.run.say(`\n${content}\n${overlapText(found)}`);
    }
    return found;
  }

  async #lookAt(host: string): Promise<void> {
    const { cluster } = this;
    const connection = await cluster.run.connect(host);
    const seen = cluster.seen(host);
    const files = await lookAtFiles(cluster, host);
    this.#files.set(host, files);
    const address = clientAddress(cluster.listening(host));
    const { identity } = cluster;
    const service = seen.api ? await askService({ connection, address, identity }).catch(() => undefined) : undefined;
    const { running, configuration } = seen.facts;
    const name = 'ETCD_ENABLE_V2';
    this.#hosts.set(host, {
      service,
      running: running?.environment.get(name),
      onDisk: configuration === undefined ? undefined : parseEnvironmentFile(configuration).get(name),
      wanted: parseEnvironmentFile(files.configuration).get(name),
      drift: seen.api ? reasons(seen, files, cluster.state(), false).filter((one) => one !== name) : [],
    });
  }

  async #doorAt(host: string): Promise<V2Door> {
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

  async #read(): Promise<V2Reading> {
    return readV2(this.#door!, await findHidden(this.#door!), this.#offsetMs);
  }

  async #firstReading(): Promise<void> {
    const before = await this.#read();
    await new Promise((resolve) => setTimeout(resolve, this.#wish.stillForMs));
    this.#base = await this.#read();
    this.#unrest = unrest(changesBetween(before, this.#base));
  }

  #chosen(keys: readonly V2Key[]): V2Key[] {
    const bad = new Set(this.#base!.tree.unreadable);
    return keys.filter((key) => isChosen(key, this.#wish.mapping) && !bad.has(key.name));
  }

  async #compare(keys: readonly V2Key[]): Promise<Pair[]> {
    const api = (await this.#open(this.#leader())).keys;
    const chosen = this.#chosen(keys).map((key) => ({ key, name: twinName(key, this.#wish.mapping) }));
    const named = chosen.filter(({ name }) => name.length > 0);
    const names = named.map(({ name }) => name);
    const { revision } = await api.range({ key: Buffer.from('/'), countOnly: true });
    const twins = await lookUp(api, names, revision, this.#now);
    return named.map(({ key, name }) => {
      const twin = twins.get(name.toString('latin1'));
      return { key, name, twin, verdict: judgeTwin(key, twin) };
    });
  }

  get #shortestMs(): number {
    return shortestMs(this.cluster.allSettings[0]!.electionTimeoutMs);
  }

  #isShort({ endsAtMs }: Pick<V2Key, 'endsAtMs'>): boolean {
    return endsAtMs !== undefined && endsAtMs - this.#now() < this.#shortestMs;
  }

  #found(): V2Found {
    const { mapping } = this.#wish;
    const all = this.#pairs.filter(({ key, verdict }) => verdict === 'same' || !this.#isShort(key));
    const have = (...verdicts: Verdict[]) => all.filter(({ verdict }) => verdicts.includes(verdict));
    const chosen = this.#chosen(this.#base!.tree.keys);
    return {
      keys: all.length,
      missing: have('missing').length,
      same: have('same').length,
      late: have('ours').length,
      different: have('other value', 'other end').map(({ key, verdict }) => ({ name: key.name, how: verdict })),
      short: this.#pairs.length - all.length,
      unreadable: this.#base!.tree.unreadable.filter((name) => isChosen({ name }, mapping)).map(shown),
      unrest: this.#unrest,
      nameless: chosen.filter((key) => twinName(key, mapping).length === 0).map(({ name }) => name),
    };
  }

  /** What is left to be done by hand. */
  report(): string | undefined {
    if (!this.done) return undefined;
    return [
      'All keys of v2 are in v3, and in v2 as they were. Next:',
      '  1. Point applications to the API of v3.',
      '  2. Delete the keys of v2, once nobody needs them (etcd 3.6 does not start on them): ETCDCTL_API=2 etcdctl rm -r KEY',
    ].join('\n');
  }

  perform(action: MigrateAction): Play {
    const { cluster } = this;
    switch (action.do) {
      case 'move leader':
        return handOver(cluster, action);
      case 'files':
        return performRoll(cluster, action, (host) => this.#files.get(host)!);
      case 'switch':
        return this.#switch(action);
      case 'back up':
        return play('Back up', {
          tasks: [
            once('v3 is backed up and verified', async () => ({
              changed: true,
              summary: await this.#backUp(action.host),
            })),
            once('v2 is saved', async () => {
              const id = cluster.state().clusterId ?? '';
              const { clusterToken: name } = cluster.allSettings[0]!;
              const path = await saveV2(this.folder, { name, id }, this.#base!, new Date());
              this.backedUp = true;
              return { changed: true, summary: path };
            }),
          ],
        });
      case 'copy':
        return this.#copy();
    }
  }

  #switch({ host, on }: Extract<MigrateAction, { do: 'switch' }>): Play {
    const { cluster } = this;
    const files = (): MemberFiles => {
      const found = this.#files.get(host)!;
      if (!on) return found;
      const pairs = clusterPairs(cluster.state());
      const settings = { ...cluster.own(host), enableV2: true };
      return { ...found, configuration: cluster.configuration(host, pairs, cluster.ca, settings) };
    };
    if (on) this.switched = true;
    this.#apis.get(host)?.close();
    this.#apis.delete(host);
    const restart = performRoll(cluster, { do: 'restart', host }, files);
    const tasks = [
      ...(restart.tasks as Exclude<Play['tasks'], () => unknown>),
      on ? step('v2 is served', () => this.#untilServed(host)) : once('Keys end as before', () => this.#setEndsRight()),
    ];
    return { ...restart, tasks };
  }

  async #untilServed(host: string): Promise<void> {
    const deadline = performance.now() + SERVING_MS;
    const door = await this.#doorAt(host);
    while ((await askService(door).catch(() => undefined)) === 'off') {
      if (performance.now() > deadline) {
        throw new PlayError('it was restarted with ETCD_ENABLE_V2=true, and does not serve v2', {
          next: 'See there: journalctl -u etcd.service.',
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** A new leader gives every lease its whole time anew (etcd server/lease, Promote): those of this run get the rest. */
  async #setEndsRight(): Promise<{ changed: boolean; summary?: string }> {
    if (!this.done) return { changed: false };
    this.#closeAll();
    this.#offsetMs = await clockOffsetMs(await this.cluster.run.connect(this.#leader()));
    const late = (await this.#compare(this.#base!.tree.keys)).filter(({ verdict }) => verdict === 'ours');
    const due = late.filter(({ key }) => !this.#isShort(key)).map((one) => this.#dueKey(one));
    if (due.length === 0) return { changed: false };
    const apis = await this.#open(this.#leader());
    const { signal } = this.cluster.run;
    await copyKeys(apis, due, new Journal(), { now: this.#now, signal, onProgress: () => undefined });
    return { changed: true, summary: count(due.length, 'key', 'keys') };
  }

  #dueKey({ key, name, twin }: Pair): DueKey {
    const before = twin as DueKey['before'];
    return { name, value: Buffer.from(key.value), endsAtMs: key.endsAtMs, ...(before && { before }) };
  }

  async #backUp(host: string): Promise<string> {
    const { cluster, folder } = this;
    const { signal } = cluster.run;
    const settings = cluster.own(host);
    const { version, releaseDir, releaseUrl } = settings;
    const tools = await localTools({ version, releaseDir, releaseUrl, signal });
    const work = await makeWorkFolder(folder);
    try {
      const api = (await this.#open(host)).member;
      return await takeSafetyBackup({ host, settings, api, folder, work, tools, now: new Date(), signal });
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  #copy(): Play {
    const journal = new Journal();
    const { run } = this.cluster;
    let started = 0n;
    let last: V2Reading | undefined;
    const safely = (name: string, act: (context: RunContext) => Promise<{ changed?: boolean; summary?: string }>) =>
      once(name, async (context) => {
        try {
          return await act(context);
        } catch (error) {
          throw await this.#afterFailure(journal, error);
        }
      });
    return play('Copy', {
      tasks: [
        safely('What is overwritten is saved', () => this.#saveOverwritten()),
        safely('Keys are written to v3', async () => {
          const apis = await this.#open(this.#leader());
          started = (await apis.keys.range({ key: Buffer.from('/'), countOnly: true })).revision;
          const wanted = this.#pairs.filter(({ verdict }) => verdict !== 'same');
          for (const { key } of wanted) if (this.#isShort(key)) this.#skipped.add(key.name);
          await copyKeys(
            apis,
            wanted.filter(({ key }) => !this.#skipped.has(key.name)).map((one) => this.#dueKey(one)),
            journal,
            {
              now: this.#now,
              signal: run.signal,
              onProgress: () => undefined,
            },
          );
          const { written, leases } = journal;
          return { changed: written.length > 0, summary: `${written.length} keys, ${leases.length} leases` };
        }),
        safely('v2 is as it was', async () => {
          last = await this.#rest();
          return {};
        }),
        safely('Each key has its twin', async () => ({ summary: await this.#proveTwins(last!) })),
        safely('No other key was changed', async () => ({ summary: await this.#proveOthers(started, journal) })),
        safely('All members hold the same', async () => {
          const summary = await this.#proveHashes();
          this.done = true;
          return { summary };
        }),
      ],
    });
  }

  /** Whoever ended the run, or lost a host, may go on from here; all else is taken back. */
  async #afterFailure(journal: Journal, error: unknown): Promise<unknown> {
    if (this.cluster.run.signal.aborted || error instanceof UnreachableError) return error;
    const words = this.#asPlayError(error);
    const undone = await this.#open(this.#leader())
      .then((apis) => takeBack(apis, journal))
      .then(
        ({ deleted, putBack, left }) => {
          const rest = left > 0 ? ` ${count(left, 'key was', 'keys were')} written by others since, and left.` : '';
          return `What was written to v3 was taken back: ${deleted} deleted, ${putBack} put back.${rest}`;
        },
        (why: unknown) =>
          `What was written to v3 could not be taken back (${(why as Error).message}): run again to go on.`,
      );
    return new PlayError(words.message, { cause: error, next: `${undone} ${words.next ?? 'Then run again.'}`.trim() });
  }

  #asPlayError(error: unknown): PlayError {
    if (error instanceof TakenError) {
      const name = spell(error.key, 'text');
      return new PlayError(`${name} was written in v3 by somebody else meanwhile`, {
        next: 'Stop who writes there, then run again: it shows what stands there.',
      });
    }
    if (error instanceof PlayError) return error;
    return new PlayError((error as Error).message, { cause: error });
  }

  async #saveOverwritten(): Promise<{ summary?: string; changed?: boolean }> {
    const old = this.#pairs.filter(({ verdict, twin }) => twin && verdict.startsWith('other'));
    if (old.length === 0) return {};
    const { cluster } = this;
    const keys = old.map((one) => this.#dueKey(one).before!);
    const revision = String((await (await this.#open(this.#leader())).member.status()).revision);
    const head = { format: 1, kind: 'etcd keys', revision, takenAt: new Date().toISOString() } as const;
    const id = { name: cluster.allSettings[0]!.clusterToken, id: cluster.state().clusterId ?? '' };
    const pages = (async function* () {
      yield keys;
    })();
    const { path } = await saveKeys(join(this.folder, 'keys'), { ...head, cluster: id }, pages);
    return { changed: true, summary: path };
  }

  /** v2 once more: nobody has written, and what ends soon has ended. */
  async #rest(): Promise<V2Reading> {
    for (;;) {
      const now = await this.#read();
      const { written, deleted } = changesBetween(this.#base!, now);
      const moved = unrest({ written, deleted, expired: [], unseen: 0 });
      if (moved !== undefined) {
        throw new PlayError(`v2 was written meanwhile: ${moved}`, {
          next: 'Stop what writes to v2 (or point it to v3), then run again.',
        });
      }
      if (!now.tree.keys.some(({ name }) => this.#skipped.has(name))) return now;
      if (this.cluster.run.signal.aborted) throw new PlayError('the run was ended');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  async #proveTwins(last: V2Reading): Promise<string> {
    const there = new Set(last.tree.keys.map(({ name }) => name));
    const pairs = await this.#compare(this.#base!.tree.keys);
    const now = this.#now();
    const wrong = pairs.filter(({ key, twin, verdict }) => {
      if (there.has(key.name)) return verdict !== 'same' && !(key.endsAtMs && key.endsAtMs <= now + LEASE_SLACK_MS);
      return twin !== undefined && (twin.endsAtMs ?? Number.POSITIVE_INFINITY) > now + LEASE_SLACK_MS;
    });
    if (wrong.length > 0) {
      const named = wrong.map(({ key, verdict }) => `${key.name} (${verdict})`);
      throw new PlayError(`${count(wrong.length, 'key of v2 is', 'keys of v2 are')} not so in v3: ${some(named)}`);
    }
    const same = pairs.filter(({ verdict }) => verdict === 'same');
    const leased = same.filter(({ key }) => key.endsAtMs !== undefined).length;
    const ended = pairs.length - same.length;
    const rest = ended > 0 ? `, ${ended} have ended meanwhile` : '';
    return `${same.length} with the same value, ${leased} of them with the same end${rest}`;
  }

  async #proveOthers(before: bigint, journal: Journal): Promise<string> {
    const { keys } = await this.#open(this.#leader());
    const { revision: after } = await keys.range({ key: Buffer.from('/'), countOnly: true });
    const own = new Set(this.#pairs.map(({ name }) => name.toString('latin1')));
    const isOwn = (key: Buffer) => own.has(key.toString('latin1'));
    const found = await compareBystanders(keys, { before, after }, isOwn, journal.revisions);
    if (!found) return 'not told: the revision of before is compacted by now';
    return `${found.keys} others${found.changed > 0 ? `, ${found.changed} of them changed by their own clients` : ''}`;
  }

  /** At one revision, when all members have come to it. */
  async #proveHashes(): Promise<string> {
    const { cluster } = this;
    const hosts = cluster.state().serving.flatMap(({ host }) => host ?? []);
    const apis = await Promise.all(hosts.map(async (host) => (await this.#open(host)).member));
    const { revision } = await (await this.#open(this.#leader())).member.status();
    const deadline = performance.now() + LEVEL_MS;
    for (const [at, api] of apis.entries()) {
      while ((await api.status()).revision < revision) {
        if (performance.now() > deadline) {
          throw new PlayError('it does not come level with its leader', { host: hosts[at]!, next: 'Run again.' });
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    let hashes = await Promise.all(apis.map((api) => api.keyHash(revision)));
    // Members compact each in its own time: before that they are not to be compared.
    while (new Set(hashes.map(({ compactRevision }) => compactRevision)).size > 1 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      hashes = await Promise.all(apis.map((api) => api.keyHash(revision)));
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
}
