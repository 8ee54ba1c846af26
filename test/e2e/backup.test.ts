import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explainedFor } from '../../src/etcd/backup/on-disk.ts';
import { BlockFile } from '../../src/local/block-file.ts';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensurePackages } from '../lab/packages.ts';
import { ensureRelease } from '../lab/releases.ts';
import { killAt, type PlayOptions, pausedAt, runPlay, signalAt } from './play.ts';
import { etcdctl } from './witness.ts';

const run = promisify(execFile);
const LAB = 'backup';
const HOSTS = ['h1', 'h2', 'h3'];
/** One cluster of three, and one of a single member for each other version. */
const SINGLE = { h4: '3.4.23', h5: '3.5.30' } as const;
let lab: Lab;
let count = 0;

beforeAll(async () => {
  // The witnesses of files that were packed.
  await ensurePackages(['age', 'zstd']);
  await Promise.all(['3.5.16', ...Object.values(SINGLE)].map((version) => ensureRelease(version)));
  lab = await openLab({ name: LAB, hosts: 5, fresh: true });
  await lab.writeInventory(three(), { hosts: HOSTS, vars: etcdVars(LAB, '3.5.16') });
  for (const [host, version] of Object.entries(SINGLE)) {
    const vars = { ...etcdVars(LAB, version), CERT_LOCAL_DIR: join(lab.dir, `pki-${host}`) };
    await lab.writeInventory(single(host), { hosts: [host], vars });
  }
  const inventories = [three(), ...Object.keys(SINGLE).map(single)];
  for (const made of await Promise.all(inventories.map((file) => runPlay(['create_etcd', '-i', file])))) {
    expect(made.code, made.text).toBe(0);
  }
  for (const host of ['h1', ...Object.keys(SINGLE)]) await fill(host);
});
afterAll(() => lab?.down());

const three = () => join(lab.dir, 'three.ini');
const single = (host: string) => join(lab.dir, `${host}.ini`);

/** Keys that were overwritten and deleted, and a compaction. */
async function fill(host: string): Promise<void> {
  const file = (name: string) => `/etc/etcd/cert/etcd-${name}.pem`;
  const tls = `--cacert=${file('ca')} --cert=${file('client')} --key=${file('client-key')}`;
  const ctl = `etcdctl --endpoints=https://${lab.addressOf(host)}:2379 ${tls}`;
  const script = `export ETCDCTL_API=3; for i in $(seq 12); do ${ctl} put k$i v$i; done; ${ctl} put k1 again; ${ctl} del k2; ${ctl} compact 6`;
  const { code, stderr } = await lab.exec(host, script);
  expect(code, stderr).toBe(0);
}

/** A backup into a new folder. */
async function backup(words: readonly string[] = [], inventory = three(), options: PlayOptions = {}) {
  const folder = join(lab.dir, `backups-${++count}`);
  const result = await backupTo(folder, words, inventory, options);
  return { ...result, folder, ...written(folder) };
}

function backupTo(folder: string, words: readonly string[] = [], inventory = three(), options: PlayOptions = {}) {
  const all = ['backup_etcd', '-i', inventory, '--output', 'lines', '-e', `LOCAL_ETCD_BACKUP_DIR=${folder}`, ...words];
  return runPlay(all, options);
}

interface Manifest {
  revision: string;
  from: { host: string };
  snapshot: { sizeBytes: number };
  proof: { restored?: { revision: string; keys: string; hash: number; compactRevision: string }; agree: string[] };
}

function written(folder: string): { names: string[]; path: string; manifest: Manifest } {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /\.db(\.gz|\.zst)?(\.age)?$/.test(name)) : [];
  const path = join(folder, names.find((name) => name !== 'etcd_snapshot.db') ?? 'none');
  const manifest = existsSync(`${path}.json`) ? JSON.parse(readFileSync(`${path}.json`, 'utf8')) : {};
  return { names, path, manifest: manifest as Manifest };
}

/** Nothing there looks like a backup, now or to the next run, and nothing is left behind after that one. */
async function isClean(folder: string): Promise<void> {
  const names = readdirSync(folder).filter((name) => !name.startsWith('.play-work~'));
  expect(names).toEqual([]);
  const again = await backupTo(folder);
  expect(again.code, again.text).toBe(0);
  const [link, ...others] = readdirSync(folder).toSorted().reverse();
  expect([link, others.length]).toEqual(['etcd_snapshot.db', 2]);
}

/** etcd's own restore and a look at it, by its own tool. */
async function restoredCount(
  path: string,
  version: string,
  scratch: string,
): Promise<{ revision: number; totalKey: number }> {
  const { archive } = await ensureRelease(version);
  const tools = join(lab.dir, `tools-${version}`);
  mkdirSync(tools, { recursive: true });
  await run('tar', ['-xzf', archive, '-C', tools, '--strip-components=1']);
  const tool = existsSync(join(tools, 'etcdutl')) ? 'etcdutl' : 'etcdctl';
  const env = { ...process.env, ETCDCTL_API: '3' };
  await run(join(tools, tool), ['snapshot', 'restore', path, '--data-dir', scratch], { env });
  const { stdout } = await run(join(tools, tool), ['snapshot', 'status', path, '-w', 'json'], { env });
  return JSON.parse(stdout);
}

const leader = async () => {
  const words = await Promise.all(HOSTS.map((host) => etcdctl(lab, host, 'endpoint status -w json')));
  const said = words.map(
    (text) => (JSON.parse(text) as [{ Status: { leader: number; header: { member_id: number } } }])[0],
  );
  return HOSTS[said.findIndex(({ Status }) => Status.leader === Status.header.member_id)]!;
};

describe('backup_etcd on a cluster of three', () => {
  it('tells the plan with -C and touches nothing', async () => {
    const { code, stdout, folder } = await backup(['-C']);
    expect(code, stdout).toBe(0);
    expect(stdout).toContain('PLAN back up the cluster');
    expect(stdout).toContain('from the leader, etcd 3.5.16');
    expect(existsSync(folder)).toBe(false);
  });

  it('takes a snapshot from the leader, proves it, and says the same as etcdctl does', async () => {
    const before = await leader();
    const { code, text, path, manifest, folder } = await backup();
    expect(code, text).toBe(0);
    expect(manifest.from.host).toBe(before);
    expect(manifest.proof.agree).toEqual(HOSTS);
    expect(readlinkSync(join(folder, 'etcd_snapshot.db'))).toBe(path.split('/').at(-1));
    const keys = /"Count" : (\d+)/.exec(await etcdctl(lab, 'h1', 'get "" --from-key --count-only -w fields'))?.[1];
    const hashes = await etcdctl(lab, 'h1', `endpoint hashkv --rev ${manifest.revision} -w json`);
    const [hash] = JSON.parse(hashes) as [{ HashKV: { hash: number; compact_revision: number } }];
    expect(manifest.proof.restored).toMatchObject({
      keys,
      hash: hash.HashKV.hash,
      compactRevision: String(hash.HashKV.compact_revision),
      revision: manifest.revision,
    });
    const found = await restoredCount(path, '3.5.16', join(lab.dir, 'restored-leader'));
    expect(String(found.revision)).toBe(manifest.revision);
  });

  it.each([
    ['a follower', 'follower'],
    ['a host by its name', 'h3'],
  ])('takes it from %s', async (_, from) => {
    const { code, text, manifest } = await backup(['-e', `from=${from}`]);
    expect(code, text).toBe(0);
    if (from === 'follower') expect(manifest.from.host).not.toBe(await leader());
    else expect(manifest.from.host).toBe(from);
  });

  it('takes it on the host when told to, and leaves nothing there', async () => {
    const { code, text, manifest } = await backup(['-e', 'via=host', '-e', 'ETCD_TMP_BACKUP_DIR=/var/tmp/away']);
    expect(code, text).toBe(0);
    expect((await lab.exec(manifest.from.host, 'ls -A /var/tmp/away')).stdout).toBe('');
  });

  it('packs with gzip or zstd, and encrypts to a key that age itself reads it back with', async () => {
    const key = join(lab.dir, 'key.txt');
    const recipient = (await runPlay(['backups', '--new-key', key])).stdout.trim();
    const second = join(lab.dir, 'second');
    const options = ['-e', 'backup_compression=zstd', '-e', `backup_encrypt_to=${recipient}`];
    const [zipped, sealed] = await Promise.all([
      backup(['-e', 'backup_compression=gzip']),
      backup([...options, '-e', `backup_copy_to=${second}`]),
    ]);
    expect([zipped.code, sealed.code], zipped.text + sealed.text).toEqual([0, 0]);
    const plain = join(lab.dir, 'plain.db');
    await run('bash', ['-c', `gzip -dc ${zipped.path} >${plain}`]);
    expect(String((await restoredCount(plain, '3.5.16', join(lab.dir, 'restored-gzip'))).revision)).toBe(
      zipped.manifest.revision,
    );
    const name = sealed.path.split('/').at(-1)!;
    expect(name).toMatch(/\.db\.zst\.age$/);
    await run('bash', ['-c', `set -o pipefail; age -d -i ${key} ${join(second, name)} | zstd -dc >${plain}`]);
    expect(String((await restoredCount(plain, '3.5.16', join(lab.dir, 'restored-age'))).revision)).toBe(
      sealed.manifest.revision,
    );
    const words = ['backups', '-i', three(), '--dir', second, '--verify'];
    const [shut, open] = await Promise.all([runPlay(words), runPlay([...words, '--identity', key])]);
    expect([shut.code, shut.stdout]).toEqual([2, expect.stringContaining('no key was given')]);
    expect([open.code, open.stdout]).toEqual([0, expect.stringContaining('| good')]);
  });

  it('keeps as many as it is told, in both folders, and nothing that is not its own', async () => {
    const [folder, second] = [join(lab.dir, 'kept'), join(lab.dir, 'kept-too')];
    mkdirSync(folder);
    writeFileSync(join(folder, 'mine.db'), 'x');
    for (let round = 0; round < 3; round++) {
      const { code, text } = await backupTo(folder, ['-e', 'keep_last=2', '-e', `backup_copy_to=${second}`]);
      expect(code, text).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    const count = (place: string) => readdirSync(place).filter((name) => /^etcd_.*_r\d+\.db$/.test(name)).length;
    expect([count(folder), count(second)]).toEqual([2, 2]);
    expect(readFileSync(join(folder, 'mine.db'), 'utf8')).toBe('x');
    const damaged = join(folder, readdirSync(folder).find((name) => /_r\d+\.db$/.test(name))!);
    const bytes = readFileSync(damaged);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(damaged, bytes);
    rmSync(`${damaged}.json`);
    const listed = await runPlay(['backups', '-i', three(), '--dir', folder, '--verify']);
    expect([listed.code, listed.stdout]).toEqual([2, expect.stringContaining('no: it has no manifest')]);
    expect(listed.stdout).toContain('BAD');
    expect(listed.stdout).toContain('| good');
  });

  it('is the newest and stays, where one was stamped by a clock that was ahead', async () => {
    const { code, text, folder, path } = await backup();
    expect(code, text).toBe(0);
    const [name, ahead] = [basename(path), basename(path).replace(/_\d{8}T/, '_20990101T')];
    const manifest = readFileSync(`${path}.json`, 'utf8').replaceAll(name, ahead);
    writeFileSync(join(folder, `${ahead}.json`), manifest);
    rmSync(`${path}.json`);
    renameSync(path, join(folder, ahead));
    const made = await backupTo(folder, ['-e', 'keep_last=1']);
    expect(made.code, made.text).toBe(0);
    expect(made.text).toContain(`${ahead} is stamped later than now`);
    const left = readdirSync(folder).filter((one) => one.endsWith('.db') && one !== 'etcd_snapshot.db');
    expect(left).not.toContain(ahead);
    expect(left).toEqual([readlinkSync(join(folder, 'etcd_snapshot.db'))]);
  });

  it('may be taken by several runs at once into the same folders: each keeps and copies its own', async () => {
    const [folder, second] = [join(lab.dir, 'shared'), join(lab.dir, 'shared-too')];
    const runs = await Promise.all([1, 2].map(() => backupTo(folder, ['-e', `backup_copy_to=${second}`])));
    for (const { code, text } of runs) expect(code, text).toBe(0);
    for (const place of [folder, second]) {
      const listed = await runPlay(['backups', '--dir', place, '--output', 'json']);
      const found = JSON.parse(listed.stdout) as { name: string; proof: string }[];
      expect(found.map(({ proof }) => proof)).toEqual(['restored', 'restored']);
      expect(readlinkSync(join(place, 'etcd_snapshot.db'))).toBe(found[0]!.name);
      expect(readdirSync(place)).toHaveLength(5);
    }
  });

  it('does without a member that is down, and goes without a quorum', async () => {
    const others = HOSTS.filter((host) => host !== 'h1');
    for (const host of others) await lab.exec(host, 'systemctl stop etcd');
    // For an election timeout a leader that was left alone believes that it leads.
    await expect
      .poll(() => etcdctl(lab, 'h1', 'endpoint status -w fields'), { timeout: 20_000 })
      .toContain('"Leader" : 0\n');
    const { code, text, manifest } = await backup();
    for (const host of others) await lab.exec(host, 'systemctl start etcd');
    expect(code, text).toBe(0);
    expect([manifest.from.host, manifest.proof.agree]).toEqual(['h1', ['h1']]);
    expect(text).toContain('there is no leader');
    await expect
      .poll(() => etcdctl(lab, 'h2', 'endpoint health').catch(String), { timeout: 20_000 })
      .toContain('is healthy');
  });
});

describe('backup_etcd that is cut off leaves nothing that looks like a backup', () => {
  it.each([
    ['before it is taken', /Place is made/],
    ['before it is proven', /Snapshot is taken/],
    ['before it is kept', /Snapshot is proven/],
  ])('killed %s', async (_, line) => {
    const { code, folder } = await backup([], three(), { env: killAt(line) });
    expect(code).toBeNull();
    await isClean(folder);
  });

  it('stopped by Ctrl-C', async () => {
    const { code, folder } = await backup([], three(), { env: signalAt(/Place is made/, 1, 'SIGINT') });
    expect(code).toBe(130);
    expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([]);
  });

  it('its host lost in the middle: another member gives it', async () => {
    const from = 'h2';
    const disturbed = pausedAt(/Place is made/, () => lab.kill(from, { silent: true }));
    const { code, text, manifest } = await backup(['-e', 'from=follower'], three(), disturbed);
    await lab.start(from);
    expect(code, text).toBe(0);
    expect(manifest.proof.restored).toBeDefined();
  });

  it.each([
    ['when the work begins', 1],
    ['when the snapshot comes', 2],
    ['when it is restored', 4],
    ['when the restored copy starts', 9],
  ])('the disk of this machine full %s', async (_, inodes) => {
    const folder = join(lab.dir, `full-${inodes}`);
    mkdirSync(folder);
    // Room enough for the plan; the kernel says ENOSPC for one file more than these.
    await run('mount', ['-t', 'tmpfs', '-o', `size=400m,nr_inodes=${inodes}`, 'lab-small-disk', folder]);
    try {
      const { code, text } = await backupTo(folder);
      expect(code, text).toBe(2);
      expect(text).toContain('the disk of this machine is full');
      expect(text).not.toContain('Take it from');
      expect(readdirSync(folder)).toEqual([]);
      await run('mount', ['-o', 'remount,nr_inodes=1000', folder]);
      await isClean(folder);
    } finally {
      await run('umount', ['-l', folder]);
    }
  });

  it('a disk that is too small is seen before anything is taken', async () => {
    const folder = join(lab.dir, 'small');
    mkdirSync(folder);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=100m', 'lab-small-disk', folder]);
    try {
      const { code, text } = await backupTo(folder);
      expect([code, text]).toEqual([2, expect.stringMatching(/MiB are free for .*, \d+ MiB are needed/)]);
      const file = await BlockFile.create(join(folder, 'big'), { explained: explainedFor(folder) });
      const fill = async () => {
        for (let mib = 0; mib < 200; mib++) await file.write(Buffer.alloc(1024 * 1024));
        await file.finish();
      };
      await expect(fill()).rejects.toThrow('the disk of this machine is full');
      await file.abandon();
    } finally {
      await run('umount', ['-l', folder]);
    }
  });
});

describe('backup_etcd on other versions', () => {
  it.each(Object.entries(SINGLE))('%s: etcd %s', async (host, version) => {
    const { code, text, path, manifest } = await backup(['-e', 'backup_compression=none'], single(host));
    expect(code, text).toBe(0);
    expect(manifest.proof.restored?.revision).toBe(manifest.revision);
    const found = await restoredCount(path, version, join(lab.dir, `restored-${host}`));
    expect(String(found.revision)).toBe(manifest.revision);
  });

  it('where users must log in', async () => {
    for (const words of ['user add root:secret', 'user grant-role root root', 'auth enable'])
      await etcdctl(lab, 'h5', words);
    const { code, text, path } = await backup([], single('h5'));
    expect(code, text).toBe(0);
    const again = await runPlay(['backups', path, '-i', single('h5'), '--verify']);
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('| good')]);
  });
});
