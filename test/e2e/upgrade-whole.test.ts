import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, wasUnharmed } from './cluster.ts';
import { BUILDING_MS, cannotHave, NEWEST } from './newest.ts';
import type { Traffic } from './traffic.ts';
import { testHosts } from './version.ts';
import { longestGapMs, Versions } from './versions.ts';

const LAB = 'upgrade-whole';
/** The two halves of the way are gone with three members elsewhere. */
const HOSTS = testHosts(1);
/** One that serves nothing for ten seconds, while etcd waits for those who watch, keeps no shorter one. */
const LEASE_SECONDS = HOSTS.length < 3 ? 30 : 8;
const NAMED = ['3.4.23', '3.5.16', '3.5.30'];
const WAY = ['3.3.25', ...NAMED, NEWEST['3.5'], NEWEST['3.6'], NEWEST['3.7']];
let lab: Lab | undefined;
let cluster: Cluster;
let versions: Versions;
let traffic: Traffic;
let why: string | undefined;

beforeAll(async () => {
  for (const version of WAY.slice(0, 4)) await ensureRelease(version);
  why = await cannotHave(...Object.values(NEWEST));
  if (why !== undefined) return;
  lab = await openLab({ name: LAB, hosts: HOSTS.length, fresh: true });
  cluster = await Cluster.of(lab, WAY[0]!, HOSTS);
  versions = new Versions(cluster, HOSTS);
  traffic = await cluster.traffic(HOSTS, { leaseSeconds: LEASE_SECONDS });
}, BUILDING_MS);
beforeEach((context) => {
  if (why !== undefined) context.skip(why);
});
afterAll(() => lab?.down());

describe(`upgrade_etcd on ${HOSTS.length} of 3.3, while clients write, watch and hold a lease`, () => {
  it('brings the newest of 3.7 in one run', async () => {
    const { text } = await versions.upgraded(traffic, WAY, '-e', `via=${NAMED}`);
    if (HOSTS.length < 3) expect(text).toContain('nothing is served while one of them is restarted');
  });

  it('has lost no write, no event and no lease, and has given no version a setting that it does not know', async () => {
    await wasUnharmed(traffic, `${WAY.join(' → ')} on ${HOSTS.length}`, longestGapMs(HOSTS.length));
    await versions.knowTheirSettings();
  });
});
