import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LEASE_SLACK_MS } from '../../src/etcd/migrate/leases.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, expectRefused } from './cluster.ts';
import { type PlayResult, pausedAt } from './play.ts';
import { V2Client } from './v2-keys.ts';
import { etcdctl } from './witness.ts';

const LAB = 'migrate';
const HOSTS = ['h1', 'h2', 'h3'];
const MIGRATE = 'migrate_etcd_v2_to_v3';
let lab: Lab;

beforeAll(async () => {
  await Promise.all(['3.3.25', '3.4.23'].map((version) => ensureRelease(version)));
  lab = await openLab({ name: LAB, hosts: 4, fresh: true });
});
afterAll(() => lab?.down());

interface V3Key {
  key: string;
  value: string;
  modRevision: number;
  lease: string | undefined;
}

/** Keys as etcdctl has them. IDs of leases are more than a number in JSON can be. */
async function v3(host: string, words: string): Promise<V3Key[]> {
  const text = (await etcdctl(lab, host, `get ${words} -w json`)).replace(/"lease":(\d+)/g, '"lease":"$1"');
  const { kvs = [] } = JSON.parse(text) as {
    kvs?: { key: string; value?: string; mod_revision: number; lease?: string }[];
  };
  return kvs.map(({ key, value = '', mod_revision: modRevision, lease }) => ({
    key: Buffer.from(key, 'base64').toString(),
    value: Buffer.from(value, 'base64').toString(),
    modRevision,
    lease,
  }));
}

/** The end of each key that has one is that of v2. */
async function endsAgree(v2: V2Client, host: string, keys: readonly V3Key[]): Promise<void> {
  for (const { key, lease } of keys) {
    const id = BigInt(lease!).toString(16);
    const { node } = JSON.parse((await v2.ask('GET', key)).body) as { node: { expiration: string } };
    const then = Date.parse(node.expiration) / 1000;
    const [before, said, after] = [now(), await etcdctl(lab, host, `lease timetolive ${id}`), now()];
    const left = Number(/remaining\((\d+)s\)/.exec(said)?.[1]);
    // Whole seconds are told, of which the last has begun.
    expect(then, key).toBeGreaterThanOrEqual(before + left - LEASE_SLACK_MS / 1000);
    expect(then, key).toBeLessThanOrEqual(after + left + 1 + LEASE_SLACK_MS / 1000);
  }
}
const now = () => Date.now() / 1000;

/** Kills it when the first keys are there, and not yet all. */
async function killedWhileCopying(cluster: Cluster): Promise<void> {
  let play: ChildProcess | undefined;
  // With so thin a line copying takes its time.
  const thin = (mbit: number) => Promise.all(HOSTS.map((host) => lab.narrow(host, mbit)));
  const { onLine, env } = pausedAt(/Keys of v2 are saved/, () => thin(1));
  const running = cluster.play(
    [MIGRATE],
    HOSTS,
    (line, child) => {
      play = child;
      onLine(line, child);
    },
    env,
  );
  const keys = async () => (await v3('h1', '/app --prefix --keys-only')).length;
  while ((await keys()) === 0) await sleep(5);
  play!.kill('SIGKILL');
  await thin(0);
  expect((await running).code).toBeNull();
  const brought = await keys();
  expect(brought).toBeGreaterThan(0);
  expect(brought).toBeLessThan(10_000);
  console.info(`killed when ${brought} of 10,000 keys were there`);
}

const migrate = (cluster: Cluster, ...more: string[]) => cluster.play([MIGRATE, ...more], HOSTS);

it('10,000 keys with their ends, of 3.3.25: nothing of v3 is touched, a killed run goes on, a later member has all', async () => {
  const cluster = await Cluster.of(lab, '3.3.25', HOSTS);
  const [endpoint] = cluster.endpoints(HOSTS);
  const v2 = new V2Client(endpoint!, cluster.pki);
  const made = await v2.fill(100, 100);
  await v2.set('/odd/empty', { value: '' });
  await v2.set('/odd/bytes', 'value=%00%01%0a%22%5c%c3%a9');
  await v2.set('/odd/_hidden/deep', { value: 'unseen' });
  await v2.set('/none', { dir: 'true' });
  await v2.set('/going', { dir: 'true', ttl: '900' });
  await v2.set('/going/with', { value: 'its directory' });
  await etcdctl(lab, 'h1', 'put other/key theirs');
  await etcdctl(lab, 'h1', 'put /app/d0/k1 theirs');

  const writes: Promise<unknown>[] = [];
  const writing = setInterval(() => writes.push(v2.set('/busy', { value: String(Date.now()) })), 200);
  const refused = await migrate(cluster);
  clearInterval(writing);
  await Promise.all(writes);
  await v2.ask('DELETE', '/busy');
  expectRefused(refused, 'v2 is being written: 1 key was written (/busy)');
  expectRefused(refused, 'v3 has 1 key of these names already', '/app/d0/k1 (other value)', '-e overwrite=true');
  expect(refused.text).toContain('10005 keys in 104 directories, 1001 with an end');
  expect(refused.text).toContain('1 key is hidden (/odd/_hidden/deep)');
  expect(refused.text).toContain('1 directory is empty (/none)');
  await etcdctl(lab, 'h1', 'del /app/d0/k1');
  const checked = await migrate(cluster, '-C');
  expectDone(checked);
  expect(checked.text).toContain('PLAN bring 10004 keys of v2 to v3');
  expect((await v3('h1', "'' --prefix")).map(({ key }) => key)).toEqual(['other/key']);

  // Somebody writes while keys are copied: they are taken back.
  const write = () => v2.set('/app/d0/k0', { value: 'new' });
  const disturbed = await cluster.playDisturbed(/Keys of v2 are saved/, write, [MIGRATE], HOSTS);
  expect(disturbed.code, disturbed.text).toBe(2);
  expect(disturbed.text).toContain('v2 was written meanwhile: 1 key was written (/app/d0/k0)');
  expect(disturbed.text).toContain('What was written to v3 was taken back: 10004 deleted, 0 put back');
  expect((await v3('h1', "'' --prefix")).map(({ key }) => key)).toEqual(['other/key']);
  expect(await etcdctl(lab, 'h1', 'lease list')).toContain('found 0 leases');
  made.set('/app/d0/k0', { value: 'new' });

  await killedWhileCopying(cluster);
  await v2.set('/soon', { value: 'ends meanwhile', ttl: '15' });
  const [theirs] = await v3('h1', 'other/key');
  const done = await migrate(cluster);
  expectDone(done);
  // Whether the one that ends is brought or waited for is a matter of how fast this machine is.
  expect(done.text).toMatch(/Each key has its twin \(1000[45] with the same value, 100[01] of them with the same end/);
  while ((await v2.ask('GET', '/soon')).status !== 404) await sleep(100);
  await sleep(2_500);
  expect(done.text).toContain('No other key was changed (1 other)');
  expect(await v3('h1', 'other/key')).toEqual([theirs]);
  const found = await v3('h2', '/ --prefix');
  const wanted = new Map([...made].map(([key, { value }]) => [key, value]));
  wanted.set('/odd/empty', '').set('/odd/bytes', '\0\x01\n"\\é').set('/odd/_hidden/deep', 'unseen');
  wanted.set('/going/with', 'its directory');
  expect(new Map(found.map(({ key, value }) => [key, value]))).toEqual(wanted);
  const leased = found.filter(({ lease }) => lease !== undefined);
  expect(leased.map(({ key }) => key).sort()).toEqual(
    [...[...made].filter(([, { ttl }]) => ttl !== undefined).map(([key]) => key), '/going/with'].sort(),
  );
  await endsAgree(
    v2,
    'h1',
    leased.filter(({ key }, at) => at % 100 === 0 && key !== '/going/with'),
  );
  const files = readdirSync(join(lab.dir, 'backups')).filter((name) => name.startsWith('etcd-v2_'));
  expect(readFileSync(join(lab.dir, 'backups', files[0]!), 'utf8')).toContain('"/odd/_hidden/deep","value":"unseen"');

  const again = await migrate(cluster);
  expectDone(again);
  expect(again.text).toContain('Plan is made (nothing to do)');
  expect(again.text).not.toMatch(/^ {2}changed:/m);
  v2.close();
  expectDone(await cluster.add('h4', [...HOSTS, 'h4']));
  expect(await v3('h4', '/ --prefix --consistency=s')).toEqual(found);
});

it('of 3.4.23, where v2 is off: one member serves it for the time of the run, also where that was killed', async () => {
  const cluster = await Cluster.of(lab, '3.4.23', HOSTS);
  expectDone(await cluster.play(['reload_etcd', '-e', 'ETCD_ENABLE_V2=true'], HOSTS));
  const v2 = new V2Client(cluster.endpoints(HOSTS)[0]!, cluster.pki);
  const made = await v2.fill(100, 100);
  expectDone(await cluster.play(['reload_etcd'], HOSTS));
  expect((await v2.ask('GET', '/')).status).toBe(404);
  const checked = await migrate(cluster, '-C');
  expectDone(checked);
  expect(checked.text).toMatch(/h\d +restart with ETCD_ENABLE_V2=true: v2 is off, and is read there/);
  await etcdctl(lab, 'h1', 'put /app/d0/k1 theirs');

  // What speaks against it is seen only when v2 is on: by then it is switched off again.
  const late = await migrate(cluster);
  expect([late.code, late.text]).toEqual([2, expect.stringContaining('Refused. v2 was switched on and off again')]);
  expect(late.text).toContain('/app/d0/k1 (other value)');
  const isOff = async () => {
    const conf = await Promise.all(HOSTS.map((host) => cluster.on(host, 'grep -c ENABLE_V2 /etc/etcd/etcd.conf')));
    const asked = await Promise.all(
      cluster.endpoints(HOSTS).map((endpoint) => new V2Client(endpoint, cluster.pki).ask('GET', '/')),
    );
    return { conf, served: asked.map(({ status }) => status) };
  };
  expect(await isOff()).toEqual({ conf: ['0', '0', '0'], served: [404, 404, 404] });
  const killed = await cluster.killedAt(/v2 is served/, [MIGRATE], HOSTS);
  const done = await migrate(cluster, '-e', 'overwrite=true', '--yes');
  expectDone(done);
  expect(await isOff()).toEqual({ conf: ['0', '0', '0'], served: [404, 404, 404] });
  const found = await v3('h3', '/ --prefix');
  expect(new Map(found.map(({ key, value }) => [key, value]))).toEqual(
    new Map([...made].map(([key, { value }]) => [key, value])),
  );
  expect(found.filter(({ lease }) => lease !== undefined)).toHaveLength(1_000);
  // No leader was moved but where 3.4 has elected the one that was restarted; and what was overwritten can be had back.
  const switched = ({ text }: PlayResult) => /(h\d) +restart with ETCD_ENABLE_V2/.exec(text)?.[1];
  for (const [{ text }, host] of [
    [late, switched(late)],
    [killed, switched(killed)],
    [done, switched(killed)],
  ] as const) {
    const moved = [...text.matchAll(/Leadership moves from (h\d)/g)].map(([, from]) => from);
    expect(moved.filter((from) => from !== host)).toEqual([]);
  }
  const [saved] = readdirSync(join(lab.dir, 'backups', 'keys'));
  expect(readFileSync(join(lab.dir, 'backups', 'keys', saved!), 'utf8')).toContain(
    Buffer.from('theirs').toString('base64'),
  );
  v2.close();
});
