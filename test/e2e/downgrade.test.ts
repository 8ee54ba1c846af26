import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { Cluster, expectDone, expectRefused, wasUnharmed } from './cluster.ts';
import { BUILDING_MS, cannotHave, NEWEST } from './newest.ts';
import type { Traffic } from './traffic.ts';
import { longestGapMs } from './versions.ts';
import { etcdctl } from './witness.ts';

const LAB = 'downgrade';
const HOSTS = ['h1', 'h2', 'h3'];
const [OLD, MIDDLE, NEW] = [NEWEST['3.5'], NEWEST['3.6'], NEWEST['3.7']];
let lab: Lab | undefined;
let cluster: Cluster;
let traffic: Traffic;
let why: string | undefined;

const downgrade = (to: string, ...words: string[]) =>
  cluster.play(['downgrade_etcd', '-e', `ETCD_VERSION=${to}`, ...words], HOSTS);
const upgrade = (to: string) => cluster.play(['upgrade_etcd', '-e', `ETCD_VERSION=${to}`], HOSTS);

/** What each member says: its version, the shape of its data, and the downgrade that is under way. */
async function told(): Promise<string[]> {
  const said = await Promise.all(HOSTS.map((host) => etcdctl(lab!, host, 'endpoint status -w json')));
  return said.map((text) => {
    const [{ Status }] = JSON.parse(text) as [
      {
        Status: {
          version: string;
          storageVersion?: string;
          downgradeInfo?: { enabled?: boolean; targetVersion?: string };
        };
      },
    ];
    const under = Status.downgradeInfo?.enabled ? ` to ${Status.downgradeInfo.targetVersion}` : '';
    return `${Status.version} ${Status.storageVersion ?? '-'}${under}`;
  });
}
const all = (words: string) => HOSTS.map(() => words);

beforeAll(async () => {
  why = await cannotHave(OLD, MIDDLE, NEW);
}, BUILDING_MS);
beforeAll(async () => {
  if (why !== undefined) return;
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
  cluster = await Cluster.of(lab, NEW, HOSTS);
  traffic = await cluster.traffic(HOSTS, { leaseSeconds: 8 });
});
beforeEach((context) => {
  if (why !== undefined) context.skip(why);
});
afterAll(() => lab?.down());

describe('downgrade_etcd', () => {
  it('that is killed in the middle is refused by upgrade_etcd, and can be called off', async () => {
    // A new cluster's leader settles what its data are written as a few seconds after the version.
    await expect.poll(told).toEqual(all(`${NEW} 3.7.0`));
    const words = ['downgrade_etcd', '-e', `ETCD_VERSION=${MIDDLE}`];
    await cluster.killedAt(/changed: .* etcd takes a downgrade/, words, HOSTS);
    await cluster.killedAt(new RegExp(`changed: .* etcd ${MIDDLE} is started`), words, HOSTS);
    const half = await told();
    expect(half.filter((one) => one.startsWith(MIDDLE))).toHaveLength(1);
    expect(half.filter((one) => one === `${NEW} 3.6.0 to 3.6.0`)).toHaveLength(2);
    expectRefused(await upgrade(NEW), 'a downgrade to 3.6 is under way');
    const back = await downgrade(MIDDLE, '-e', 'back=true');
    expectDone(back);
    expect(back.stdout.match(/changed: .* is started/g)).toHaveLength(1);
    expect(await told()).toEqual(all(`${NEW} 3.7.0`));
  });

  it('takes a cluster from 3.7 down to 3.6, and comes to an end', async () => {
    traffic.gapMs();
    const done = await downgrade(MIDDLE);
    expectDone(done);
    expect(done.text).not.toContain('Something else has changed');
    expect(await told()).toEqual(all(`${MIDDLE} 3.6.0`));
    const took = `${Math.round(traffic.gapMs())} ms between two writes at most, ${Math.round(done.durationMs / 1000)} s`;
    console.info(`${NEW} down to ${MIDDLE}: ${took}`);
  });

  it('goes on where it was killed, down to 3.5', async () => {
    const words = ['downgrade_etcd', '-e', `ETCD_VERSION=${OLD}`];
    for (const at of [/changed: .* Binaries are linked/, /changed: .* Leadership moves/]) {
      await cluster.killedAt(at, words, HOSTS);
    }
    expectDone(await downgrade(OLD));
    expect(await told()).toEqual(all(`${OLD} -`));
    expect((await downgrade(OLD)).stdout).toContain('nothing to do');
    expectDone(await cluster.play(['create_etcd', '-e', `ETCD_VERSION=${OLD}`], HOSTS));
  });

  it('refuses what etcd cannot do, and says what is left', async () => {
    expectRefused(await downgrade('3.4.23'), 'Only a restore of the backup taken before the upgrade is left');
    expectRefused(await downgrade(OLD, '-e', 'back=true'), 'no downgrade is under way');
  });

  it('has cost no acknowledged write, no event of a watch and no lease', async () => {
    await wasUnharmed(traffic, `from ${NEW} down to ${OLD}`, longestGapMs(HOSTS.length));
  });
});
