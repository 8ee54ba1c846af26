import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { type PlayResult, runPlay } from './play.ts';
import { startTraffic, type Traffic } from './traffic.ts';
import { etcdctl, membersSeenBy } from './witness.ts';

const LAB = 'mx-members';
const ALL = ['h1', 'h2', 'h3', 'h4', 'h5'];
/** What an application bears: the aim for every change of the members. */
const GAP_MS = 1_000;
let lab: Lab;

beforeAll(async () => {
  for (const version of ['3.3.25', '3.4.23', '3.5.16', '3.5.30']) await ensureRelease(version);
  lab = await openLab({ name: LAB, hosts: ALL.length, fresh: true });
});
afterAll(() => lab?.down());

const onEach = <T>(hosts: readonly string[], work: (host: string) => Promise<T>) => Promise.all(hosts.map(work));
const on = async (host: string, command: string) => (await lab.exec(host, command)).stdout.trim();
const endpoints = (hosts: readonly string[]) => hosts.map((host) => `https://${lab.addressOf(host)}:2379`);

/** A cluster of a version, in hosts that were made as if nothing had ever been there. */
class Cluster {
  readonly pki: string;
  readonly version: string;

  constructor(version: string) {
    this.version = version;
    this.pki = join(lab.dir, `pki-${version}`);
  }

  static async of(version: string, hosts: readonly string[]): Promise<Cluster> {
    const cluster = new Cluster(version);
    rmSync(cluster.pki, { recursive: true, force: true });
    const script = [
      'systemctl kill --signal=KILL etcd; systemctl disable --quiet --now etcd; systemctl reset-failed etcd',
      'rm -rf /var/lib/etcd* /etc/etcd /etc/systemd/system/etcd.service* /usr/local/bin/etcd*; systemctl daemon-reload',
    ];
    await onEach(ALL, (host) => lab.exec(host, script.join('\n')));
    const made = await cluster.play(['create_etcd'], hosts);
    expect(made.code, made.text).toBe(0);
    return cluster;
  }

  async play(words: string[], hosts: readonly string[], onLine?: (line: string, child: ChildProcess) => void) {
    const inventory = join(lab.dir, `${this.version}-${hosts.join('-')}.ini`);
    await lab.writeInventory(inventory, { hosts, vars: { ...etcdVars(LAB, this.version), CERT_LOCAL_DIR: this.pki } });
    return runPlay([...words, '-i', inventory, '--output', 'lines'], onLine ? { onLine } : {});
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
    const members = await membersSeenBy(lab, hosts[0]!);
    expect(members.map(({ name, peerUrls }) => `${name} ${peerUrls}`)).toEqual(
      hosts.map((host) => `etcd-${host} https://${lab.addressOf(host)}:2380`).sort(),
    );
    expect(await etcdctl(lab, hosts[0]!, 'member list')).not.toMatch(/unstarted|, true$/m);
    // Every etcd.conf lists them, and create_etcd, which knows nothing of this, finds nothing to do.
    const list = hosts.map((host) => `etcd-${host}=https://${lab.addressOf(host)}:2380`).join(',');
    for (const host of hosts) {
      expect(await on(host, 'grep ^ETCD_INITIAL_CLUSTER= /etc/etcd/etcd.conf')).toBe(`ETCD_INITIAL_CLUSTER="${list}"`);
      expect(await on(host, 'systemctl is-enabled etcd; systemctl is-active etcd')).toBe('enabled\nactive');
    }
    const again = await this.play(['create_etcd'], hosts);
    expect(again.code, again.text).toBe(0);
    expect(again.text).not.toMatch(/^ {2}changed:/m);
  }

  traffic(hosts: readonly string[]): Promise<Traffic> {
    return startTraffic({ endpoints: endpoints(hosts), pki: this.pki });
  }

  async leader(hosts: readonly string[]): Promise<string> {
    for (const host of hosts) {
      const [one] = JSON.parse(await etcdctl(lab, host, 'endpoint status -w json')) as {
        Status: { header: { member_id: number }; leader: number };
      }[];
      if (one!.Status.leader === one!.Status.header.member_id) return host;
    }
    throw new Error('nobody leads');
  }
}

/** Nothing that was acknowledged is lost, nothing was missed; the gap is reported, and short. */
async function wasUnharmed(traffic: Traffic, what: string, gapMs = GAP_MS): Promise<void> {
  const { writes, lost, missed, longestGapMs, failed } = await traffic.end();
  console.info(`${what}: ${writes} writes, ${failed} tried again, longest gap ${Math.round(longestGapMs)} ms`);
  expect({ lost, missed }).toEqual({ lost: [], missed: [] });
  expect(writes).toBeGreaterThan(20);
  expect(longestGapMs).toBeLessThan(gapMs);
}

const expectDone = (result: PlayResult) => expect(result.code, result.text).toBe(0);

function expectRefused(result: PlayResult, ...words: string[]): void {
  expect(result.code, result.text).toBe(2);
  for (const word of words) expect(result.text).toContain(word);
  expect(result.text).not.toMatch(/^ {2}changed:|unexpected|fault of the playbook/m);
}

/** Asserts that all stay as they are. */
async function unchanged(hosts: readonly string[], run: () => Promise<unknown>): Promise<void> {
  const look = () => onEach(hosts, (host) => on(host, 'ls -l /etc/etcd /var/lib; systemctl show etcd -p InvocationID'));
  const before = [await look(), await membersSeenBy(lab, hosts[0]!)];
  await run();
  expect([await look(), await membersSeenBy(lab, hosts[0]!)]).toEqual(before);
}

describe('etcd 3.5.16', () => {
  let cluster: Cluster;

  it('grows from one member to five under a writer, one host at a time', async () => {
    cluster = await Cluster.of('3.5.16', ['h1']);
    expectRefused(await cluster.delete('h1', ['h1']), 'h1 is the last member');
    const traffic = await cluster.traffic(['h1']);
    for (const size of [2, 3, 4, 5]) {
      const hosts = ALL.slice(0, size);
      const added = await cluster.add(hosts.at(-1)!, hosts);
      expectDone(added);
      expect(added.text).toContain('promote it to a voter');
      if (size % 2 === 0) expect(added.text).toContain(`${size} is an even number of members`);
      traffic.use(endpoints(hosts));
    }
    await wasUnharmed(traffic, 'add, 1 to 5 members');
    await cluster.isOf(ALL);
    const again = await cluster.add('h5', ALL);
    expectDone(again);
    expect(again.text).toContain('nothing to do');
  });

  it('refuses what would be wrong, names why, and changes nothing', async () => {
    await unchanged(ALL, async () => {
      expectRefused(await cluster.add('h4,h5', ALL), 'one host is added at a time, and 2 are chosen (h4, h5)');
      expectRefused(await cluster.delete('h4,h5', ALL), 'one member is taken out at a time');
      expectRefused(await cluster.play(['delete_etcd', '--yes'], ALL), 'one member is taken out at a time, and 5');
      const unasked = await cluster.play(['delete_etcd', '-l', 'h5'], ALL);
      expectRefused(unasked, 'not confirmed', 'add --yes');
      const plan = await cluster.play(['delete_etcd', '-l', 'h5', '-C'], ALL);
      expectDone(plan);
      expect(plan.text).toMatch(/take h5 \([0-9a-f]+\) out of the cluster/);
      expectRefused(await cluster.play(['delete_etcd', '-e', 'member=etcd-h9', '--yes'], ALL), 'has no member etcd-h9');
      const name = await cluster.play(['delete_etcd', '-e', 'member=etcd-h5', '--yes'], ALL);
      expectRefused(name, 'etcd-h5 is the member on h5', 'play delete_etcd -l h5');
      const healthy = await cluster.replace('h5', ALL);
      expectDone(healthy);
      expect(healthy.text).toContain('the member on h5 serves: there is nothing to replace');
    });
  });

  it('takes the leader out under a writer: leadership moves first, and its data are moved aside', async () => {
    const traffic = await cluster.traffic(ALL);
    const leader = await cluster.leader(ALL);
    const rest = ALL.filter((host) => host !== leader);
    const deleted = await cluster.delete(leader, ALL);
    expectDone(deleted);
    expect(deleted.text).toContain('hand leadership to');
    await wasUnharmed(traffic, 'delete of the leader');
    await cluster.isOf(rest);
    expect(await on(leader, 'systemctl is-enabled etcd; systemctl is-active etcd')).toBe('disabled\ninactive');
    expect(await on(leader, 'ls -d /var/lib/etcd*')).toMatch(/^\/var\/lib\/etcd\.aside-\d{8}T\d{6}Z$/);
    // What was removed comes back as a new member, with nothing of what it had.
    expectDone(await cluster.add(leader, ALL));
    await cluster.isOf(ALL);
  });

  it('works while a host is dead: it is refused to add beside it, and it can be deleted or replaced', async () => {
    const four = ['h1', 'h2', 'h3', 'h4'];
    expectDone(await cluster.delete('h5', ALL));
    const id = (await membersSeenBy(lab, 'h1')).find(({ name }) => name === 'etcd-h4')!.id;
    await lab.kill('h4');
    const traffic = await cluster.traffic(['h1', 'h2', 'h3']);
    expectRefused(await cluster.add('h5', ALL), 'h4: this member does not serve: its host cannot be reached');
    const unreachable = await cluster.replace('h4', four);
    expectRefused(unreachable, 'h4: it cannot be reached', '-e replacement=HOST2');
    const replaced = await cluster.replace('h4', ALL, '-e', 'replacement=h5');
    expectDone(replaced);
    expect(replaced.text).toContain('take h4 out of the inventory afterwards');
    await cluster.isOf(['h1', 'h2', 'h3', 'h5']);
    await lab.start('h4');
    expect((await membersSeenBy(lab, 'h1')).map((one) => one.id)).not.toContain(id);
    // Back again it finds that it is no member; the same command cleans up what lies there.
    expectDone(await cluster.delete('h4', ALL));
    expect(await on('h4', 'systemctl is-enabled etcd; ls -d /var/lib/etcd')).toBe('disabled');
    await wasUnharmed(traffic, 'replace of a dead host');
  });

  it('replaces a member whose disk is new, and one whose data are damaged, on the same host', async () => {
    const hosts = ['h1', 'h2', 'h3', 'h5'];
    const traffic = await cluster.traffic(['h1', 'h2', 'h3']);
    await lab.wipe('h5');
    expectRefused(await cluster.play(['create_etcd'], hosts), 'play replace_etcd -l h5');
    expectDone(await cluster.replace('h5', hosts));
    await cluster.isOf(hosts);
    await lab.exec('h5', 'systemctl stop etcd');
    expectRefused(await cluster.replace('h5', hosts), 'h5: this member is stopped, and its data are there');
    await lab.exec(
      'h5',
      'for f in /var/lib/etcd/member/wal/*.wal; do dd if=/dev/urandom of=$f bs=4k count=4 conv=notrunc; done; systemctl start etcd; :',
    );
    const replaced = await cluster.replace('h5', hosts);
    expectDone(replaced);
    await wasUnharmed(traffic, 'replace on the same host');
    await cluster.isOf(hosts);
    expect(await on('h5', 'ls -d /var/lib/etcd.aside-*/member/wal')).not.toBe('');
  });

  it('takes a new member out again that does not come up', async () => {
    const hosts = ['h1', 'h2', 'h3', 'h5'];
    const before = await membersSeenBy(lab, 'h1');
    await lab.exec(
      'h4',
      'mkdir -p /etc/systemd/system/etcd.service.d; printf "[Service]\\nExecStart=\\nExecStart=/bin/sh -c \'echo no such luck; exit 3\'\\n" >/etc/systemd/system/etcd.service.d/bad.conf',
    );
    const failed = await cluster.add('h4', ALL);
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).toContain('no such luck');
    expect(failed.text).toContain('It was taken out of the cluster again');
    expect(await membersSeenBy(lab, 'h1')).toEqual(before);
    await lab.exec('h4', 'rm -r /etc/systemd/system/etcd.service.d; systemctl daemon-reload');
    expectDone(await cluster.add('h4', ALL));
    await cluster.isOf(ALL);
    expectDone(await cluster.delete('h4', ALL));
    await cluster.isOf(hosts);
  });

  it('refuses to take out whom the quorum needs', async () => {
    const hosts = ['h1', 'h2', 'h3', 'h5'];
    expectDone(await cluster.delete('h5', hosts));
    await lab.exec('h3', 'systemctl stop etcd');
    const three = ['h1', 'h2', 'h3'];
    expectRefused(
      await cluster.delete('h2', three),
      'h2 cannot be taken out: of the 2 members that would remain 1 serve',
    );
    await lab.exec('h2', 'systemctl kill -s KILL etcd; systemctl stop etcd');
    expectRefused(await cluster.delete('h3', three), 'the cluster has no leader');
    await lab.exec('h2', 'systemctl start --no-block etcd');
    await lab.exec('h3', 'systemctl start etcd');
    await cluster.isOf(three);
  });
});

/** Kills `play` as soon as it has printed that line. */
async function killedAt(
  line: RegExp,
  run: (onLine: (text: string, child: ChildProcess) => void) => Promise<PlayResult>,
) {
  const { code, text } = await run((one, child) => {
    if (line.test(one)) child.kill('SIGKILL');
  });
  expect(code, text).toBeNull();
}

describe('killed after each step, and run again', () => {
  const three = ['h1', 'h2', 'h3'];
  const four = [...three, 'h4'];
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.of('3.5.30', three);
  });

  it('add_etcd ends as if it had not been', async () => {
    const traffic = await cluster.traffic(three);
    const lines = [
      /^Prepare h4/,
      /etcd\.conf is in place/,
      /h4 is added as a/,
      /^etcd is started/,
      /changed: .* etcd is started/,
      /h4 is promoted$/,
      /^Lists/,
      /^Prove/,
    ];
    for (const line of lines) {
      await killedAt(line, (onLine) => cluster.play(['add_etcd', '-l', 'h4'], four, onLine));
      expectDone(await cluster.add('h4', four));
      expect((await membersSeenBy(lab, 'h1')).map(({ name }) => name)).toEqual(four.map((host) => `etcd-${host}`));
      expectDone(await cluster.delete('h4', four, '-e', 'purge=true'));
      await lab.exec('h4', 'rm -rf /etc/etcd /opt/etcd');
    }
    await wasUnharmed(traffic, 'add and delete, killed and run again');
    await cluster.isOf(three);
  });

  it('delete_etcd ends as if it had not been', async () => {
    const traffic = await cluster.traffic(three);
    for (const line of [
      /^Leadership moves/,
      /^h4 is removed/,
      /changed: .* h4 is removed/,
      /^etcd is stopped/,
      /^Old data are moved/,
      /^Lists/,
    ]) {
      expectDone(await cluster.add('h4', four));
      const id = (await membersSeenBy(lab, 'h1')).find(({ name }) => name === 'etcd-h4')!.id;
      if (line.source.includes('Leadership')) {
        const hex = BigInt(id).toString(16);
        await etcdctl(lab, await cluster.leader(four), `move-leader ${hex}`);
      }
      await killedAt(line, (onLine) => cluster.play(['delete_etcd', '-l', 'h4', '--yes'], four, onLine));
      expectDone(await cluster.delete('h4', four));
      expect((await membersSeenBy(lab, 'h1')).map(({ name }) => name)).toEqual(three.map((host) => `etcd-${host}`));
      expect(await on('h4', 'systemctl is-enabled etcd; ls -d /var/lib/etcd')).toBe('disabled');
    }
    await wasUnharmed(traffic, 'delete, killed and run again');
    await cluster.isOf(three);
  });
});

describe.each(['3.3.25', '3.4.23'])('etcd %s', (version) => {
  it('grows from one to three, loses its leader, replaces a wiped host, and shrinks to two', async () => {
    const three = ['h1', 'h2', 'h3'];
    const learns = version !== '3.3.25';
    const cluster = await Cluster.of(version, ['h1']);
    const first = await cluster.add('h2', ['h1', 'h2']);
    expectDone(first);
    // Before learners the first member waits for the second.
    if (learns) expect(first.text).toContain('as a learner');
    else expect(first.text).toContain('nothing is written until it has started');
    const traffic = await cluster.traffic(['h1', 'h2']);
    expectDone(await cluster.add('h3', three));
    await cluster.isOf(three);
    traffic.use(endpoints(three));
    await lab.wipe('h3');
    traffic.use(endpoints(['h1', 'h2']));
    expectDone(await cluster.replace('h3', three));
    const leader = await cluster.leader(three);
    const shrunk = await cluster.delete(leader, three);
    expectDone(shrunk);
    expect(shrunk.text).toContain('2 is an even number of members');
    await cluster.isOf(three.filter((host) => host !== leader));
    // A host that loses its power takes its leadership with it: that gap is etcd's own.
    await wasUnharmed(traffic, `add, replace and delete, etcd ${version}`, 5_000);
  });
});
