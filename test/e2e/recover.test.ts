import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, expectRefused } from './cluster.ts';
import { type PlayResult, runPlay } from './play.ts';
import { testVersion } from './version.ts';
import { etcdctl } from './witness.ts';

const LAB = 'mx-recover';
const VERSION = testVersion('3.5.16');
const HOSTS = ['h1', 'h2', 'h3'];
let lab: Lab;
let cluster: Cluster;
let backups: string;
let written = 0;

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
  cluster = await Cluster.of(lab, VERSION, HOSTS);
  backups = join(lab.dir, 'backups');
  rmSync(backups, { recursive: true, force: true });
});
afterAll(() => lab?.down());

const withFolder = (words: readonly string[]) => [...words, '-e', `LOCAL_ETCD_BACKUP_DIR=${backups}`];
const run = (...words: string[]): Promise<PlayResult> => cluster.play(withFolder(words), HOSTS);
const recover = (...words: string[]) => run('recover_etcd', '--yes', ...words);
const put = async (host: string, count = 5) => {
  for (let n = 0; n < count; n++) await etcdctl(lab, host, `put key/${++written} value-${written}`);
};
/** All keys and values, but for those that proofs write and take away again. */
const content = (host: string) => etcdctl(lab, host, 'get key/ --prefix');
const all = (hosts: readonly string[], script: string) => Promise.all(hosts.map((host) => cluster.on(host, script)));
const stop = (hosts: readonly string[]) => all(hosts, 'systemctl stop etcd');
/** As a disk that is lost, or a host made anew at the same address. */
const wipe = (hosts: readonly string[]) =>
  all(hosts, 'systemctl kill -s KILL etcd; systemctl stop etcd; rm -rf /var/lib/etcd');
/** Nothing is left that would start a member so a second time. */
async function nothingIsLeft(): Promise<void> {
  const left =
    'grep -rl force-new-cluster /etc/systemd /run/systemd /etc/etcd; ls -d /var/lib/etcd.recovering* /var/lib/etcd.restore* /var/lib/etcd/member/restored-from-backup';
  expect(await all(HOSTS, left)).toEqual(['', '', '']);
}

describe(`a cluster of three, etcd ${VERSION}`, () => {
  it('is not recovered where it has its quorum, or needs no more than a start', async () => {
    await put('h1');
    // Where the inventory has them listen is not where they listen yet.
    const elsewhere = await recover('-e', 'ETCD_CLIENT_PORT=2479');
    expectRefused(elsewhere, 'the cluster has its quorum', 'There is nothing to recover');
    const before = await content('h1');
    await stop(['h2', 'h3']);
    // One that ends again and again has said enough when it was looked at.
    const end = () => stop(['h1']);
    const words = withFolder(['recover_etcd', '--yes', '-e', 'from=h1']);
    const asleep = await cluster.playDisturbed(/Cluster is judged/, end, words, HOSTS);
    expectRefused(asleep, 'h2, h3 are stopped and have their data: once started there is a quorum (2 of 3)');
    const [hint] = /exec h2,h3 -i … -b -- systemctl start --no-block etcd/.exec(asleep.text)!;
    const inventory = join(lab.dir, `${VERSION}-${HOSTS.join('-')}.ini`);
    expectDone(await runPlay(hint.replace('…', inventory).split(' ')));
    expectDone(await run('create_etcd'));
    expect(await content('h3')).toBe(before);
    expectDone(await run('backup_etcd'));
  });

  it('goes on with the data that are left, killed at each step and run again', async () => {
    await put('h2');
    const before = await content('h1');
    await wipe(['h2', 'h3']);
    const plan = await run('recover_etcd');
    expect(plan.text).toContain('not confirmed');
    expect(plan.text).toMatch(/\| h1 +\| runs .*what only h2, h3 had/);
    expect(plan.text).toMatch(/\| h2 +\| no data /);
    expect(plan.text).toMatch(/\| backup of 20.* the last 5 changes that h1 has/);
    const words = withFolder(['recover_etcd', '--yes']);
    const steps = [
      /A copy of the data is kept/,
      /The other members are forgotten/,
      /etcd is started as ever/,
      /\] h2 is added as a learner/,
      /\] h2 is promoted/,
      /\] h3 is promoted/,
    ];
    for (const step of steps) await cluster.killedAt(step, words, HOSTS);
    expectDone(await recover());
    await cluster.isOf(HOSTS);
    expect(await all(HOSTS, 'ls -d /var/lib/etcd.bak-* | wc -l')).toEqual(['1', '0', '0']);
    for (const host of HOSTS) expect(await content(host)).toBe(before);
    await nothingIsLeft();
    expectRefused(await recover(), 'the cluster has its quorum');
  });

  it('is made of the hosts that are left where one is dead for good, which comes back as a new member', async () => {
    await put('h1');
    const before = await content('h1');
    await wipe(['h2']);
    await lab.kill('h3');
    const made = await recover();
    expectDone(made);
    expect(made.text).toContain('h3 cannot be reached: make sure that its etcd does not come back');
    expect(await content('h2')).toBe(before);
    await lab.start('h3');
    // The members it knows have thrown it out: it ends by itself.
    expectDone(await run('add_etcd', '-l', 'h3'));
    await cluster.isOf(HOSTS);
    expect(await content('h3')).toBe(before);
    expect(await cluster.on('h3', 'ls -d /var/lib/etcd.aside-* | wc -l')).toBe('1');
    await nothingIsLeft();
  });

  it('puts data back on which etcd does not start, and takes a backup in place of damaged ones', async () => {
    expectDone(await run('backup_etcd'));
    const saved = await content('h1');
    await wipe(['h2', 'h3']);
    await stop(['h1']);
    const state =
      "cd /var/lib/etcd/member && find . -name '*.wal' -printf '%p %u %m %s\n' | sort && ls -l snap/db && sha256sum snap/db wal/*.wal";
    await cluster.on('h1', 'chown root: /var/lib/etcd/member/snap/db');
    const before = await cluster.on('h1', state);
    const failed = await recover();
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).toContain('etcd does not form a new cluster with these data');
    expect(failed.text).toMatch(/permission denied(.|\n)*The data are as they were\./);
    const otherwise = await recover('-e', 'ETCD_EXTRA=ETCD_MAX_TXN_OPS=many');
    expect(otherwise.text).toContain('etcd does not form a new cluster with these data');
    expect(otherwise.text).not.toContain('permission denied');
    expect(await cluster.on('h1', state)).toBe(before);
    await nothingIsLeft();
    await cluster.on('h1', 'dd if=/dev/zero of=/var/lib/etcd/member/snap/db bs=4096 count=2 conv=notrunc');
    expectRefused(await recover('-e', 'from=h1'), 'its database cannot be read');
    const newest = readdirSync(backups)
      .filter((name) => /_r\d+\.db$/.test(name))
      .sort()
      .at(-1)!;
    expect((await recover('-C')).text).toContain(`from the backup ${join(backups, newest)}`);
    const cut = join(lab.dir, 'cut.db');
    writeFileSync(cut, readFileSync(join(backups, newest)).subarray(0, -1));
    const untouched = await cluster.on('h1', 'ls -i /var/lib');
    const refused = await recover('-e', `snapshot=${cut}`);
    expect([refused.code, refused.text]).toEqual([2, expect.stringContaining('the sum at its end is not whole')]);
    expect(refused.text).not.toContain('changed:');
    expect(await cluster.on('h1', 'ls -i /var/lib')).toBe(untouched);
    const words = withFolder(['recover_etcd', '--yes']);
    const steps = [
      /Snapshot is restored/,
      /Restored data are put in place/,
      /Restored members are started/,
      /Restored members are ready/,
    ];
    for (const step of steps) await cluster.killedAt(step, words, HOSTS);
    expectDone(await recover());
    await nothingIsLeft();
    await cluster.isOf(HOSTS);
    for (const host of HOSTS) expect(await content(host)).toBe(saved);
  });
});
