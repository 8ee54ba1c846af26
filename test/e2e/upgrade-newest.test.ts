import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectRefused, wasUnharmed } from './cluster.ts';
import { BUILDING_MS, cannotHave, NEWEST } from './newest.ts';
import type { Traffic } from './traffic.ts';
import { longestGapMs, Versions } from './versions.ts';
import { etcdctl } from './witness.ts';

const LAB = 'upgrade-newest';
const HOSTS = ['h1', 'h2', 'h3'];
const FIRST = '3.5.30';
const WAY = [FIRST, NEWEST['3.5'], NEWEST['3.6'], NEWEST['3.7']];
let lab: Lab | undefined;
let cluster: Cluster;
let versions: Versions;
let traffic: Traffic;
let why: string | undefined;

beforeAll(async () => {
  await ensureRelease(FIRST);
  why = await cannotHave(...Object.values(NEWEST));
  if (why !== undefined) return;
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
  cluster = await Cluster.of(lab, FIRST, HOSTS);
  versions = new Versions(cluster, HOSTS);
  traffic = await cluster.traffic(HOSTS, { leaseSeconds: 8 });
}, BUILDING_MS);
beforeEach((context) => {
  if (why !== undefined) context.skip(why);
});
afterAll(() => lab?.down());

describe('upgrade_etcd to the newest releases, while clients write, watch and hold a lease', () => {
  it('is refused by a setting that the release does not know, before anything is done', async () => {
    const refused = await versions.upgrade(NEWEST['3.7'], '-e', 'ETCD_ENABLE_V2=true');
    // The inventory itself is not in order.
    expect(refused.code, refused.text).toBe(1);
    expect(refused.text).toContain(`etcd ${NEWEST['3.7']} does not know ETCD_ENABLE_V2`);
    await versions.areAll(FIRST);
  });

  it('goes through the last of 3.5 by itself, and renames what has another name there', async () => {
    const extra = ['-e', 'ETCD_EXTRA=ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME=1h'];
    expectRefused(await versions.upgrade(NEWEST['3.7'], ...extra), 'play reload_etcd brings that first');
    const { text } = await versions.upgraded(traffic, WAY);
    expect(text).toContain('behind a snapshot of its log');
    expect(text).toMatch(
      /changed: \[h\d\] What older versions wrote into the log is left behind \(\d+ empty entries\)/,
    );
    for (const host of HOSTS) {
      expect(await etcdctl(lab!, host, 'endpoint status -w json')).toContain('"storageVersion":"3.7.0"');
    }
    const { stdout } = await cluster.play(
      ['reload_etcd', '-C', '-D', '-e', `ETCD_VERSION=${NEWEST['3.7']}`, ...extra],
      HOSTS,
    );
    expect(stdout.match(/^\+ETCD_CORRUPT_CHECK_TIME="1h"$/gm)).toHaveLength(3);
  });

  it('has lost no write, no event and no lease, and has given no version a setting that it does not know', async () => {
    await wasUnharmed(traffic, WAY.join(' → '), longestGapMs(HOSTS.length));
    await versions.knowTheirSettings();
  });
});
