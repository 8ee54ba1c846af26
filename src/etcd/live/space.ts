import { basename } from 'node:path';
import { PlayError } from '../../errors.ts';
import { once, type Play, play, step } from '../../runner/playbook.ts';
import { findBackups } from '../backup/catalogue.ts';
import type { MemberWord } from '../backup/compare.ts';
import { parseBackupFileName } from '../backup/naming.ts';
import { localTools } from '../backup/tools.ts';
import { makeWorkFolder, removeWorkFolder } from '../backup/work-folder.ts';
import type { Alarm } from '../cluster.ts';
import { type MemberApi, openMemberApi } from '../grpc/member.ts';
import { clientAddress } from '../look.ts';
import type { MemberRoom, SpaceAction } from '../plan/space.ts';
import { untilMembersAgree } from '../proof.ts';
import { takeSafetyBackup } from '../restore/safety.ts';
import { size } from '../status/text.ts';
import type { LiveCluster } from './cluster.ts';
import { handOver } from './hand-over.ts';
import { levelWithLeader } from './level.ts';

const LEVEL_MS = 600_000;
const AGREEING_MS = 30_000;
/** etcd's own (server/storage/quota.go). */
const DEFAULT_QUOTA_BYTES = 2 * 1024 ** 3;

/** What is known of the room in a running cluster, beside what every look shows. */
export interface SpaceSight {
  rooms: ReadonlyMap<string, MemberRoom>;
  alarms: readonly Alarm[];
  revision: bigint;
  compactedTo: bigint;
  words: readonly MemberWord[];
}

/** The calls that making room needs, by one session with each member, and what this run has done so far. */
export class LiveSpace {
  readonly cluster: LiveCluster;
  /** Where backups are kept. */
  readonly folder: string;
  readonly done = { compacted: false, defragmented: new Set<string>() };
  readonly #apis = new Map<string, MemberApi>();
  /** A verified backup of it is there. */
  #backedUp: bigint | undefined;

  constructor(cluster: LiveCluster, folder: string) {
    this.cluster = cluster;
    this.folder = folder;
    cluster.run.onEnd(() => {
      for (const api of this.#apis.values()) api.close();
    });
  }

  async api(host: string): Promise<MemberApi> {
    const open = this.#apis.get(host);
    if (open) return open;
    const { cluster } = this;
    const address = clientAddress(cluster.listening(host));
    const api = await openMemberApi(await cluster.run.connect(host), address, cluster.identity);
    this.#apis.set(host, api);
    return api;
  }

  /** Goes by what the cluster's own look has shown a moment ago. */
  async look(): Promise<SpaceSight> {
    const { cluster } = this;
    const state = cluster.state();
    const rooms = new Map(cluster.hosts.map((host) => [host, this.#room(host)]));
    const serving = state.serving.flatMap(({ host }) => host ?? []);
    const asked = state.leader?.host ?? serving[0];
    if (asked === undefined) return { rooms, alarms: [], revision: 0n, compactedTo: 0n, words: [] };
    const api = await this.api(asked);
    const [{ revision }, alarms] = await Promise.all([api.status(), api.alarms()]);
    // Its members come in any order.
    const sorted = alarms.toSorted((a, b) => (`${a.kind} ${a.memberId}` < `${b.kind} ${b.memberId}` ? -1 : 1));
    const compactedTo = await compactedUpTo(revision, (at) => api.isCompacted(at));
    const isOdd = sorted.some(({ kind }) => kind === 'CORRUPT');
    return { rooms, alarms: sorted, revision, compactedTo, words: isOdd ? await this.#hashes(serving) : [] };
  }

  /** A backup that holds all that compaction would take away. */
  async isBackedUp(revision: bigint): Promise<boolean> {
    if (this.#backedUp !== undefined) return true;
    const { clusterId } = this.cluster.state();
    const found = (await findBackups(this.folder)).find(
      (one) => one.verified !== 'no' && one.manifest?.cluster.id === clusterId && one.revision >= revision,
    );
    if (found) this.#backedUp = found.revision;
    return found !== undefined;
  }

  #room(host: string): MemberRoom {
    const { facts, settings } = this.cluster.seen(host);
    const set = facts.running?.environment.get('ETCD_QUOTA_BACKEND_BYTES');
    // A process that was told nothing has etcd's own; below zero there is none.
    const bytes = facts.running ? Number(set ?? 0) || DEFAULT_QUOTA_BYTES : settings.quotaBytes;
    const disk = facts.disks.find(({ path }) => path === settings.dataDir);
    return { quotaBytes: bytes < 0 ? undefined : bytes, freeBytes: disk?.freeBytes };
  }

  /** Each member's, at the newest revision that all of them have. */
  async #hashes(hosts: readonly string[]): Promise<MemberWord[]> {
    const apis = await Promise.all(hosts.map((host) => this.api(host)));
    const revisions = await Promise.all(apis.map(async (api) => (await api.status()).revision));
    const least = revisions.reduce((a, b) => (b < a ? b : a));
    return Promise.all(
      hosts.map(async (host, index) => ({ host, hash: await apis[index]!.keyHash(least).catch(() => undefined) })),
    );
  }

  async #backup(host: string): Promise<string> {
    const { cluster, folder } = this;
    const { signal } = cluster.run;
    const { version, releaseDir, releaseUrl } = cluster.own(host);
    const tools = await localTools({ version, releaseDir, releaseUrl, signal });
    const work = await makeWorkFolder(folder);
    try {
      const settings = cluster.own(host);
      const api = await this.api(host);
      const path = await takeSafetyBackup({ host, settings, api, folder, work, tools, now: new Date(), signal });
      this.#backedUp = parseBackupFileName(basename(path))!.revision;
      return path;
    } finally {
      await removeWorkFolder(work);
    }
  }

  /** On all members that serve, and down to their disks: before that, writing a database anew would gain little. */
  async #compact(): Promise<bigint> {
    const { cluster, done } = this;
    const leader = cluster.state().leader!.host!;
    const { revision: now } = await (await this.api(leader)).status();
    // What was written since the backup is not in it, and stays.
    const revision = this.#backedUp !== undefined && this.#backedUp < now ? this.#backedUp : now;
    const serving = cluster.state().serving.flatMap(({ host }) => host ?? []);
    const all = [leader, ...serving.filter((one) => one !== leader)];
    // Pages that a transaction of a database has freed count as free from the next one on: each call makes one.
    for (const host of [...all, ...all]) await (await this.api(host)).compactWholly(revision);
    done.compacted = true;
    return revision;
  }

  async #defragment(host: string, onProgress: (done: number, total: number) => void): Promise<string> {
    const { cluster, done } = this;
    const { signal } = cluster.run;
    const level = async () => {
      const leader = cluster.state().leader?.host;
      if (leader === undefined || leader === host) return;
      await levelWithLeader(cluster, host, leader, { timeoutMs: LEVEL_MS, signal, onProgress });
    };
    // One that is taking up a snapshot must not be disturbed (etcd-io/etcd, before 3.5.23 and 3.6.5).
    await level();
    const api = await this.api(host);
    const before = await api.status();
    await api.defragment();
    done.defragmented.add(host);
    const after = await api.status();
    await level();
    const serving = cluster.state().serving.flatMap((one) => one.host ?? []);
    const answers = new Map(serving.map((one) => [one, cluster.answers.get(one)!]));
    const ask = (one: string) => cluster.ask(one);
    await untilMembersAgree(answers, ask, AGREEING_MS, signal, cluster.state().members.length);
    return `${size(before.dbSizeBytes)} → ${size(after.dbSizeBytes)}`;
  }

  perform(action: SpaceAction): Play {
    const { cluster } = this;
    switch (action.do) {
      case 'backup':
        return play('Back up', {
          tasks: [
            once('Backup is taken and verified', async () => ({
              changed: true,
              summary: await this.#backup(action.host),
            })),
          ],
        });
      case 'compact':
        return play('Compact', {
          tasks: [
            once('What was overwritten is forgotten', async () => ({
              changed: true,
              summary: `up to revision ${await this.#compact()}`,
            })),
          ],
        });
      case 'defragment':
        return play(`Defragment ${action.host}`, {
          hosts: [action.host],
          tasks: [
            step('Database is written anew', async ({ host, progress }) => ({
              changed: true,
              summary: await this.#defragment(host, progress),
            })),
          ],
        });
      case 'move leader':
        return handOver(cluster, action);
      case 'disarm':
        return play('Disarm', {
          tasks: [
            once('Alarm is disarmed', async () => {
              const api = await this.api(cluster.state().leader!.host!);
              for (const alarm of action.alarms) await api.disarm(alarm);
              const left = (await api.alarms()).filter((one) => action.alarms.some((other) => isSame(one, other)));
              if (left.length > 0) {
                throw new PlayError(`the alarm ${left[0]!.kind} is there again at once`, {
                  next: 'Somebody writes while there is no room: play space_etcd shows it.',
                });
              }
              return { changed: true };
            }),
          ],
        });
    }
  }
}

const isSame = (a: Alarm, b: Alarm) => a.memberId === b.memberId && a.kind === b.kind;

/**
 * The revision of the last compaction, by asking whether revisions are still known: each question is small, also where
 * the data are not. 0 where nothing was ever compacted.
 */
export async function compactedUpTo(
  revision: bigint,
  isCompacted: (revision: bigint) => Promise<boolean>,
): Promise<bigint> {
  if (revision <= 1n || !(await isCompacted(1n))) return 0n;
  let [gone, known] = [1n, revision];
  while (known - gone > 1n) {
    const middle = (gone + known) / 2n;
    if (await isCompacted(middle)) gone = middle;
    else known = middle;
  }
  return known;
}
