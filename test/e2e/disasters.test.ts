import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, expectRefused } from './cluster.ts';
import { runPlay } from './play.ts';
import { testHosts, testVersion } from './version.ts';
import { etcdctl } from './witness.ts';

/**
 * The table of `docs/recover_etcd.md`, on real hosts: which members are lost, and what of them. As a rule one row of each kind that no
 * other file meets; `ETCD_TEST_DISASTERS=all`, with `ETCD_TEST_MEMBERS=5` or without, goes through every one.
 */
const LAB = 'mx-disasters';
const VERSION = testVersion('3.5.30');
const HOSTS = testHosts(3);
const ALL = process.env.ETCD_TEST_DISASTERS === 'all';
const RULE = ['h1: its process', 'h3: its disk', 'h1, h2, h3: their processes', 'h1, h2, h3: their disks'];
const MAJORITY = Math.floor(HOSTS.length / 2) + 1;

interface Disaster {
  title: string;
  lost: string[];
  what: 'process' | 'disk';
}

const subsets = Array.from({ length: 2 ** HOSTS.length - 1 }, (_, n) => HOSTS.filter((_, at) => (n + 1) & (1 << at)));
const disasters = subsets
  .flatMap((lost) =>
    (['process', 'disk'] as const).map((what): Disaster => {
      const many = what === 'disk' ? 'disks' : 'processes';
      return { lost, what, title: `${lost.join(', ')}: ${lost.length === 1 ? `its ${what}` : `their ${many}`}` };
    }),
  )
  .filter(({ title }) => ALL || RULE.includes(title));

let lab: Lab;
let cluster: Cluster;
let backups: string;
let empty: string;
let written = 0;

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: LAB, hosts: HOSTS.length, fresh: true });
  cluster = await Cluster.of(lab, VERSION, HOSTS);
  [backups, empty] = [join(lab.dir, 'backups'), join(lab.dir, 'no-backups')];
});
afterAll(() => lab?.down());

const all = (hosts: readonly string[], script: string) => Promise.all(hosts.map((host) => cluster.on(host, script)));
const content = (host: string) => etcdctl(lab, host, 'get key/ --prefix');
const recover = (folder: string, ...words: string[]) =>
  cluster.play(['recover_etcd', '--yes', '-e', `LOCAL_ETCD_BACKUP_DIR=${folder}`, ...words], HOSTS);
const put = async (value: string) => {
  await etcdctl(lab, HOSTS[0]!, `put key/${++written} ${value}`);
  // What is acknowledged has reached a majority; a row may leave only those that had not heard of it yet.
  for (const host of HOSTS) await expect.poll(() => content(host)).toContain(value);
};
/** Neither a process nor a file is another than it was. */
const asItIs = () => all(HOSTS, 'systemctl show etcd -p InvocationID; ls -i /var/lib | grep etcd');

const LOSING = {
  process: 'systemctl kill -s KILL etcd; systemctl stop etcd',
  disk: 'systemctl kill -s KILL etcd; systemctl stop etcd; mv /var/lib/etcd /var/lib/lost',
};

async function strike({ lost, what }: Disaster): Promise<void> {
  await all(HOSTS, 'rm -rf /var/lib/etcd.* /var/lib/lost');
  await all(lost, LOSING[what]);
}

/** By hand, where nothing was recovered: the disk is found again, and what is stopped is started. */
async function undo({ lost, what }: Disaster): Promise<void> {
  await all(lost, what === 'disk' ? 'rm -rf /var/lib/etcd; mv /var/lib/lost /var/lib/etcd' : 'true');
  await all(lost, 'systemctl reset-failed etcd; systemctl enable -q etcd; systemctl start etcd');
}

async function isWhole(before: string): Promise<void> {
  for (const host of HOSTS) await expect.poll(() => content(host).catch(String)).toBe(before);
  const members = await etcdctl(lab, HOSTS[0]!, 'member list');
  expect(members.trim().split('\n')).toHaveLength(HOSTS.length);
  expect(members).not.toMatch(/unstarted|, true$/m);
}

describe(`${HOSTS.length} members, etcd ${VERSION}`, () => {
  it.each(disasters)('$title', async (disaster) => {
    const { lost, what } = disaster;
    rmSync(backups, { recursive: true, force: true });
    expectDone(await cluster.play(['backup_etcd', '-e', `LOCAL_ETCD_BACKUP_DIR=${backups}`], HOSTS));
    const saved = await content(HOSTS[0]!);
    await put(`value-${written}`);
    const before = await content(HOSTS[0]!);
    const left = HOSTS.filter((host) => !lost.includes(host));
    await strike(disaster);
    const struck = await asItIs();

    if (left.length >= MAJORITY) {
      const next = what === 'process' ? `play exec ${lost.join(',')} -i …` : `play replace_etcd -l ${lost[0]}`;
      for (const folder of [empty, backups]) expectRefused(await recover(folder), 'the cluster has its quorum', next);
    } else if (what === 'process') {
      for (const folder of [empty, backups]) expectRefused(await recover(folder), 'once started there is a quorum');
    } else if (left.length > 0) {
      for (const folder of [empty, backups]) {
        const { code, text } = await recover(folder, '-C');
        expect([code, text]).toEqual([0, expect.stringMatching(/^PLAN recover the cluster .* from the data of h/m)]);
      }
    } else {
      expectRefused(await recover(empty), 'there is no verified backup');
      const { code, text } = await recover(backups, '-C');
      expect([code, text]).toEqual([0, expect.stringContaining(`from the backup ${backups}/`)]);
    }
    expect(await asItIs()).toEqual(struck);

    if (left.length >= MAJORITY) {
      await undo(disaster);
    } else if (what === 'process') {
      const inventory = join(lab.dir, `${VERSION}-${HOSTS.join('-')}.ini`);
      const words = ['exec', lost.join(','), '-i', inventory, '-b', '--', 'systemctl', 'start', '--no-block', 'etcd'];
      expectDone(await runPlay(words));
    } else {
      expectDone(await recover(left.length > 0 ? empty : backups));
    }
    await isWhole(left.length === 0 && what === 'disk' ? saved : before);
  });
});
