import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, expectRefused, wasUnharmed } from './cluster.ts';
import type { Traffic } from './traffic.ts';
import { longestGapMs, Versions, whole } from './versions.ts';

const LAB = 'upgrade-broken';
const HOSTS = ['h1', 'h2', 'h3'];
const OLD = '3.4.23';
const NEW = '3.5.16';
const KEPT = `/opt/etcd-${NEW}`;
let lab: Lab;
let cluster: Cluster;
let versions: Versions;
let traffic: Traffic;

const upgrade = (...words: string[]) => versions.upgrade(NEW, ...words);
const goBack = () => upgrade('-e', 'back=true');
const onAll = <T>(work: (host: string) => Promise<T>) => Promise.all(HOSTS.map(work));

/** The release as it is, but for its server, which a host has in its place unpacked already. */
async function breakRelease(host: string, script: string): Promise<void> {
  const { code, stderr } = await lab.exec(host, `cat >/opt/etcd/v${NEW}/etcd`, { input: script });
  if (code !== 0) throw new Error(stderr);
}
const PANICS = '#!/bin/sh\necho "panic: a reason of its own" >&2\nexit 2\n';
const ENDS = '#!/bin/sh\necho "etcd Version: broken"\necho "I cannot go on" >&2\nexit 1\n';
/** It runs, and never says that it is ready. */
const HANGS = '#!/bin/sh\necho "I am thinking" >&2\nexec sleep 600\n';

/** The release itself, which trusts none of the others. */
const NEVER_JOINS = `#!/bin/sh\nETCD_PEER_TRUSTED_CA_FILE=/etc/etcd/cert/etcd-server.pem exec ${KEPT} "$@"\n`;

const mend = (host: string) => lab.exec(host, `cp ${KEPT} /opt/etcd/v${NEW}/etcd`);
const followers = async () => {
  const leader = await cluster.leader(HOSTS);
  return { leader, followers: HOSTS.filter((host) => host !== leader) };
};

beforeAll(async () => {
  for (const version of [OLD, NEW]) await ensureRelease(version);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
  cluster = await Cluster.of(lab, OLD, HOSTS);
  versions = new Versions(cluster, HOSTS);
  traffic = await cluster.traffic(HOSTS, { leaseSeconds: 8 });
  // The new release lies on all hosts, as after a run that was ended early.
  await cluster.killedAt(/^h\d: etcd/, ['upgrade_etcd', '-e', `ETCD_VERSION=${NEW}`], HOSTS);
  await goBack();
  await onAll((host) => lab.exec(host, `cp /opt/etcd/v${NEW}/etcd ${KEPT}`));
});
afterAll(() => lab?.down());

describe('a new release that does not come up', () => {
  beforeEach(() => versions.wholly(OLD));
  afterEach(() => onAll(mend));

  it('on the first member is taken off again at once, and the run stops with its last words', async () => {
    const [first] = (await followers()).followers;
    await breakRelease(first!, PANICS);
    expect((await upgrade()).text).toMatch(/It ended with:\n\s+panic: a reason of its own/);
    await breakRelease(first!, ENDS);
    const failed = await upgrade();
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).not.toContain('a reason of its own');
    expect(failed.text).toMatch(
      new RegExp(`ERROR ${first}: .*etcd ${NEW} does not come up: .*last words:[^→]*I cannot go on`),
    );
    expect(failed.text).toMatch(
      new RegExp(`The other members were left alone\\. etcd ${OLD} was put back on ${first}, and serves`),
    );
    await versions.wholly(OLD);
  });

  it('on the middle one and on the last is taken off again, and the others may go on, or back', async () => {
    const {
      leader,
      followers: [first, middle],
    } = await followers();
    await breakRelease(middle!, NEVER_JOINS);
    // 3.4 has no pre-vote: a member that comes back may make the others elect anew, and the leader goes last.
    await cluster.lead(leader, HOSTS);
    const stopped = await upgrade('-e', 'ready_within=8s');
    expect(stopped.code, stopped.text).toBe(2);
    expect(stopped.text).toMatch(new RegExp(`ERROR ${middle}: .*was not ready within 8 s`));
    expect(stopped.text).toMatch(new RegExp(`etcd ${OLD} was put back on ${middle}, and serves`));
    expect(await versions.seen()).toEqual(HOSTS.map((host) => whole(host === first ? NEW : OLD)));
    await mend(middle!);

    await breakRelease(leader, ENDS);
    await cluster.lead(leader, HOSTS);
    const failed = await upgrade();
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).toMatch(new RegExp(`etcd ${OLD} was put back on ${leader}, and serves`));
    expect(await versions.seen()).toEqual(HOSTS.map((host) => whole(host === leader ? OLD : NEW)));
    await mend(leader);
    const back = await goBack();
    expectDone(back);
    expect(back.stdout).toContain(`back to etcd ${OLD}: 2 of 3 restarted`);
    await versions.wholly(OLD);
    expectRefused(await goBack(), 'nothing is half done');
  });

  it('at every other place and in every other way: the same', async () => {
    const {
      leader,
      followers: [first, middle],
    } = await followers();
    const cases: [host: string, script: string, upgraded: string[]][] = [
      [first!, NEVER_JOINS, []],
      [middle!, ENDS, [first!]],
      [middle!, HANGS, [first!]],
      [leader, HANGS, [first!, middle!]],
      [leader, NEVER_JOINS, [first!, middle!]],
    ];
    for (const [host, script, upgraded] of cases) {
      await breakRelease(host, script);
      await cluster.lead(leader, HOSTS);
      const failed = await upgrade('-e', 'ready_within=6s');
      expect(failed.code, failed.text).toBe(2);
      expect(failed.text).toMatch(new RegExp(`etcd ${OLD} was put back on ${host}, and serves`));
      expect(await versions.seen()).toEqual(HOSTS.map((one) => whole(upgraded.includes(one) ? NEW : OLD)));
      await mend(host);
    }
    expectDone(await goBack());
    await versions.wholly(OLD);
  });

  it('and hangs is waited for as long as was said', async () => {
    const [first] = (await followers()).followers;
    await breakRelease(first!, HANGS);
    const failed = await upgrade('-e', 'ready_within=6s');
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).toMatch(/was not ready within 6 s; its last words:[^→]*I am thinking/);
    expect(failed.text).toMatch(/was put back on/);
    await versions.wholly(OLD);
  });

  it('and its run is killed: the next one goes back, or on', async () => {
    const [first] = (await followers()).followers;
    await breakRelease(first!, HANGS);
    // It is killed while the member is down.
    const child = cluster.play(['upgrade_etcd', '-e', `ETCD_VERSION=${NEW}`], HOSTS, async (line, one) => {
      if (!/etcd\.service is in place/.test(line)) return;
      while ((await cluster.on(first!, 'systemctl is-active etcd')) === 'active');
      one.kill('SIGKILL');
    });
    expect((await child).code).toBeNull();
    expect((await versions.seen())[HOSTS.indexOf(first!)]).not.toContain(' active');
    const back = await goBack();
    expectDone(back);
    await versions.wholly(OLD);
  });
});

it('upgrades that broke and hung have cost no acknowledged write, no event of a watch and no lease', async () => {
  await wasUnharmed(traffic, 'upgrades that broke and hung', longestGapMs(HOSTS.length));
});
