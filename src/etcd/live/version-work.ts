import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ManyErrors, PlayError } from '../../errors.ts';
import { once, type Play, play, type RunContext } from '../../runner/playbook.ts';
import { findBackups } from '../backup/catalogue.ts';
import { fittingTools } from '../backup/tools.ts';
import { existingParent, makeWorkFolder, removeWorkFolder } from '../backup/work-folder.ts';
import { parseEnvironmentFile } from '../configuration.ts';
import { openMemberApi } from '../grpc/member.ts';
import { clientAddress } from '../look.ts';
import type { Refusal } from '../plan/plan.ts';
import { differing } from '../plan/sight.ts';
import { type VersionSight, versionAt } from '../plan/version-sight.ts';
import type { VersionAction } from '../plan/version-steps.ts';
import { releasesAtHand } from '../releases/at-hand.ts';
import { takeSafetyBackup } from '../restore/safety.ts';
import { type SettingChange, settingChanges } from '../setting-changes.ts';
import { compareVersions, type Minor, minorOf } from '../versions.ts';
import { LiveCluster } from './cluster.ts';
import { configurationAt } from './version-back.ts';
import { performVersion } from './version-roll.ts';
import { lookAtVersions } from './versions.ts';

/** Settings that belong to a member's identity or to its data. */
const FROZEN = ['ETCD_NAME', 'ETCD_DATA_DIR', 'ETCD_WAL_DIR', 'ETCD_INITIAL_ADVERTISE_PEER_URLS'];

type Names = ReadonlyMap<string, readonly string[]>;

/** What upgrades and downgrades have in common: what they look at beside the cluster, and what they do. */
export class VersionWork {
  readonly cluster: LiveCluster;
  readonly readyMs: number;
  /** Where backups are kept. */
  readonly folder: string;
  readonly backedUp = new Set<string>();
  begun = false;
  #versions: VersionSight | undefined;
  #drift: Names | undefined;
  #checked: { version: string; left: ReadonlyMap<string, string> } | undefined;
  #work: string | undefined;

  private constructor(cluster: LiveCluster, readyMs: number) {
    this.cluster = cluster;
    this.readyMs = readyMs;
    const { localBackupDir } = cluster.allSettings[0]!;
    this.folder = localBackupDir ?? join(cluster.run.inventoryDir, 'backups');
    cluster.run.onEnd(async () => {
      if (this.#work !== undefined) await removeWorkFolder(this.#work);
    });
  }

  static async open(run: RunContext, readyMs: number): Promise<VersionWork> {
    return new VersionWork(await LiveCluster.open(run, { brings: true }), readyMs);
  }

  /** Looks at the versions of all hosts. What 3.6 is to start on is looked at once for each version that is to be left. */
  async look(to: string): Promise<VersionSight> {
    const { cluster } = this;
    const [oldest = '', other] = cluster.state().versions;
    const leaves = other === undefined && minorOf(oldest) === '3.5' && compareVersions(to, '3.6.0') >= 0;
    const isNew = leaves && this.#checked?.version !== oldest;
    const seen = await lookAtVersions(cluster, { checkV2: isNew });
    if (isNew) this.#checked = { version: oldest, left: seen.v2Left };
    this.#versions = leaves ? { ...seen, v2Left: this.#checked!.left } : seen;
    return this.#versions;
  }

  get versions(): VersionSight {
    return this.#versions!;
  }

  /** Names of settings with which members do not run as the inventory has it; looked at once, before anything is done. */
  async drift(): Promise<{ drift: Names; frozen: Names }> {
    const { cluster } = this;
    this.#drift ??= new Map(
      await Promise.all(cluster.hosts.map(async (host) => [host, await this.#differing(host)] as const)),
    );
    const frozen = [...this.#drift].map(
      ([host, names]) => [host, names.filter((name) => FROZEN.includes(name))] as const,
    );
    return { drift: this.#drift, frozen: new Map(frozen) };
  }

  async #differing(host: string): Promise<string[]> {
    const { cluster } = this;
    const version = versionAt(this.versions, host);
    const { running, configuration } = cluster.seen(host).facts;
    const actual =
      running?.environment ?? (configuration === undefined ? undefined : parseEnvironmentFile(configuration));
    if (version === undefined || !minorOf(version) || !actual) return [];
    const wanted = parseEnvironmentFile(configurationAt(cluster, host, version));
    const connection = await cluster.run.connect(host);
    // What systemd adds from elsewhere (etcd.service.d) is no business of ours.
    const { stdout } = await connection.run('systemctl show etcd.service -p Environment --value');
    const foreign = new Set([...stdout.matchAll(/(?:^|\s)"?([A-Z][A-Z0-9_]*)=/g)].map((match) => match[1]!));
    return differing(actual, wanted)
      .filter((name) => !foreign.has(name))
      .map((name) => (name === 'PLAY_TRUSTED_CA' ? 'the CA that it trusts' : name));
  }

  /** What is wrong with the inventory's settings for a version. */
  settingsFaults(version: string): Refusal[] {
    try {
      this.cluster.settingsAt(version);
      return [];
    } catch (error) {
      const errors = error instanceof ManyErrors ? error.errors : [error];
      return errors.map((one) => ({
        ...(one instanceof PlayError && one.host !== undefined ? { host: one.host } : {}),
        reason: (one as Error).message,
        next: (one instanceof PlayError ? one.next : undefined) ?? 'Correct it in the inventory.',
      }));
    }
  }

  servesV2(version: string): boolean {
    if (this.settingsFaults(version).length > 0) return false;
    return [...this.cluster.settingsAt(version).values()].every(({ enableV2 }) => enableV2 === true);
  }

  releasesAtHand(): Promise<string[]> {
    return releasesAtHand(this.cluster.allSettings[0]!.releaseDir);
  }

  async backupFreeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(existingParent(this.folder));
    return bavail * bsize;
  }

  /** Verified backups of this cluster by the minor version that they were taken of, the newest first. */
  async backupsByMinor(): Promise<(minor: Minor) => string[]> {
    const { clusterToken } = this.cluster.allSettings[0]!;
    const found = (await findBackups(this.folder)).filter(
      ({ verified, manifest }) => verified !== 'no' && manifest?.cluster.name === clusterToken,
    );
    return (minor) => found.filter(({ manifest }) => minorOf(manifest!.from.version) === minor).map(({ path }) => path);
  }

  perform(action: VersionAction): Play {
    this.begun = true;
    return performVersion(this.cluster, action, {
      versions: () => this.versions,
      readyMs: this.readyMs,
      backup: () => this.#backup(),
      onBackup: (before) => void this.backedUp.add(before),
    });
  }

  /** From the leader, proven by its sum and its database. */
  async #backup(): Promise<string> {
    const { cluster, folder } = this;
    const { run } = cluster;
    const { leader, serving } = cluster.state();
    const host = leader?.host ?? serving[0]?.host;
    if (host === undefined) throw new PlayError('no member serves that could give a backup', { next: 'Run again.' });
    this.#work ??= await makeWorkFolder(folder);
    const settings = cluster.own(host);
    const { releaseDir, releaseUrl } = settings;
    const api = await openMemberApi(await run.connect(host), clientAddress(cluster.listening(host)), cluster.identity);
    try {
      const { version } = await api.status();
      const request = { releaseDir, releaseUrl, otherwise: version, signal: run.signal };
      const tools = await fittingTools({ version, clusterVersion: undefined }, request);
      return await takeSafetyBackup({
        host,
        settings: { ...settings, version },
        api,
        folder,
        work: this.#work,
        tools,
        now: new Date(),
        signal: run.signal,
      });
    } finally {
      api.close();
    }
  }

  /** A version that was typed holds for this run only: else the inventory would have the old one back. */
  reminder(to: string): string | undefined {
    const { run, hosts } = this.cluster;
    const isTyped = run.varsOf(hosts[0]!).get('ETCD_VERSION')?.origin.scope === 'command line';
    return isTyped ? `The inventory has to say so from now on: ETCD_VERSION=${to}` : undefined;
  }

  /** What becomes of each setting in use on the way to a version: for check mode. */
  settingsPlay(to: string): Play {
    return play('Settings', {
      tasks: [
        once('Settings are compared', () => this.cluster.run.say(`\n${this.#settingsText(to)}`), { check: 'run' }),
      ],
    });
  }

  #settingsText(to: string): string {
    const { cluster } = this;
    const byLine = new Map<string, { change: SettingChange; hosts: string[] }>();
    const hosts = cluster.hosts.filter((host) => cluster.seen(host).facts.configuration !== undefined);
    for (const host of hosts) {
      const now = parseEnvironmentFile(cluster.seen(host).facts.configuration!);
      const then = parseEnvironmentFile(configurationAt(cluster, host, to));
      const from = versionAt(this.versions, host) ?? to;
      for (const change of settingChanges({ from, to }, now, then)) {
        const line = `${change.name} ${change.words}`;
        const entry = byLine.get(line) ?? { change, hosts: [] };
        entry.hosts.push(host);
        byLine.set(line, entry);
      }
    }
    return settingsText(to, [...byLine.values()], hosts.length);
  }
}

/** A row for each setting that does not stay as it is, those of some hosts only with their names; and those that do. */
export function settingsText(
  to: string,
  changes: readonly { change: SettingChange; hosts: readonly string[] }[],
  size: number,
): string {
  const moved = changes.filter(({ change }) => change.kind !== 'kept' && !ROUTINE.includes(change.name));
  const movedNames = moved.map(({ change }) => change.name);
  const kept = changes.filter(({ change }) => change.kind === 'kept' && !movedNames.includes(change.name));
  const width = Math.max(0, ...movedNames.map(({ length }) => length));
  const rows = moved.map(({ change, hosts }) => {
    const where = hosts.length === size ? '' : ` (${hosts.join(', ')})`;
    return `  ${change.kind.padEnd(7)}  ${change.name.padEnd(width)}  ${change.words}${where}`;
  });
  const names = [...new Set(kept.map(({ change }) => change.name))];
  return [`SETTINGS on etcd ${to}`, ...rows, ...wrapped(names, '  kept     ')].join('\n');
}

/** Names one after the other, in lines that are not too long; below the first all are indented as far. */
function wrapped(names: readonly string[], label: string): string[] {
  const lines = [''];
  for (const name of names) {
    const last = lines.at(-1)!;
    if (last.length + name.length > LINE - label.length) lines.push(name);
    else lines[lines.length - 1] = last === '' ? name : `${last} ${name}`;
  }
  return lines.map((line, at) => (at === 0 ? label : ' '.repeat(label.length)) + (line || 'none'));
}
const LINE = 110;

/** They follow the members, not the version. */
const ROUTINE = ['ETCD_INITIAL_CLUSTER', 'ETCD_INITIAL_CLUSTER_STATE', 'ETCD_INITIAL_CLUSTER_TOKEN'];
