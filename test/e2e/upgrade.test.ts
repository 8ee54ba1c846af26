import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, expectRefused, wasUnharmed } from './cluster.ts';
import type { Traffic } from './traffic.ts';
import { longestGapMs, Versions } from './versions.ts';

const LAB = 'upgrade';
const HOSTS = ['h1', 'h2', 'h3'];
const WAY = ['3.3.25', '3.4.23', '3.5.16', '3.5.30'];
let lab: Lab;
let cluster: Cluster;
let versions: Versions;
let traffic: Traffic;

beforeAll(async () => {
  for (const version of WAY) await ensureRelease(version);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
  cluster = await Cluster.of(lab, WAY[0]!, HOSTS);
  versions = new Versions(cluster, HOSTS);
  traffic = await cluster.traffic(HOSTS, { leaseSeconds: 8 });
});
afterAll(() => lab?.down());

describe('upgrade_etcd, while clients write, watch and hold a lease', () => {
  it('shows in check mode its way, its gates and what becomes of each setting, and changes nothing', async () => {
    const { code, stdout, text } = await versions.upgrade('3.5.30', '-C');
    expect(code, text).toBe(0);
    expect(stdout).toMatch(/3\.3\.25 → 3\.4\.\d+ → 3\.5\.30, 6 restarts, one at a time/);
    expect(stdout).toMatch(/GATES 3\.3\.25 → 3\.4\.\d+\n {2}ok {2}health/);
    expect(stdout).toMatch(/added +ETCD_LOGGER +is zap there/);
    expect(stdout).toMatch(/default +ETCD_ENABLE_V2 +not set: true becomes false/);
    await versions.areAll('3.3.25');
  });

  it('brings 3.5.30 by way of releases that are named, each to followers first and the leader last', async () => {
    await versions.upgraded(traffic, WAY, '-e', 'via=3.4.23,3.5.16');
    // One before each minor version.
    const backups = readdirSync(join(lab.dir, 'backups')).filter((name) => /_r\d+\.db$/.test(name));
    expect(backups).toHaveLength(2);
  });

  it('keeps the old releases, and does nothing where nothing is to be done', async () => {
    expect(await cluster.on('h2', 'ls /opt/etcd')).toBe('current\nv3.3.25\nv3.4.23\nv3.5.16\nv3.5.30');
    const again = await versions.upgrade('3.5.30');
    expectDone(again);
    expect(again.stdout).toContain('nothing to do');
    expect(again.stdout).not.toMatch(/changed:/);
    expectDone(await cluster.play(['create_etcd', '-e', 'ETCD_VERSION=3.5.30'], HOSTS));
  });

  it('is named by create_etcd where another version is wanted', async () => {
    const other = ['create_etcd', '-e', 'ETCD_VERSION=3.6.16'];
    expectRefused(await cluster.play(other, HOSTS), 'play upgrade_etcd -e ETCD_VERSION=3.6.16');
  });

  it('has lost no write, no event and no lease, and has given no version a setting that it does not know', async () => {
    await wasUnharmed(traffic, WAY.join(' → '), longestGapMs(HOSTS.length));
    await versions.knowTheirSettings();
  });
});
