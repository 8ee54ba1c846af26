import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone } from './cluster.ts';
import { type Loss, lostAt, onSmallDisk } from './losing.ts';
import { testVersion } from './version.ts';
import { etcdctl } from './witness.ts';

const LAB = 'mx-restore-cut';
const VERSION = testVersion('3.5.16');
const HOSTS = ['h1', 'h2', 'h3'];
let lab: Lab;
let cluster: Cluster;
let backups: string;
let snapshot: string;
let saved = '';

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
  cluster = await Cluster.of(lab, VERSION, HOSTS);
  backups = join(lab.dir, 'backups');
  rmSync(backups, { recursive: true, force: true });
  for (let n = 0; n < 5; n++) await etcdctl(lab, 'h1', `put key/${n} before`);
  saved = await content();
  expectDone(await play('backup_etcd'));
  snapshot = join(backups, readdirSync(backups).find((name) => /_r\d+\.db$/.test(name))!);
  await etcdctl(lab, 'h1', 'put key/1 after');
});
afterAll(() => lab?.down());

const into = (folder: string, words: readonly string[]) => [...words, '-e', `LOCAL_ETCD_BACKUP_DIR=${folder}`];
const play = (...words: string[]) => cluster.play(into(backups, words), HOSTS);
const restore = () => ['restore_etcd', '--yes', '-e', `snapshot=${snapshot}`];
const content = (host = 'h1') => etcdctl(lab, host, 'get key/ --prefix');
const all = (script: string) => Promise.all(HOSTS.map((host) => cluster.on(host, script)));

it.each([
  ['when the work begins', 1],
  ['when it is restored on trial', 3],
  ['when the safety backup is written', 8],
])('the disk of this machine full %s: nothing is stopped, and it ends well when there is room', async (_, inodes) => {
  const folder = join(lab.dir, `full-${inodes}`);
  await onSmallDisk(folder, inodes, async (setInodes) => {
    const before = await all('systemctl show etcd -p InvocationID; ls /var/lib');
    const { code, text } = await cluster.play(into(folder, restore()), HOSTS);
    expect([code, text]).toEqual([2, expect.stringContaining('the disk of this machine is full')]);
    expect(await all('systemctl show etcd -p InvocationID; ls /var/lib')).toEqual(before);
    expect(readdirSync(folder)).toEqual([]);
    if (inodes < 8) return;
    await setInodes(1000);
    expectDone(await cluster.play(into(folder, restore()), HOSTS));
    expect(await content('h2')).toBe(saved);
  });
});

it('hosts lost at each step: what ran goes on, nothing is lost, and it ends well when it is run again', {
  timeout: 900_000,
}, async () => {
  await all('rm -rf /var/lib/etcd.*');
  const words = into(backups, [...restore(), '-e', 'safety=false']);
  // A host that is lost behind the swap may have either data, so each such loss is ended before the next one.
  const losses: [RegExp, Loss, string][][] = [
    [
      [/Snapshot is sent/, 'cut', 'h3'],
      [/etcd is stopped/, 'power', 'h2'],
    ],
    [[/Restored data are put in place/, 'boot', 'h3']],
    [[/Restored members are started/, 'cut', 'h1']],
  ];
  for (const [i, inARow] of losses.entries()) {
    await etcdctl(lab, 'h1', `put key/1 ${i}`);
    const running = await content();
    for (const [line, loss, host] of inARow) await loses(line, loss, host, running);
    await endsWell();
  }

  /** Those that were left had the old data put back, and are enough for a quorum. */
  async function loses(line: RegExp, loss: Loss, host: string, what: string): Promise<void> {
    await lostAt(cluster, { line, loss, host }, words, HOSTS);
    const other = host === 'h1' ? 'h2' : 'h1';
    await expect.poll(() => content(other).catch(String), { timeout: 15_000, interval: 500 }).toBe(what);
  }

  async function endsWell(): Promise<void> {
    expectDone(await cluster.play(words, HOSTS));
    for (const host of HOSTS) expect(await content(host)).toBe(saved);
    await cluster.isOf(HOSTS);
  }
});

it('a host lost when keys are compared: those that are left go back to the old data, and it ends well when it is run again', async () => {
  await etcdctl(lab, 'h1', 'put key/1 compared');
  const running = await content();
  const words = into(backups, [...restore(), '-e', 'safety=false']);
  const lost = await cluster.playDisturbed(/Restored members are ready/, () => lab.cut('h3'), words, HOSTS);
  await lab.heal('h3');
  expect([2, 4], lost.text).toContain(lost.code);
  expect(lost.text).not.toMatch(/unexpected|fault of the playbook/);
  await expect.poll(() => content('h1').catch(String), { timeout: 15_000, interval: 500 }).toBe(running);
  expectDone(await cluster.play(words, HOSTS));
  for (const host of HOSTS) expect(await content(host)).toBe(saved);
  await cluster.isOf(HOSTS);
});
