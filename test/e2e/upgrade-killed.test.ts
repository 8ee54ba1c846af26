import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, expectRefused, wasUnharmed } from './cluster.ts';
import { Versions } from './versions.ts';
import { etcdctl } from './witness.ts';

const LAB = 'upgrade-killed';
const HOSTS = ['h1', 'h2', 'h3'];
const WAY = ['3.4.23', '3.5.16', '3.5.30'] as const;
let lab: Lab;
let cluster: Cluster;
let versions: Versions;

beforeAll(async () => {
  for (const version of WAY) await ensureRelease(version);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
  cluster = await Cluster.of(lab, WAY[0], HOSTS);
  versions = new Versions(cluster, HOSTS);
});
afterAll(() => lab?.down());

describe('upgrade_etcd', () => {
  it('goes on from where it stood when it was killed, after any step, and when a host was lost on the way', async () => {
    const traffic = await cluster.traffic(HOSTS, { leaseSeconds: 8 });
    const words = ['upgrade_etcd', '-e', `ETCD_VERSION=${WAY[1]}`];
    const leader = await cluster.leader(HOSTS);
    const [, later] = HOSTS.filter((host) => host !== leader);
    const killedAfter = async (...steps: RegExp[]) => {
      for (const at of steps) {
        await cluster.killedAt(at, words, HOSTS);
      }
    };
    await killedAfter(/changed: .* Backup is taken/, /changed: .* Release is installed/);

    const lost = await cluster.playDisturbed(/changed: .* etcd \S+ is started/, () => lab.cut(later!), words, HOSTS);
    expect(lost.code, lost.text).toBe(2);
    expect(lost.text).toMatch(
      new RegExp(
        `ERROR stopped on the way: ${later}: .*its host cannot be reached.*\\n.*What was done so far stands\\.`,
      ),
    );
    await etcdctl(lab, leader, 'endpoint health');
    // 3.4 has no pre-vote: the member that comes back makes the others elect anew, whatever play does.
    const elected = traffic.apart(lab.heal(later!).then(() => cluster.isHealthy(HOSTS)));

    await killedAfter(/ok: .* Files of before are kept/);
    await elected;
    await cluster.lead(leader, HOSTS);
    await killedAfter(
      /changed: .* Binaries are linked/,
      /changed: .* Leadership moves/,
      /changed: .* etcd \S+ is started/,
    );
    expectDone(await versions.upgrade(WAY[1]));
    await versions.wholly(WAY[1]);
    await versions.haveEqualData();
    expect((await versions.upgrade(WAY[1])).stdout).toContain('nothing to do');
    await wasUnharmed(traffic, 'an upgrade that was killed after each step', 2_000);
  });

  it('does not go on without a host that is gone for good; it is replaced, and then it does', async () => {
    const words = ['upgrade_etcd', '-e', `ETCD_VERSION=${WAY[2]}`];
    const leader = await cluster.leader(HOSTS);
    await cluster.killedAt(new RegExp(`changed: .* etcd ${WAY[2]} is started`), words, HOSTS);
    const [lost] = HOSTS.filter((host) => host !== leader).slice(-1);
    await lab.wipe(lost!);
    expectRefused(await cluster.play(words, HOSTS), `play replace_etcd -l ${lost}`);
    expectDone(await cluster.replace(lost!, HOSTS));
    expectDone(await cluster.play(words, HOSTS));
    await versions.wholly(WAY[2]);
    await versions.haveEqualData();
  });
});
