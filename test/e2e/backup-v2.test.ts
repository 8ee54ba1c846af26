import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, expectRefused } from './cluster.ts';
import { lostAt } from './losing.ts';
import type { PlayResult } from './play.ts';
import { V2Client } from './v2-keys.ts';
import { testVersion } from './version.ts';
import { etcdctl, membersSeenBy } from './witness.ts';

const LAB = 'mx-backup-v2';
/** It has the v2 API, and must be told to serve it. */
const TOLD = testVersion('3.4.23');
let lab: Lab;
let cluster: Cluster;
let hosts: string[];
let backups: string;

beforeAll(async () => {
  for (const version of ['3.3.25', TOLD]) await ensureRelease(version);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
});
afterAll(() => lab?.down());

async function made(version: string, on: string[]): Promise<void> {
  hosts = on;
  cluster = await Cluster.of(lab, version, hosts);
  backups = join(lab.dir, `backups-${version}`);
  rmSync(backups, { recursive: true, force: true });
}
const withFolder = (words: readonly string[]) => [...words, '-e', `LOCAL_ETCD_BACKUP_DIR=${backups}`];
const run = (...words: string[]): Promise<PlayResult> => cluster.play(withFolder(words), hosts);
/** etcd's own etcdctl with API 2, on a host. */
const v2 = (words: string, host = hosts[0]!) =>
  cluster.on(
    host,
    `cd /etc/etcd/cert && ETCDCTL_API=2 etcdctl --ca-file etcd-ca.pem --cert-file etcd-client.pem --key-file etcd-client-key.pem --timeout 30s --total-timeout 60s --endpoints https://127.0.0.1:2379 ${words}`,
  );
/** By quorum: a member may be a moment behind with what the others have taken. */
const all = (host?: string) => v2('ls -q -r --sort -p /', host);
const named = (pattern: RegExp) => readdirSync(backups).filter((name) => pattern.test(name));
const oldest = (pattern: RegExp) => join(backups, named(pattern).sort()[0]!);

async function fill(): Promise<void> {
  await v2('set /app/a one; true');
  for (const words of ["set '/app/a b%c' 'two & three'", 'set /top x', 'mkdir /empty', 'set --ttl 3600 /brief y'])
    await v2(words);
  await etcdctl(lab, hosts[0]!, 'put v3 key');
}

describe('a cluster of three, etcd 3.3.25', () => {
  let saved = '';
  beforeAll(async () => {
    await made('3.3.25', ['h1', 'h2', 'h3']);
  });

  it('has no such file where the v2 API holds nothing', async () => {
    expectDone(await run('backup_etcd'));
    expect(named(/v2/)).toEqual([]);
    rmSync(backups, { recursive: true });
  });

  it('keeps what the v2 API holds beside its snapshot, proven, listed and packed like it', async () => {
    await fill();
    saved = await all();
    expect((await run('backup_etcd', '-C')).text).toContain('save what the v2 API holds too, by etcdctl backup');
    const key = join(lab.dir, 'age.key');
    rmSync(key, { force: true });
    const recipient = (await run('backups', '--new-key', key)).stdout.trim();
    const second = join(lab.dir, 'second');
    rmSync(second, { recursive: true, force: true });
    const done = await run('backup_etcd', '-e', `backup_encrypt_to=${recipient}`, '-e', `backup_copy_to=${second}`);
    expectDone(done);
    expect(done.text).toMatch(/v2 API {4}4 keys in etcd_\S+\.v2\.tar\.gz\.age .*started on trial by etcd 3\.3\.25/);
    const [name] = named(/\.v2\.tar\.gz\.age$/);
    expect(readdirSync(second)).toContain(name);
    const sealed = await run('backups', '--verify', '--identity', key);
    expect([sealed.code, sealed.stdout]).toEqual([0, expect.stringMatching(/V2 KEYS(.|\n)*\| 4 +\|.*\| good/)]);
    expectDone(await run('backup_etcd', '-e', 'keep_last=1'));
    expect(named(/\.db|v2/).map((one) => one.replace(/.*_r\d+|.*_snapshot/, ''))).toEqual([
      '.db',
      '.db.json',
      '.v2.tar.gz',
      '.db',
    ]);
    expect(await cluster.on('h1', 'ls -A /var/tmp | grep play')).toBe('');
  });

  it('refuses damaged ones before anything is stopped', async () => {
    const file = oldest(/\.v2\.tar\.gz$/);
    const good = readFileSync(file);
    const before = await cluster.on('h1', 'systemctl show etcd -p InvocationID; ls /var/lib');
    const flipped = Buffer.from(good);
    flipped[good.length >> 1]! ^= 0x20;
    for (const [bytes, words] of [
      [flipped, 'it is not what its manifest describes'],
      [good.subarray(0, good.length / 2), 'it is not what its manifest describes'],
      [undefined, 'it is not there, and its manifest names it'],
    ] as const) {
      if (bytes) writeFileSync(file, bytes);
      else rmSync(file);
      const result = await run('restore_etcd', '--yes');
      expect([result.code, result.text]).toEqual([2, expect.stringContaining(words)]);
      expect(result.text).not.toContain('changed:');
    }
    expect((await run('backups')).text).toContain('no: its v2 data are not there');
    writeFileSync(file, good);
    expect(await cluster.on('h1', 'systemctl show etcd -p InvocationID; ls /var/lib')).toBe(before);
  });

  it('is restored with both, also when it is killed before the keys of v2 are there', async () => {
    await v2('rm /app/a');
    await v2('set /top changed');
    await v2('set /later z');
    await etcdctl(lab, 'h1', 'put v3 changed');
    const snapshot = oldest(/_r\d+\.db$/);
    const words = withFolder(['restore_etcd', '--yes', '-e', `snapshot=${snapshot}`]);
    const plan = await cluster.play([...words, '-C'], hosts);
    expect(plan.text).toMatch(
      /what the v2 API of h1, h2, h3 holds now will be gone\n[\s\S]*write 4 keys of the v2 API anew/,
    );
    await cluster.killedAt(/^Keys of the v2 API/, words, hosts);
    expectDone(await cluster.play(words, hosts));
    expect(await all('h2')).toBe(saved);
    expect(await v2("get -q '/app/a b%c'", 'h3')).toBe('two & three');
    expect(await v2('get /top')).toBe('x');
    expect(Number(/ttl: (\d+)/i.exec(await v2('-o extended get /brief'))?.[1])).toBeGreaterThan(3000);
    expect(await etcdctl(lab, 'h1', 'get v3')).toBe('v3\nkey\n');
    await cluster.isOf(hosts);
    // What ran before was saved too, with its own.
    expect(named(/\.v2\.tar\.gz$/)).toHaveLength(2);
  });

  it('begins anew with the v2 data alone, the way of the reference', async () => {
    await cluster.on('h1', 'systemctl stop etcd');
    const script = 'systemctl kill -s KILL etcd; systemctl stop etcd; rm -rf /var/lib/etcd';
    await Promise.all(['h2', 'h3'].map((host) => cluster.on(host, script)));
    const tar = readFileSync(oldest(/\.v2\.tar\.gz$/)).toString('base64');
    await cluster.on('h1', 'mv /var/lib/etcd /var/lib/etcd.old && install -d -o etcd -g etcd -m 700 /var/lib/etcd');
    const unpack = 'base64 -d | tar -xzf - -C /var/lib/etcd && chown -R etcd: /var/lib/etcd';
    expect((await lab.exec('h1', unpack, { input: tar })).code).toBe(0);
    expectDone(await run('recover_etcd', '--yes', '-e', 'from=h1'));
    expect(await all('h3')).toBe(saved);
    expect((await membersSeenBy(lab, 'h1')).map(({ name }) => name)).toEqual(['etcd-h1', 'etcd-h2', 'etcd-h3']);
  });

  it('is backed up with keys that were made in order, to which etcdctl gives other numbers', async () => {
    for (const value of ['first', 'second']) await v2(`mk --in-order /queue ${value}`);
    const done = await run('backup_etcd');
    expectDone(done);
    expect(done.text).toMatch(/6 keys in .*; 2 made in order have other numbers in it, in the same order/);
  });

  it('is restored with many, though the host is lost by which they are written', async () => {
    // Keys that were made in order get other numbers.
    await v2('rm -r /queue');
    const many = new V2Client(cluster.endpoints(['h1'])[0]!, cluster.pki);
    await many.fill(10, 200);
    many.close();
    const before = await all();
    expectDone(await run('backup_etcd', '-e', 'keep_last=9'));
    await v2('rm -r /app');
    const snapshot = join(
      backups,
      named(/_r\d+\.db$/)
        .sort()
        .at(-1)!,
    );
    const words = withFolder(['restore_etcd', '--yes', '-e', `snapshot=${snapshot}`, '-e', 'safety=false']);
    const { text } = await lostAt(cluster, { line: /^Keys of the v2 API/, loss: 'cut', host: 'h1' }, words, hosts);
    expect(text).toMatch(/\[Keys of the v2 API are put back\] connection lost(.|\n)*run the same command again/);
    expect(await all('h2')).not.toBe(before);
    expectDone(await cluster.play(words, hosts));
    for (const host of hosts) expect(await all(host)).toBe(before);
  });
});

describe(`a cluster of one, etcd ${TOLD}, told to serve v2`, () => {
  it('is backed up with it, and recovered from that', async () => {
    await made(TOLD, ['h1']);
    const on = ['-e', 'ETCD_ENABLE_V2=true'];
    expectDone(await run('reload_etcd', '--yes', ...on));
    await fill();
    const saved = await all();
    expectDone(await run('backup_etcd', ...on));
    const wiped = 'systemctl kill -s KILL etcd; systemctl stop etcd; rm -rf /var/lib/etcd';
    await cluster.on('h1', wiped);
    const refused = await run('restore_etcd', '--yes');
    expectRefused(
      refused,
      `the backup has 4 keys of the v2 API, and etcd ${TOLD} does not serve it unless it is told to`,
    );
    const words = withFolder(['recover_etcd', '--yes', ...on]);
    await cluster.killedAt(/^Keys of the v2 API/, words, hosts);
    expectDone(await cluster.play(words, hosts));
    expect(await all()).toBe(saved);
    expect(await etcdctl(lab, 'h1', 'get v3')).toBe('v3\nkey\n');
    await cluster.on('h1', wiped);
    const without = await run('restore_etcd', '--yes', '-e', 'v2=false', ...on);
    expectDone(without);
    expect(without.text).toContain('4 keys of the v2 API in the backup are left out');
    expect(await all()).toBe('');
  });
});
