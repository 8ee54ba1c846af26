import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, expectRefused } from './cluster.ts';
import { V2Client } from './v2-keys.ts';
import { etcdctl } from './witness.ts';

const LAB = 'migrate-offline';
const HOSTS = ['h1', 'h2', 'h3'];
const OFFLINE = ['migrate_etcd_v2_to_v3', '-e', 'offline=true', '--yes'];
let lab: Lab;

beforeAll(async () => {
  await ensureRelease('3.4.23');
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
});
afterAll(() => lab?.down());

const values = async (host: string): Promise<Map<string, string>> => {
  const { kvs = [] } = JSON.parse(await etcdctl(lab, host, "get '' --prefix -w json")) as {
    kvs?: { key: string; value?: string }[];
  };
  const text = (base64 = '') => Buffer.from(base64, 'base64').toString();
  return new Map(kvs.map(({ key, value }) => [text(key), text(value)]));
};

it("by etcd's own tool: killed in the swap the old data come back, killed behind it goes on, and keys have their ends", async () => {
  const cluster = await Cluster.of(lab, '3.4.23', HOSTS);
  expectDone(await cluster.play(['reload_etcd', '-e', 'ETCD_ENABLE_V2=true'], HOSTS));
  const v2 = new V2Client(cluster.endpoints(HOSTS)[0]!, cluster.pki);
  const made = await v2.fill(10, 30);
  await v2.set('/odd/_hidden', { value: 'unseen' });
  await v2.ask('POST', '/queue', { value: 'in order' });
  const queued = JSON.parse((await v2.ask('GET', '/queue')).body) as { node: { nodes: { key: string }[] } };
  const wanted = new Map([...made].map(([key, { value }]) => [key, value]));
  wanted.set('/odd/_hidden', 'unseen').set(queued.node.nodes[0]!.key, 'in order');
  expectDone(await cluster.play(['reload_etcd'], HOSTS));

  await etcdctl(lab, 'h1', 'put theirs x');
  const inUse = await cluster.play(OFFLINE, HOSTS);
  expectRefused(inUse, 'v3 holds 1 key, and etcdctl migrate is for a v3 that is empty');
  await etcdctl(lab, 'h1', 'del theirs');
  const id = async () => /"ClusterID" : (\d+)/.exec(await etcdctl(lab, 'h1', 'endpoint status -w fields'))?.[1];
  const before = await id();

  await cluster.killedAt(/Restored data are put in place/, OFFLINE, HOSTS);
  // As if it had been killed before the rename on h3.
  await cluster.on('h3', 'cd /var/lib && s=$(ls -d etcd.bak-*) && mv etcd etcd.restore-${s#etcd.bak-} && mv $s etcd');
  // The next run goes back first, and is itself disturbed by somebody who writes.
  const clients = cluster.endpoints(HOSTS).map((endpoint) => new V2Client(endpoint, cluster.pki));
  const write = () => Promise.allSettled(clients.map((client) => client.ask('PUT', '/late', { value: 'too late' })));
  const disturbed = await cluster.playDisturbed(/^Prepare/, write, OFFLINE, HOSTS);
  expect(disturbed.code, disturbed.text).toBe(2);
  expect(disturbed.text).toMatch(/changed: .* is put back \(h1, h2\)/);
  expect(disturbed.text).toContain('somebody has written meanwhile: 1 key was written (/late)');
  expect(disturbed.text).toContain('Nothing was stopped.');
  wanted.set('/late', 'too late');
  expect(await id()).toBe(before);
  expect(await values('h2')).toEqual(new Map());
  await cluster.killedAt(/Restored members are ready/, OFFLINE, HOSTS);
  // Clients are let in already, and what they write and delete is theirs.
  await etcdctl(lab, 'h1', 'put /app/d0/k1 theirs');
  await etcdctl(lab, 'h1', 'del /app/d0/k2');
  wanted.set('/app/d0/k1', 'theirs').delete('/app/d0/k2');
  expectRefused(await cluster.play(['migrate_etcd_v2_to_v3'], HOSTS), "a migration by etcd's own tool was cut off");
  const done = await cluster.play(OFFLINE, HOSTS);
  expectDone(done);
  expect(done.text).toContain('PLAN go on with the run of');
  expect(await id()).not.toBe(before);
  for (const host of HOSTS) expect(await values(host)).toEqual(wanted);
  const leases = (await etcdctl(lab, 'h1', 'lease list')).split('\n').filter((line) => /^[0-9a-f]{16}$/.test(line));
  expect(leases).toHaveLength([...made].filter(([, { ttl }]) => ttl !== undefined).length);
  for (const host of HOSTS) {
    expect(
      await cluster.on(
        host,
        'ls -d /var/lib/etcd.bak-* | wc -l; ls -d /var/lib/etcd.restore-* /var/lib/etcd.migrate* 2>/dev/null; grep -c ENABLE_V2 /etc/etcd/etcd.conf',
      ),
    ).toBe('1\n0');
  }
  for (const client of [v2, ...clients]) client.close();
});
