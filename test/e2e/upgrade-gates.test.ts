import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, expectRefused } from './cluster.ts';
import { Versions } from './versions.ts';
import { etcdctl } from './witness.ts';

const LAB = 'upgrade-gates';
const WAY = ['3.3.25', '3.4.23', '3.5.16'] as const;
let lab: Lab;
let cluster: Cluster;
let versions: Versions;

/** etcdctl's v2 half, which names its options otherwise. */
function etcdctl2(words: string): Promise<string> {
  const file = (name: string) => `/etc/etcd/cert/etcd-${name}.pem`;
  const tls = `--ca-file ${file('ca')} --cert-file ${file('client')} --key-file ${file('client-key')}`;
  return cluster.on('h1', `ETCDCTL_API=2 etcdctl --endpoints https://127.0.0.1:2379 ${tls} ${words}`);
}

beforeAll(async () => {
  for (const version of WAY) await ensureRelease(version);
  lab = await openLab({ name: LAB, hosts: 1, fresh: true });
  cluster = await Cluster.of(lab, WAY[0], ['h1']);
  versions = new Versions(cluster, ['h1']);
});
afterAll(() => lab?.down());

describe('upgrade_etcd on a cluster of one', () => {
  it('is refused by keys of v2 that would not be served any more, unless they are to be', async () => {
    expect(await etcdctl2('set /colour green')).toBe('green');
    expectRefused(await versions.upgrade(WAY[1]), 'v2 keys are there', 'ETCD_ENABLE_V2=true');
    // What is to be kept has to be in force before: one thing at a time.
    const serving = ['-e', 'ETCD_ENABLE_V2=true'];
    expectRefused(await versions.upgrade(WAY[1], ...serving), 'play reload_etcd brings that first');
    expectDone(await cluster.play(['reload_etcd', ...serving], ['h1']));
    expectDone(await versions.upgrade(WAY[1], ...serving));
    expect(await etcdctl2('get /colour')).toBe('green');
    expectRefused(await versions.upgrade('3.6.16'), 'v2 keys are there, and 3.6 does not start on them');
    expectDone(await cluster.play(['reload_etcd'], ['h1']));
  });

  it('is refused by users and roles from 3.4 to 3.5', async () => {
    for (const words of ['user add root:secret', 'role add root', 'user grant-role root root', 'auth enable']) {
      await etcdctl(lab, 'h1', words);
    }
    expectRefused(await versions.upgrade(WAY[2]), 'users and roles are in force');
    await etcdctl(lab, 'h1', '--user root:secret auth disable');
  });

  it('goes back, where the new release hangs and the run is killed meanwhile', async () => {
    const release = `/opt/etcd/v${WAY[2]}`;
    const script = `mkdir ${release} && cp -a /opt/etcd/current/. ${release}/ && cat >${release}/etcd`;
    await lab.exec('h1', script, { input: '#!/bin/sh\nexec sleep 600\n' });
    const words = ['upgrade_etcd', '-e', `ETCD_VERSION=${WAY[2]}`];
    const { code } = await cluster.play(words, ['h1'], async (line, child) => {
      if (!/etcd\.service is in place/.test(line)) return;
      while ((await cluster.on('h1', 'systemctl is-active etcd')) === 'active');
      child.kill('SIGKILL');
    });
    expect(code).toBeNull();
    const back = await versions.upgrade(WAY[2], '-e', 'back=true');
    expectDone(back);
    await versions.wholly(WAY[1]);
    await lab.exec('h1', `rm -r ${release}`);
    expectDone(await versions.upgrade(WAY[2]));
    await versions.wholly(WAY[2]);
  });
});
