import { expect } from 'vitest';
import { compareVersions } from '../../src/etcd/versions.ts';
import { type Cluster, expectDone } from './cluster.ts';
import type { PlayResult } from './play.ts';
import type { Traffic } from './traffic.ts';
import { etcdctl } from './witness.ts';

/**
 * The aim is a second where a quorum is left, a quarter of it is what is measured, and a machine that is busy takes longer for
 * a mere write. One or two members serve nothing while one is restarted.
 */
export function longestGapMs(members: number): number {
  return members > 2 ? 2_000 : 15_000;
}

/** The versions of a cluster, as its hosts show them. */
export class Versions {
  readonly #cluster: Cluster;
  readonly #hosts: readonly string[];

  constructor(cluster: Cluster, hosts: readonly string[]) {
    this.#cluster = cluster;
    this.#hosts = hosts;
  }

  #onAll<T>(work: (host: string) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#hosts.map(work));
  }

  upgrade(to: string, ...words: string[]): Promise<PlayResult> {
    return this.#cluster.play(['upgrade_etcd', '-e', `ETCD_VERSION=${to}`, ...words], this.#hosts);
  }

  /** Each host has the release in use, and its process is of it. */
  async areAll(version: string): Promise<void> {
    const script = 'etcd --version | head -1; basename $(dirname $(readlink /proc/$(pidof etcd)/exe))';
    const found = await this.#onAll((host) => this.#cluster.on(host, script));
    expect(found).toEqual(this.#hosts.map(() => `etcd Version: ${version}\nv${version}`));
  }

  /** Of each host what it runs, where its link leads, what its etcd.conf was written for, and whether it serves. */
  seen(): Promise<string[]> {
    const script = [
      'basename $(dirname $(readlink /proc/$(pidof etcd)/exe)); basename $(readlink /opt/etcd/current)',
      'sed -n "s/^# .*: etcd \\([0-9.]*\\), written.*/v\\1/p" /etc/etcd/etcd.conf; systemctl is-active etcd',
    ];
    return this.#onAll(async (host) => (await this.#cluster.on(host, script.join('; '))).replace(/\n/g, ' '));
  }

  /** All of each host is of this version, and serves. */
  async wholly(version: string): Promise<void> {
    expect(await this.seen()).toEqual(this.#hosts.map(() => whole(version)));
  }

  /** The data of all members at one revision, by etcd's own tool. */
  async haveEqualData(): Promise<void> {
    const { lab } = this.#cluster;
    type Status = [{ Status: { header: { revision: number } } }];
    const statuses = await this.#onAll((host) => etcdctl(lab, host, 'endpoint status -w json'));
    // One that is a little behind cannot tell yet what it will have at a later one.
    const revisions = statuses.map((text) => (JSON.parse(text) as Status)[0].Status.header.revision);
    const words = `endpoint hashkv --rev=${Math.min(...revisions)} -w json`;
    const said = await this.#onAll((host) => etcdctl(lab, host, words));
    const hashes = said.map((text) => (JSON.parse(text) as [{ HashKV: { hash: number } }])[0].HashKV.hash);
    expect(new Set(hashes).size, said.join()).toBe(1);
  }

  /** No version was given a setting that it does not know. */
  async knowTheirSettings(): Promise<void> {
    const script = "journalctl -u etcd -o cat --no-pager | grep -ci 'unrecognized environment' || :";
    expect(await this.#onAll((host) => this.#cluster.on(host, script))).toEqual(this.#hosts.map(() => '0'));
  }

  /** Upgrades while a client writes, and tells the longest gap between two writes. */
  async upgraded(traffic: Traffic, way: readonly string[], ...words: string[]): Promise<PlayResult> {
    traffic.gapMs();
    const done = await this.upgrade(way.at(-1)!, ...words);
    expectDone(done);
    expect(done.text).not.toContain('Something else has changed');
    const gapMs = traffic.gapMs();
    const took = `${Math.round(gapMs)} ms between two writes at most, ${Math.round(done.durationMs / 1000)} s in all`;
    console.info(`${way.join(' → ')} on ${this.#hosts.length} members: ${took}`);
    expect(done.stdout).toContain(`The inventory has to say so from now on: ETCD_VERSION=${way.at(-1)}`);
    expect(gapMs).toBeLessThan(longestGapMs(this.#hosts.length));
    // Every member runs every release of the way.
    const steps = way.slice(1);
    expect(swapped(done).toSorted()).toEqual(
      steps.flatMap((to) => this.#hosts.map((host) => `${host}=${to}`)).toSorted(),
    );
    const moves = (done.stdout.match(/changed: .* Leadership moves/g) ?? []).length;
    // Before 3.5 there is no pre-vote: a member that comes back may make the others elect anew.
    const mayElect = compareVersions(way[0]!, '3.5.0') < 0 && done.text.includes('Another member leads meanwhile');
    if (!mayElect) expect(moves).toBe(this.#hosts.length > 1 ? steps.length : 0);
    await this.areAll(way.at(-1)!);
    await this.haveEqualData();
    return done;
  }
}

/** As {@link Versions.seen} tells of a host that is wholly on a version. */
export function whole(version: string): string {
  return `v${version} v${version} v${version} active`;
}

/** In which order members were restarted, and with what. */
export function swapped({ stdout }: PlayResult): string[] {
  const found = [...stdout.matchAll(/changed: \[(\w+)\] etcd (\S+) is started/g)];
  return found.map(([, host, version]) => `${host}=${version}`);
}
