import { join } from 'node:path';
import { ManyErrors, PlayError } from '../../errors.ts';
import { once, type Play, play, step, type Task } from '../../runner/playbook.ts';
import { localTools } from '../backup/tools.ts';
import { v2GetFrom } from '../backup/v2/look.ts';
import { makeWorkFolder, removeWorkFolder } from '../backup/work-folder.ts';
import { parseEnvironmentFile } from '../configuration.ts';
import { clientAddress } from '../look.ts';
import { saveV2 } from '../migrate/saved.ts';
import { contentText, overlapText, v2Record } from '../migrate/text.ts';
import type { NameMapping } from '../migrate/twins.ts';
import { type MigrateAction, servedBy, type V2Found, type V2Host } from '../plan/migrate.ts';
import { cutOffAt } from '../plan/migrate-offline.ts';
import { type Refusal, refusalError } from '../plan/plan.ts';
import { type MemberFiles, reasons } from '../plan/reload.ts';
import { clusterPairs } from '../plan/sight.ts';
import { takeSafetyBackup } from '../restore/safety.ts';
import { servesV2 } from '../restore/v2.ts';
import { askService, askUsers } from '../v2/read.ts';
import { BothSides } from './both-sides.ts';
import type { LiveCluster } from './cluster.ts';
import { lookAtFiles } from './files.ts';
import { handOver } from './hand-over.ts';
import { copyPlay, setEndsRight } from './migrate-copy.ts';
import { lookForMarks } from './migrate-marks.ts';
import { performRoll } from './roll.ts';

export interface MigrateWish {
  mapping: NameMapping;
  /** How long v2 is watched for writers. */
  stillForMs: number;
}

const ENABLE = 'ETCD_ENABLE_V2';
const SERVING_MS = 10_000;

/** A migration of v2 on a running cluster: what this run has seen and done so far. */
export class LiveMigration {
  readonly cluster: LiveCluster;
  readonly sides: BothSides;
  /** Where backups are kept. */
  readonly folder: string;
  readonly hosts = new Map<string, V2Host>();
  switched = false;
  backedUp = false;
  /** Where the keys of v2 are saved. */
  saved = '';
  done = false;
  readonly #stillForMs: number;
  readonly #files = new Map<string, MemberFiles>();
  #hasTold = false;

  constructor(cluster: LiveCluster, { mapping, stillForMs }: MigrateWish) {
    this.cluster = cluster;
    this.sides = new BothSides(cluster, mapping);
    this.folder = cluster.allSettings[0]!.localBackupDir ?? join(cluster.run.inventoryDir, 'backups');
    this.#stillForMs = stillForMs;
  }

  /** Goes by what the cluster's own look has shown a moment ago. Undefined where no member serves v2. */
  async look(): Promise<V2Found | undefined> {
    const { cluster, sides } = this;
    await Promise.all(cluster.hosts.map((host) => this.#lookAt(host)));
    const from = servedBy(cluster.state(), this.hosts);
    if (from === undefined || cluster.state().leader?.host === undefined || this.done) return undefined;
    const found = await sides.look(from, this.#stillForMs);
    if (!this.#hasTold) {
      this.#hasTold = true;
      const { users } = await askUsers(sides.door);
      const text = `\n${contentText(from, sides.base, sides.mapping, users)}\n${overlapText(found)}`;
      cluster.run.say(text, 'info', v2Record(from, sides.base, sides.mapping, found));
    }
    return found;
  }

  async #lookAt(host: string): Promise<void> {
    const { cluster } = this;
    const connection = await cluster.run.connect(host);
    const seen = cluster.seen(host);
    const [files, left] = await Promise.all([lookAtFiles(cluster, host), lookForMarks(connection, cluster.own(host))]);
    this.#files.set(host, files);
    const at = { connection, address: clientAddress(cluster.listening(host)), identity: cluster.identity };
    const { running, configuration } = seen.facts;
    this.hosts.set(host, {
      service: seen.api ? await askService(at).catch(() => undefined) : undefined,
      running: running?.environment.get(ENABLE),
      onDisk: configuration === undefined ? undefined : parseEnvironmentFile(configuration).get(ENABLE),
      isWanted: servesV2(cluster.own(host).version, cluster.own(host).enableV2),
      cutOff: cutOffAt(left),
      drift: seen.api ? reasons(seen, files, cluster.state(), false).filter((one) => one !== ENABLE) : [],
    });
  }

  perform(action: MigrateAction): Play {
    const { cluster, sides, folder } = this;
    switch (action.do) {
      case 'move leader':
        return handOver(cluster, action);
      case 'files':
        return performRoll(cluster, action, (host) => this.#files.get(host)!);
      case 'switch':
        return this.#switch(action);
      case 'back up':
        return play('Back up', { tasks: this.#backUp(action.host) });
      case 'copy':
        return copyPlay(sides, { folder, onDone: () => this.finished() });
    }
  }

  /** All is copied and proven. */
  finished(): void {
    this.done = true;
  }

  #switch({ host, on }: Extract<MigrateAction, { do: 'switch' }>): Play {
    const { cluster, sides } = this;
    const files = (): MemberFiles => {
      const found = this.#files.get(host)!;
      if (!on) return found;
      const settings = { ...cluster.own(host), enableV2: true };
      const pairs = clusterPairs(cluster.state());
      return { ...found, configuration: cluster.configuration(host, pairs, cluster.ca, settings) };
    };
    if (on) this.switched = true;
    sides.close(host);
    const restart = performRoll(cluster, { do: 'restart', host }, files);
    const after = on
      ? step('v2 is served', () => this.#untilServed(host))
      : once('Keys end as before', () => (this.done ? setEndsRight(sides) : undefined));
    return { ...restart, tasks: [...(restart.tasks as readonly Task[]), after] };
  }

  async #untilServed(host: string): Promise<void> {
    const deadline = performance.now() + SERVING_MS;
    const door = await this.sides.doorAt(host);
    while ((await askService(door).catch(() => 'off')) === 'off') {
      if (performance.now() > deadline) {
        throw new PlayError(`it was restarted with ${ENABLE}=true, and does not serve v2`, {
          next: 'See there: journalctl -u etcd.service.',
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  #backUp(host: string): Task[] {
    const { cluster, folder, sides } = this;
    return [
      once('v3 and v2 are backed up and verified', async () => {
        const { signal } = cluster.run;
        const settings = cluster.own(host);
        const { version, releaseDir, releaseUrl } = settings;
        const tools = await localTools({ version, releaseDir, releaseUrl, signal });
        const work = await makeWorkFolder(folder);
        try {
          const api = (await sides.open(host)).member;
          const { connection, address, identity } = sides.door;
          const v2 = { connection, get: v2GetFrom(connection, address, identity) };
          const request = { host, settings, api, folder, work, tools, now: new Date(), v2, signal };
          return { changed: true, summary: await takeSafetyBackup(request) };
        } finally {
          await removeWorkFolder(work);
        }
      }),
      once('Keys of v2 are saved', async () => {
        const cluster = { name: this.cluster.allSettings[0]!.clusterToken, id: this.cluster.state().clusterId ?? '' };
        this.saved = await saveV2(folder, cluster, sides.base, new Date());
        this.backedUp = true;
        return { changed: true, summary: this.saved };
      }),
    ];
  }

  /** What is left to be done by hand. */
  report(): string | undefined {
    if (!this.done) return undefined;
    const served = servedBy(this.cluster.state(), this.hosts) === undefined ? `, which ${ENABLE}=true serves` : '';
    return [
      'All keys of v2 are in v3, and in v2 as they were. Next:',
      '  1. Point applications to the API of v3.',
      `  2. Delete the keys of v2${served}, once nobody needs them (etcd 3.6 does not start on them): ETCDCTL_API=2 etcdctl rm -r KEY`,
    ].join('\n');
  }
}

/** What was seen only when v2 had been switched on, and was switched back. */
export function refusedOnTheWay(refusals: readonly Refusal[]): ManyErrors {
  const { errors } = refusalError(refusals);
  return new ManyErrors('Refused. v2 was switched on and off again, and nothing else was changed:', errors);
}
