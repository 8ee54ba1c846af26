import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, expectRefused, wasUnharmed } from './cluster.ts';
import type { Traffic } from './traffic.ts';
import { etcdctl } from './witness.ts';

const LAB = 'upgrade-broken';
const HOSTS = ['h1', 'h2', 'h3'];
const OLD = '3.4.23';
const NEW = '3.5.16';
let lab: Lab;
let cluster: Cluster;
let traffic: Traffic;

const upgrade = (...words: string[]) => cluster.play(['upgrade_etcd', '-e', `ETCD_VERSION=${NEW}`, ...words], HOSTS);
const goBack = () => upgrade('-e', 'back=true');
const onAll = <T>(work: (host: string) => Promise<T>) => Promise.all(HOSTS.map(work));
/** What each host runs, where its link leads, and what its etcd.conf was written for. */
const versions = () =>
  onAll(async (host) => {
    const script = [
      'basename $(dirname $(readlink /proc/$(pidof etcd)/exe)); basename $(readlink /opt/etcd/current)',
      'sed -n "s/^# .*: etcd \\([0-9.]*\\), written.*/v\\1/p" /etc/etcd/etcd.conf; systemctl is-active etcd',
    ];
    return (await cluster.on(host, script.join('; '))).replace(/\n/g, ' ');
  });
const allOn = (version: string) => HOSTS.map(() => `v${version} v${version} v${version} active`);

/** The release as it is, but for its server, which a host has in its place unpacked already. */
async function breakRelease(host: string, script: string): Promise<void> {
  const { code, stderr } = await lab.exec(host, `cat >/opt/etcd/v${NEW}/etcd`, { input: script });
  if (code !== 0) throw new Error(stderr);
}
const ENDS = '#!/bin/sh\necho "etcd Version: broken"\necho "I cannot go on" >&2\nexit 1\n';
/** It runs, and never says that it is ready. */
const HANGS = '#!/bin/sh\necho "I am thinking" >&2\nexec sleep 600\n';

const mend = (host: string) => lab.exec(host, `cp /root/etcd-${NEW} /opt/etcd/v${NEW}/etcd`);
const followers = async () => {
  const leader = await cluster.leader(HOSTS);
  return { leader, followers: HOSTS.filter((host) => host !== leader) };
};

beforeAll(async () => {
  for (const version of [OLD, NEW]) await ensureRelease(version);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
  cluster = await Cluster.of(lab, OLD, HOSTS);
  traffic = await cluster.traffic(HOSTS);
  // The new release lies on all hosts, as after a run that was ended early.
  await cluster.killedAt(/Release is installed.*h3|^h\d: etcd/, ['upgrade_etcd', '-e', `ETCD_VERSION=${NEW}`], HOSTS);
  await onAll((host) => lab.exec(host, `cp /opt/etcd/v${NEW}/etcd /root/etcd-${NEW}`));
});
afterAll(() => lab?.down());

describe('a new release that does not come up', () => {
  beforeEach(async () => expect(await versions()).toEqual(allOn(OLD)));
  afterEach(() => onAll(mend));

  it('on the first member is taken off again at once, and the run stops with its last words', async () => {
    const [first] = (await followers()).followers;
    await breakRelease(first!, ENDS);
    const failed = await upgrade();
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).toMatch(
      new RegExp(`ERROR ${first}: .*etcd ${NEW} does not come up: .*last words:[^→]*I cannot go on`),
    );
    expect(failed.text).toMatch(
      new RegExp(`The other members were left alone\\. etcd ${OLD} was put back on ${first}, and serves`),
    );
    expect(await versions()).toEqual(allOn(OLD));
  });

  it('on the last member is taken off again, and the others may go back, or it may go on', async () => {
    const { leader } = await followers();
    await breakRelease(leader, ENDS);
    const failed = await upgrade();
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).toMatch(new RegExp(`etcd ${OLD} was put back on ${leader}, and serves`));
    const expected = HOSTS.map((host) => {
      const version = host === leader ? OLD : NEW;
      return `v${version} v${version} v${version} active`;
    });
    expect(await versions()).toEqual(expected);
    await mend(leader);
    const back = await goBack();
    expectDone(back);
    expect(back.stdout).toContain(`back to etcd ${OLD}: 2 of 3 restarted`);
    expect(await versions()).toEqual(allOn(OLD));
    expectRefused(await goBack(), 'nothing is half done');
  });

  it('and hangs is waited for as long as was said', async () => {
    const [first] = (await followers()).followers;
    await breakRelease(first!, HANGS);
    const failed = await upgrade('-e', 'ready_within=6s');
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).toMatch(/was not ready within 6 s; its last words:[^→]*I am thinking/);
    expect(failed.text).toMatch(/was put back on/);
    expect(await versions()).toEqual(allOn(OLD));
  });

  it('and its run is killed: the next one goes back, or on', async () => {
    const [first] = (await followers()).followers;
    await breakRelease(first!, HANGS);
    // It is killed while the member is down.
    const child = cluster.play(['upgrade_etcd', '-e', `ETCD_VERSION=${NEW}`], HOSTS, (line, one) => {
      if (/etcd\.service is in place/.test(line)) setTimeout(() => one.kill('SIGKILL'), 1_500);
    });
    expect((await child).code).toBeNull();
    expect((await versions())[HOSTS.indexOf(first!)]).not.toContain(' active');
    const back = await goBack();
    expectDone(back);
    expect(await versions()).toEqual(allOn(OLD));
  });
});

describe('upgrade_etcd that was killed after a step', () => {
  /** Each is reached once more, as all before it are done. */
  const steps = [
    /changed: .* Backup is taken/,
    /ok: .* Files of before are kept/,
    /changed: .* Binaries are linked/,
    /changed: .* etcd\.conf is in place/,
    new RegExp(`changed: .* etcd ${NEW} is started`),
    new RegExp(`changed: .* etcd ${NEW} is started`),
    /changed: .* Leadership moves/,
  ];

  it('goes on from where it stood', async () => {
    for (const at of steps) {
      await cluster.killedAt(at, ['upgrade_etcd', '-e', `ETCD_VERSION=${NEW}`], HOSTS);
      // Its exit code tells.
      await etcdctl(lab, 'h1', 'endpoint health');
    }
    const done = await upgrade();
    expectDone(done);
    expect(await versions()).toEqual(allOn(NEW));
    expect((await upgrade()).stdout).toContain('nothing to do');
  });

  it('has cost no acknowledged write and no event of a watch', async () => {
    await wasUnharmed(traffic, 'upgrades that broke, hung and were killed', 5_000);
  });
});

describe('a half-done upgrade that loses a host', () => {
  it('is not gone on with until the host is replaced, which a half-done upgrade allows', async () => {
    const { leader, followers: two } = await followers();
    const PATCH = '3.5.30';
    await ensureRelease(PATCH);
    const words = ['upgrade_etcd', '-e', `ETCD_VERSION=${PATCH}`];
    await cluster.killedAt(new RegExp(`changed: .* etcd ${PATCH} is started`), words, HOSTS);
    const lost = two[1]!;
    await lab.wipe(lost);
    expectRefused(await cluster.play(words, HOSTS), 'play replace_etcd');
    expectDone(await cluster.replace(lost, HOSTS));
    expectDone(await cluster.play(words, HOSTS));
    expect(await versions()).toEqual(allOn(PATCH));
    expect(leader).not.toBe(lost);
  });
});
