import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import type { Lab } from '../lab/lab.ts';
import { killAt, type PlayResult, pausedAt, runPlay } from './play.ts';
import { startTraffic, type Traffic, type TrafficOptions } from './traffic.ts';
import { etcdctl, membersSeenBy } from './witness.ts';

/** What an application bears: the aim for every change of the members. */
const GAP_MS = 1_000;

type OnLine = (line: string, child: ChildProcess) => void;

/** A cluster of a version, in hosts that were made as if nothing had ever been there, and that comes and goes. */
export class Cluster {
  readonly lab: Lab;
  readonly pki: string;
  readonly version: string;
  readonly #vars: Record<string, string>;

  /** @param vars what else its inventory says. */
  constructor(lab: Lab, version: string, vars: Record<string, string> = {}) {
    this.lab = lab;
    this.version = version;
    this.#vars = vars;
    this.pki = join(lab.dir, `pki-${version}`);
  }

  static async of(
    lab: Lab,
    version: string,
    hosts: readonly string[],
    vars?: Record<string, string>,
  ): Promise<Cluster> {
    const cluster = new Cluster(lab, version, vars);
    rmSync(cluster.pki, { recursive: true, force: true });
    const script = [
      'systemctl kill --signal=KILL etcd; systemctl disable --quiet --now etcd; systemctl reset-failed etcd',
      'rm -rf /var/lib/etcd* /etc/etcd /etc/systemd/system/etcd.service* /usr/local/bin/etcd*; systemctl daemon-reload',
    ];
    await Promise.all(lab.hosts.map(({ name }) => lab.exec(name, script.join('\n'))));
    expectDone(await cluster.play(['create_etcd'], hosts));
    return cluster;
  }

  on = async (host: string, command: string) => (await this.lab.exec(host, command)).stdout.trim();

  endpoints(hosts: readonly string[]): string[] {
    return hosts.map((host) => `https://${this.lab.addressOf(host)}:2379`);
  }

  async play(
    words: string[],
    hosts: readonly string[],
    onLine?: OnLine,
    env: NodeJS.ProcessEnv = {},
  ): Promise<PlayResult> {
    const inventory = join(this.lab.dir, `${this.version}-${hosts.join('-')}.ini`);
    const vars = { ...etcdVars(this.lab.name, this.version), CERT_LOCAL_DIR: this.pki, ...this.#vars };
    await this.lab.writeInventory(inventory, { hosts, vars });
    return runPlay([...words, '-i', inventory, '--output', 'lines'], { env, ...(onLine && { onLine }) });
  }

  /** Waits until each of these members serves, and follows a leader. */
  async isHealthy(hosts: readonly string[]): Promise<void> {
    for (const host of hosts) {
      // Its exit code tells: the words stand on one stream or the other.
      const health = () => etcdctl(this.lab, host, 'endpoint health').then(() => 'healthy', String);
      await expect.poll(health, { timeout: 30_000 }).toBe('healthy');
    }
  }

  /** What `play` comes to where something else happens as soon as it has printed that line. */
  playDisturbed(
    line: RegExp,
    meanwhile: () => Promise<unknown>,
    words: string[],
    hosts: readonly string[],
  ): Promise<PlayResult> {
    const { onLine, env } = pausedAt(line, meanwhile);
    return this.play(words, hosts, onLine, env);
  }

  /** Kills `play` as soon as it has printed that line. */
  async killedAt(line: RegExp, words: string[], hosts: readonly string[]): Promise<PlayResult> {
    const killed = await this.play(words, hosts, undefined, killAt(line));
    expect(killed.code, `${line}: ${killed.text}`).toBeNull();
    return killed;
  }

  add(host: string, hosts: readonly string[], ...more: string[]): Promise<PlayResult> {
    return this.play(['add_etcd', '-l', host, ...more], hosts);
  }

  delete(host: string, hosts: readonly string[], ...more: string[]): Promise<PlayResult> {
    return this.play(['delete_etcd', '-l', host, '--yes', ...more], hosts);
  }

  replace(host: string, hosts: readonly string[], ...more: string[]): Promise<PlayResult> {
    return this.play(['replace_etcd', '-l', host, '--yes', ...more], hosts);
  }

  /** Names and addresses as `etcdctl` lists them, by a host of theirs; all have started, and all are voters. */
  async isOf(hosts: readonly string[]): Promise<void> {
    const members = await membersSeenBy(this.lab, hosts[0]!);
    expect(members.map(({ name, peerUrls }) => `${name} ${peerUrls}`)).toEqual(
      hosts.map((host) => `etcd-${host} https://${this.lab.addressOf(host)}:2380`).sort(),
    );
    expect(await etcdctl(this.lab, hosts[0]!, 'member list')).not.toMatch(/unstarted|, true$/m);
    // Every etcd.conf lists them, and create_etcd, which knows nothing of this, finds nothing to do.
    const list = hosts.map((host) => `etcd-${host}=https://${this.lab.addressOf(host)}:2380`).join(',');
    for (const host of hosts) {
      expect(await this.on(host, 'grep ^ETCD_INITIAL_CLUSTER= /etc/etcd/etcd.conf')).toBe(
        `ETCD_INITIAL_CLUSTER="${list}"`,
      );
      expect(await this.on(host, 'systemctl is-enabled etcd; systemctl is-active etcd')).toBe('enabled\nactive');
    }
    const again = await this.play(['create_etcd'], hosts);
    expect(again.code, again.text).toBe(0);
    expect(again.text).not.toMatch(/^ {2}changed:/m);
  }

  traffic(hosts: readonly string[], options: Pick<TrafficOptions, 'leaseSeconds'> = {}): Promise<Traffic> {
    return startTraffic({ endpoints: this.endpoints(hosts), pki: this.pki, ...options });
  }

  async leader(hosts: readonly string[]): Promise<string> {
    for (const host of hosts) {
      const line = await etcdctl(this.lab, host, 'endpoint status -w fields');
      const id = (name: string) => new RegExp(`"${name}" : (\\d+)`).exec(line)?.[1];
      if (id('Leader') === id('MemberID')) return host;
    }
    throw new Error('nobody leads');
  }

  /** Has a member lead, if it does not already. */
  async lead(host: string, hosts: readonly string[]): Promise<void> {
    const leader = await this.leader(hosts);
    if (leader !== host) await etcdctl(this.lab, leader, `move-leader ${await this.idOf(host, leader)}`);
  }

  /** The ID of a host's member, as people know it. */
  async idOf(host: string, asked: string): Promise<string> {
    const line = (await etcdctl(this.lab, asked, 'member list'))
      .split('\n')
      .find((one) => one.includes(`etcd-${host},`));
    return line!.split(',')[0]!;
  }
}

/** Nothing that was acknowledged is lost, nothing was missed; the gap is reported, and short. */
export async function wasUnharmed(traffic: Traffic, what: string, gapMs = GAP_MS): Promise<void> {
  const { writes, lost, missed, longestGapMs, failed, lease } = await traffic.end();
  console.info(`${what}: ${writes} writes, ${failed} tried again, longest gap ${Math.round(longestGapMs)} ms`);
  expect({ lost, missed }).toEqual({ lost: [], missed: [] });
  if (lease !== undefined) {
    const { renewals, ttlMs, longestGapMs: apartMs } = lease;
    console.info(`a lease of ${ttlMs} ms: ${renewals} keep-alives, at most ${Math.round(apartMs)} ms apart`);
    expect(lease.lost).toBeUndefined();
    expect(renewals).toBeGreaterThan(0);
  }
  expect(writes).toBeGreaterThan(20);
  expect(longestGapMs).toBeLessThan(gapMs);
}

export function expectDone(result: PlayResult): void {
  expect(result.code, result.text).toBe(0);
}

export function expectRefused(result: PlayResult, ...words: string[]): void {
  expect(result.code, result.text).toBe(2);
  for (const word of words) expect(result.text).toContain(word);
  expect(result.text).not.toMatch(/^ {2}changed:|unexpected|fault of the playbook/m);
}
