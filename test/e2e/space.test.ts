import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { killAt, runPlay } from './play.ts';
import { testVersion } from './version.ts';
import { etcdctl, fingerprint } from './witness.ts';

const LAB = 'space';
const VERSION = testVersion('3.5.16');
/** A member of 3.3 does not tell how much of its database is in use, and over TLS none of that version compares itself with the others. */
const IS_33 = VERSION.startsWith('3.3.');
const THREE = ['h1', 'h2', 'h3'];
const ALL = 'do=compact,defrag,disarm';
let lab: Lab;

beforeAll(async () => {
  await Promise.all([VERSION, '3.4.23'].map((version) => ensureRelease(version)));
  lab = await openLab({ name: LAB, hosts: 4, fresh: true });
  const small = { ETCD_QUOTA_BACKEND_BYTES: '8MiB', ETCD_CLUSTER_TOKEN: 'tight' };
  // A member whose data are damaged must come up, and be found out while it serves.
  const watched = { ETCD_INITIAL_CORRUPT_CHECK: 'false', ETCD_EXTRA: 'ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME=1s' };
  await lab.writeInventory(three(), { hosts: THREE, vars: { ...etcdVars(LAB, VERSION), ...small, ...watched } });
  const alone = { ...etcdVars(LAB, '3.4.23'), CERT_LOCAL_DIR: join(lab.dir, 'pki-old'), ...small };
  await lab.writeInventory(old(), { hosts: ['h4'], vars: { ...alone, LOCAL_ETCD_BACKUP_DIR: join(lab.dir, 'old') } });
  for (const made of await Promise.all([three(), old()].map((file) => runPlay(['create_etcd', '-i', file])))) {
    expect(made.code, made.text).toBe(0);
  }
});
afterAll(() => lab?.down());

const three = () => join(lab.dir, 'three.ini');
const old = () => join(lab.dir, 'old.ini');
const space = (...words: string[]) => runPlay(['space_etcd', '-i', three(), '--output', 'lines', ...words]);
const backups = (folder: string) => readdirSync(folder).filter((name) => /_r\d+\.db$/.test(name));

/** Runs lines on a host, in which `ctl` is etcdctl. */
async function onHost(host: string, script: string): Promise<string> {
  const file = (name: string) => `/etc/etcd/cert/etcd-${name}.pem`;
  const tls = `--cacert=${file('ca')} --cert=${file('client')} --key=${file('client-key')}`;
  const ctl = `ctl() { ETCDCTL_API=3 etcdctl --dial-timeout=5s --command-timeout=20s --endpoints=https://${lab.addressOf(host)}:2379 ${tls} "$@"; }`;
  const { code, stdout, stderr } = await lab.exec(host, `${ctl}\n${script}`);
  expect(code, stderr).toBe(0);
  return stdout;
}

/**
 * Writes one key over and over until etcd takes no more. It refuses what would not find room: only of the last ones, which have less
 * than a page, does that say that the database has all of its quota.
 */
async function fill(host: string): Promise<void> {
  const script = `
    exec 2>&1
    size() { ctl endpoint status -w json | grep -o '"dbSize":[0-9]*' | cut -d: -f2; }
    value() { head -c "$1" /dev/urandom | base64 -w0 >/tmp/v; }
    ctl put kept here
    for bytes in 700000 50000; do
      value $bytes
      while [ "$(size)" -lt $((8 * 1024 * 1024 - 3 * bytes)) ]; do ctl put big </tmp/v; done
    done
    value 2000
    for i in $(seq 1000); do ctl put big </tmp/v || exit 0; done`;
  const said = await onHost(host, script);
  expect(said).toContain('database space exceeded');
  expect(await etcdctl(lab, host, 'alarm list')).toContain('NOSPACE');
}

async function isWell(host: string): Promise<void> {
  expect(await etcdctl(lab, host, 'alarm list')).toBe('');
  expect(await etcdctl(lab, host, 'get kept')).toBe('kept\nhere\n');
  expect(await etcdctl(lab, host, 'put kept here')).toBe('OK\n');
}

const sizes = async (hosts: readonly string[]) => {
  const words = await Promise.all(hosts.map((host) => etcdctl(lab, host, 'endpoint status -w json')));
  return words.map((text) => (JSON.parse(text) as [{ Status: { dbSize: number } }])[0].Status.dbSize);
};

describe('a cluster that is full', () => {
  it('is looked at, with what each member takes of its quota; nothing else is done', async () => {
    await fill('h1');
    const before = await fingerprint(lab, 'h1');
    const looked = await space();
    expect(looked.code).toBe(2);
    const inUse = IS_33 ? '-' : '[\\d.]+M';
    expect(looked.stdout).toMatch(
      new RegExp(`\\| h2 +\\| (leader|follower) +\\| [\\d.]+M +\\| ${inUse} +\\| 8\\.0M +\\| \\d+ % +\\| `),
    );
    expect(looked.text).toContain('play space_etcd -e do=compact,defrag,disarm');
    const checked = await space('-e', ALL, '-C');
    expect(checked.code, checked.text).toBe(0);
    expect(checked.stdout).toMatch(/PLAN make room[\s\S]* 1\. h\d +take a backup[\s\S]* 7\. control +disarm/);
    expect(await fingerprint(lab, 'h1')).toBe(before);
    expect(await etcdctl(lab, 'h1', 'alarm list')).toContain('NOSPACE');
  });

  it('is not disarmed while there is no room', async () => {
    const { code, text } = await space('-e', 'do=disarm');
    expect(code).toBe(2);
    // Each member lays its pages in its own way: all that are over their quota are named, and no others.
    const full = [...text.matchAll(/^\| (h\d) +\|.*\| +\d{3,} % +\|/gm)].map(([, host]) => host);
    const refused = [
      ...text.matchAll(/(h\d): its database has [\d.]+M, and its quota is 8\.0M: disarmed, the alarm would come back/g),
    ].map(([, host]) => host);
    expect(full.length, text).toBeGreaterThan(0);
    expect(refused.toSorted(), text).toEqual(full.toSorted());
  });

  it('gets room again, also when it is killed at each step and run again', async () => {
    const moments = [
      /changed: .* Backup is taken/,
      /^Compact/,
      /changed: .* What was overwritten is forgotten/,
      /^Defragment h/,
      /changed: .* Database is written anew/,
      /changed: .* Leadership moves/,
      /^Disarm/,
    ];
    for (const moment of moments) {
      const { code, text } = await runPlay(['space_etcd', '-i', three(), '--output', 'lines', '-e', ALL], {
        env: killAt(moment),
      });
      expect(code, `${moment}: ${text}`).toBeNull();
    }
    const last = await space('-e', ALL);
    expect(last.code, last.text).toBe(0);
    await isWell('h1');
    for (const size of await sizes(THREE)) expect(size).toBeLessThan(3 * 1024 ** 2);
    // One was enough: nothing was written meanwhile.
    expect(backups(join(lab.dir, 'backups'))).toHaveLength(1);
    const again = await space('-e', ALL);
    expect(again.code, again.text).toBe(0);
    if (IS_33) expect(again.text).toContain('what it would gain is not told by this version');
    else expect(again.text).not.toMatch(/^ {2}changed:/m);
  });

  it('gets room again with etcd 3.4 and a single member, from a verified backup on', async () => {
    await fill('h4');
    const { code, text } = await runPlay(['space_etcd', '-i', old(), '--output', 'lines', '-e', ALL]);
    expect(code, text).toBe(0);
    expect(text).toContain('there is one voter: nothing is served while it is defragmented');
    await isWell('h4');
    expect((await sizes(['h4']))[0]).toBeLessThan(3 * 1024 ** 2);
    const [backup] = backups(join(lab.dir, 'old'));
    const listed = await runPlay(['backups', '-i', old(), '--verify']);
    expect(listed.stdout).toContain(backup);
    expect(listed.code, listed.text).toBe(0);
  });
});

describe('a cluster that is full of keys', () => {
  it('says so, gets a larger quota in spite of its alarm, and is disarmed then', async () => {
    await onHost(
      'h4',
      'head -c 500000 /dev/urandom | base64 -w0 >/tmp/v; for i in $(seq 3); do ctl put full/$i </tmp/v; done',
    );
    const words = ['-i', old(), '--output', 'lines'];
    const smaller = await runPlay(['reload_etcd', ...words, '-e', 'ETCD_QUOTA_BACKEND_BYTES=2MiB', '--yes']);
    // Its own proof is the first write that finds no room.
    expect([smaller.code, smaller.text]).toEqual([2, expect.stringContaining('database space exceeded')]);
    const full = await runPlay(['space_etcd', ...words, '-e', ALL]);
    expect([full.code, full.text]).toEqual([2, expect.stringContaining('the keys themselves fill it')]);
    const larger = ['-e', 'ETCD_QUOTA_BACKEND_BYTES=64MiB'];
    const reloaded = await runPlay(['reload_etcd', ...words, ...larger, '--yes']);
    expect(reloaded.code, reloaded.text).toBe(0);
    expect(reloaded.text).toContain('the alarm NOSPACE and takes no writes');
    const disarmed = await runPlay(['space_etcd', ...words, ...larger, '-e', 'do=disarm']);
    expect(disarmed.code, disarmed.text).toBe(0);
    await isWell('h4');
  });
});

describe.runIf(!IS_33)('a member whose data differ', () => {
  // A member that joins goes through the log, with all that once filled the cluster.
  const wide = ['-e', 'ETCD_QUOTA_BACKEND_BYTES=64MiB'];
  const space = (...words: string[]) => runPlay(['space_etcd', '-i', three(), '--output', 'lines', ...wide, ...words]);
  beforeAll(async () => {
    const reloaded = await runPlay(['reload_etcd', '-i', three(), ...wide, '--yes']);
    expect(reloaded.code, reloaded.text).toBe(0);
  });

  it('is named by comparing all, and its alarm is not disarmed', async () => {
    await etcdctl(lab, 'h1', 'put text honest-value');
    // It has it, too, before it is stopped.
    await etcdctl(lab, 'h3', 'get text');
    // What lies in the pages of its database has no sum of its own.
    const spoil =
      "systemctl stop etcd; LC_ALL=C sed -i 's/honest-value/broken-value/g' /var/lib/etcd/member/snap/db; systemctl start etcd";
    expect((await lab.exec('h3', spoil)).code).toBe(0);
    await onHost('h1', 'for i in $(seq 100); do ctl alarm list | grep CORRUPT && exit 0; sleep 0.2; done; exit 1');
    const looked = await space();
    expect(looked.code).toBe(2);
    expect(looked.text).toMatch(/h3: the cluster has the alarm CORRUPT .*the data of this member differ from those of/);
    for (const wish of ['do=disarm', ALL]) {
      const { code, text } = await space('-e', wish);
      expect(code, text).toBe(2);
      expect(text).toMatch(/h3: .*differ[\s\S]*play delete_etcd -l h3/);
    }
    expect(await etcdctl(lab, 'h1', 'alarm list')).toContain('CORRUPT');
  });

  it('is taken out, then the alarm is disarmed, since the others are equal', async () => {
    const deleted = await runPlay(['delete_etcd', '-i', three(), '-l', 'h3', ...wide, '--yes']);
    expect(deleted.code, deleted.text).toBe(0);
    const { code, text } = await space('-e', 'do=disarm');
    expect(code, text).toBe(0);
    await isWell('h1');
    expect(await etcdctl(lab, 'h1', 'get text --print-value-only')).toBe('honest-value\n');
  });

  it('comes back with the data of the cluster', async () => {
    const added = await runPlay(['add_etcd', '-i', three(), '-l', 'h3', ...wide]);
    expect(added.code, added.text).toBe(0);
    expect(await etcdctl(lab, 'h3', 'get text --print-value-only --consistency=s')).toBe('honest-value\n');
    const looked = await space();
    expect(looked.code, looked.text).toBe(0);
  });
});
