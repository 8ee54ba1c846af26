import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone } from './cluster.ts';
import { membersSeenBy } from './witness.ts';

const LAB = 'mx-recover-v2';
const HOSTS = ['h1', 'h2'];
let lab: Lab;

beforeAll(async () => {
  await ensureRelease('3.3.25');
  lab = await openLab({ name: LAB, hosts: 2, fresh: true });
});
afterAll(() => lab?.down());

it('keys of the v2 API come along, and peers are known at the addresses that they have now (etcd 3.3.25)', async () => {
  const cluster = await Cluster.of(lab, '3.3.25', HOSTS);
  const v2 = (host: string, words: string) =>
    cluster.on(
      host,
      `cd /etc/etcd/cert && ETCDCTL_API=2 etcdctl --ca-file etcd-ca.pem --cert-file etcd-client.pem --key-file etcd-client-key.pem --timeout 30s --total-timeout 60s --endpoints https://127.0.0.1:2379 ${words}`,
    );
  await v2('h1', 'set /test wzxmt');
  await cluster.on('h2', 'systemctl kill -s KILL etcd; systemctl stop etcd; rm -rf /var/lib/etcd');
  expectDone(await cluster.play(['recover_etcd', '--yes', '-e', 'ETCD_PEER_PORT=2390'], HOSTS));
  expect(await v2('h2', 'get -q /test')).toBe('wzxmt');
  const members = await membersSeenBy(lab, 'h2');
  expect(members.map(({ name, peerUrls }) => `${name} ${peerUrls}`)).toEqual(
    HOSTS.map((host) => `etcd-${host} https://${lab.addressOf(host)}:2390`),
  );
});
