import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, wasUnharmed } from './cluster.ts';
import { etcdctl, membersSeenBy } from './witness.ts';

const LAB = 'mx-killed';
let lab: Lab;

beforeAll(async () => {
  for (const version of ['3.5.30']) await ensureRelease(version);
  lab = await openLab({ name: LAB, hosts: 4, fresh: true });
});
afterAll(() => lab?.down());

describe('killed after each step, and run again', () => {
  const three = ['h1', 'h2', 'h3'];
  const four = [...three, 'h4'];
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.of(lab, '3.5.30', three);
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
      await cluster.killedAt(line, ['add_etcd', '-l', 'h4'], four);
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

      if (line.source.includes('Leadership')) {
        await etcdctl(lab, await cluster.leader(four), `move-leader ${await cluster.idOf('h4', 'h1')}`);
      }
      await cluster.killedAt(line, ['delete_etcd', '-l', 'h4', '--yes'], four);
      expectDone(await cluster.delete('h4', four));
      expect((await membersSeenBy(lab, 'h1')).map(({ name }) => name)).toEqual(three.map((host) => `etcd-${host}`));
      expect(await cluster.on('h4', 'systemctl is-enabled etcd; ls -d /var/lib/etcd')).toBe('disabled');
    }
    await wasUnharmed(traffic, 'delete, killed and run again');
    await cluster.isOf(three);
  });
});
