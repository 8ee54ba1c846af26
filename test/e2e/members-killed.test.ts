import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, wasUnharmed } from './cluster.ts';
import { testVersion } from './version.ts';
import { membersSeenBy } from './witness.ts';

const LAB = 'mx-killed';
/** Dozens of runs, each of some seconds, on a machine that may be busy with other things. */
const MANY_RUNS_MS = 600_000;
const VERSION = testVersion('3.5.30');
let lab: Lab;

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: LAB, hosts: 4, fresh: true });
});
afterAll(() => lab?.down());

describe('killed after each step, and run again', () => {
  const three = ['h1', 'h2', 'h3'];
  const four = [...three, 'h4'];
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.of(lab, VERSION, three);
  });

  /** Where a run that adds, and one that takes out again, is killed. */
  const moments: [RegExp, RegExp][] = [
    [/^Prepare h4/, /^Leadership moves/],
    [/etcd\.conf is in place/, /^h4 is removed/],
    [/changed: .* h4 is added as a/, /changed: .* h4 is removed/],
    [/^etcd is started/, /^etcd is stopped/],
    [/changed: .* etcd is started/, /^Old data are moved/],
    [/changed: .* h4 is promoted/, /changed: .* Old data are moved/],
    [/^Lists/, /^Lists/],
  ];

  it(
    'add_etcd and delete_etcd end as if they had not been',
    async () => {
      const traffic = await cluster.traffic(three);
      const names = async () => (await membersSeenBy(lab, 'h1')).map(({ name }) => name);
      for (const [adding, deleting] of moments) {
        await cluster.killedAt(adding, ['add_etcd', '-l', 'h4'], four);
        expectDone(await cluster.add('h4', four));
        expect(await names(), `${adding}`).toEqual(four.map((host) => `etcd-${host}`));
        if (deleting.source.includes('Leadership')) {
          await cluster.lead('h4', four);
        }
        await cluster.killedAt(deleting, ['delete_etcd', '-l', 'h4', '--yes'], four);
        expectDone(await cluster.delete('h4', four));
        expect(await names(), `${deleting}`).toEqual(three.map((host) => `etcd-${host}`));
        expect(await cluster.on('h4', 'systemctl is-enabled etcd; ls -d /var/lib/etcd')).toBe('disabled');
        await lab.exec('h4', 'rm -rf /etc/etcd /var/lib/etcd.aside-*');
      }
      await wasUnharmed(traffic, 'add and delete, killed and run again');
      await cluster.isOf(three);
    },
    MANY_RUNS_MS,
  );

  /** Where a run that replaces the member on h3 is killed. */
  const replacing = [
    /^h3 is removed|changed: .* etcd is stopped/,
    /changed: .* h3 is removed|changed: .* etcd-h3 is removed/,
    /etcd\.conf is in place/,
    /changed: .* h3 is added as a/,
    /^etcd is started/,
    /changed: .* etcd is started/,
    /changed: .* h3 is promoted/,
  ];

  it(
    'replace_etcd ends with one new member in the place of the old one',
    async () => {
      const traffic = await cluster.traffic(['h1', 'h2']);
      for (const moment of replacing) {
        const id = await cluster.idOf('h3', 'h1');
        await lab.exec('h3', 'systemctl stop etcd; rm -rf /var/lib/etcd');
        await cluster.killedAt(moment, ['replace_etcd', '-l', 'h3', '--yes'], three);
        expectDone(await cluster.replace('h3', three));
        expect(await cluster.idOf('h3', 'h1'), `${moment}`).not.toBe(id);
        expect((await membersSeenBy(lab, 'h1')).map(({ name }) => name)).toEqual(three.map((host) => `etcd-${host}`));
      }
      await wasUnharmed(traffic, 'replace, killed and run again');
      await cluster.isOf(three);
    },
    MANY_RUNS_MS,
  );
});
