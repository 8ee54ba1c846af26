import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone } from './cluster.ts';
import { type Loss, lostAt, onSmallDisk } from './losing.ts';
import { testVersion } from './version.ts';
import { etcdctl } from './witness.ts';

const LAB = 'mx-recover-cut';
const VERSION = testVersion('3.5.30');
const HOSTS = ['h1', 'h2', 'h3'];
let lab: Lab;
let cluster: Cluster;
let backups: string;

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
  cluster = await Cluster.of(lab, VERSION, HOSTS);
  backups = join(lab.dir, 'backups');
  rmSync(backups, { recursive: true, force: true });
  for (let n = 0; n < 5; n++) await etcdctl(lab, 'h1', `put key/${n} value`);
});
afterAll(() => lab?.down());

const into = (folder: string, words: readonly string[]) => [...words, '-e', `LOCAL_ETCD_BACKUP_DIR=${folder}`];
const content = (host = 'h1') => etcdctl(lab, host, 'get key/ --prefix');
const wipe = (host: string) =>
  cluster.on(host, 'systemctl kill -s KILL etcd; systemctl stop etcd; rm -rf /var/lib/etcd');

it('from data that are left: goes on where hosts were lost on the way, with no room on the disk of this machine', async () => {
  const now = await content();
  for (const host of ['h2', 'h3']) await wipe(host);
  const words = into(backups, ['recover_etcd', '--yes']);
  const losses: [RegExp, Loss, string][] = [
    [/A copy of the data is kept/, 'boot', 'h1'],
    // A host whose link is cut may have gone on with what it had just been told.
    [/The other members are forgotten|It is noted that it has formed/, 'cut', 'h1'],
    [/h2 is added as a learner/, 'power', 'h2'],
    [/h3 is added as a learner/, 'cut', 'h1'],
  ];
  for (const [line, loss, host] of losses) await lostAt(cluster, { line, loss, host }, words, HOSTS);
  // Members that have just found each other again elect a leader first: until then a recovery says to wait.
  await expect.poll(() => content().catch(String), { timeout: 15_000, interval: 500 }).toBe(now);
  // It needs none: what cannot be kept is the record of the run, and that is said.
  await onSmallDisk(join(lab.dir, 'no-room'), 2, async () => {
    const done = await cluster.play(words, HOSTS, undefined, { XDG_STATE_HOME: join(lab.dir, 'no-room') });
    expectDone(done);
    expect(done.text).toContain('no record of this run can be kept');
  });
  for (const host of HOSTS) expect(await content(host)).toBe(now);
  await cluster.isOf(HOSTS);
});

it('from a backup: goes on where a host was lost, or the disk of this machine was full', async () => {
  const now = await content();
  expectDone(await cluster.play(into(backups, ['backup_etcd']), HOSTS));
  const snapshot = join(backups, readdirSync(backups).find((name) => /_r\d+\.db$/.test(name))!);
  for (const host of HOSTS) await wipe(host);
  const words = ['recover_etcd', '--yes', '-e', `snapshot=${snapshot}`];
  const folder = join(lab.dir, 'full');
  await onSmallDisk(folder, 3, async () => {
    const { code, text } = await cluster.play(into(folder, words), HOSTS);
    expect([code, text]).toEqual([2, expect.stringContaining('the disk of this machine is full')]);
    expect(readdirSync(folder)).toEqual([]);
  });
  const losses: [RegExp, Loss, string][] = [
    [/Snapshot is restored/, 'power', 'h2'],
    [/Restored data are put in place/, 'cut', 'h3'],
  ];
  for (const [line, loss, host] of losses) await lostAt(cluster, { line, loss, host }, into(backups, words), HOSTS);
  expectDone(await cluster.play(into(backups, words), HOSTS));
  for (const host of HOSTS) expect(await content(host)).toBe(now);
  await cluster.isOf(HOSTS);
});
