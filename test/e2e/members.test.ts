import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, expectRefused, wasUnharmed } from './cluster.ts';
import { testVersion } from './version.ts';
import { etcdctl, membersSeenBy } from './witness.ts';

const ALL = ['h1', 'h2', 'h3', 'h4', 'h5'];
const LAB = 'mx-members';
const VERSION = testVersion('3.5.16');
let lab: Lab;

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: LAB, hosts: ALL.length, fresh: true });
});
afterAll(() => lab?.down());

const on = async (host: string, command: string) => (await lab.exec(host, command)).stdout.trim();

/** Asserts that all stay as they are. */
async function unchanged(hosts: readonly string[], run: () => Promise<unknown>): Promise<void> {
  const look = () =>
    Promise.all(hosts.map((host) => on(host, 'ls -l /etc/etcd /var/lib; systemctl show etcd -p InvocationID')));
  const before = [await look(), await membersSeenBy(lab, hosts[0]!)];
  await run();
  expect([await look(), await membersSeenBy(lab, hosts[0]!)]).toEqual(before);
}

describe(`etcd ${VERSION}`, () => {
  let cluster: Cluster;

  it('grows from one member to five under a writer, one host at a time', async () => {
    cluster = await Cluster.of(lab, VERSION, ['h1']);
    expectRefused(await cluster.delete('h1', ['h1']), 'h1 is the last member');
    const traffic = await cluster.traffic(['h1']);
    for (const size of [2, 3, 4, 5]) {
      const hosts = ALL.slice(0, size);
      const added = await cluster.add(hosts.at(-1)!, hosts);
      expectDone(added);
      expect(added.text).toContain('promote it to a voter');
      if (size % 2 === 0) expect(added.text).toContain(`${size} is an even number of members`);
      traffic.use(cluster.endpoints(hosts));
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
    expect(await cluster.on(leader, 'systemctl is-enabled etcd; systemctl is-active etcd')).toBe('disabled\ninactive');
    expect(await cluster.on(leader, 'ls -d /var/lib/etcd*')).toMatch(/^\/var\/lib\/etcd\.aside-\d{8}T\d{6}Z$/);
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
    expect(await cluster.on('h4', 'systemctl is-enabled etcd; ls -d /var/lib/etcd')).toBe('disabled');
    await wasUnharmed(traffic, 'replace of a dead host');
  });

  it('replaces a member whose disk is new, and one whose data are damaged, on the same host', async () => {
    const hosts = ['h1', 'h2', 'h3', 'h5'];
    await cluster.lead('h1', hosts);
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
    expect(await cluster.on('h5', 'ls -d /var/lib/etcd.aside-*/member/wal')).not.toBe('');
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
    // For an election timeout the leader that was left alone believes that it leads.
    await expect
      .poll(() => etcdctl(lab, 'h1', 'endpoint status -w fields'), { timeout: 20_000 })
      .toContain('"Leader" : 0\n');
    expectRefused(await cluster.delete('h3', three), 'the cluster has no leader');
    // Together: each is ready once it follows a leader.
    await Promise.all(['h2', 'h3'].map((host) => lab.exec(host, 'systemctl start etcd')));
    await cluster.isOf(three);
  });
});
