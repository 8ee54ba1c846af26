import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { PLAY, type PlayResult, runPlay } from './play.ts';
import { etcdctl, fingerprint, membersSeenBy } from './witness.ts';

let lab: Lab;
let created: PlayResult;
const inventory = () => ['-i', lab.inventoryFile];
const names = () => lab.hosts.map(({ name }) => name);
const onAll = <T>(work: (host: string) => Promise<T>) => Promise.all(names().map(work));

beforeAll(async () => {
  await ensureRelease('3.5.16');
  lab = await openLab({ name: 'create', hosts: 3, fresh: true, vars: etcdVars('create', '3.5.16') });
  created = await runPlay(['create_etcd', ...inventory()]);
});
afterAll(() => lab?.down());

describe('create_etcd on three fresh hosts', () => {
  it('ends with exit code 0 and a recap without failures', () => {
    expect(created.code, created.text).toBe(0);
    for (const host of names()) {
      expect(created.stdout).toMatch(new RegExp(`^${host} +: ok=\\d+ +changed=\\d+ +unreachable=0 +failed=0`, 'm'));
    }
  });

  it('makes one cluster of three healthy members, as etcdctl on each host sees it', async () => {
    const views = await onAll((host) => membersSeenBy(lab, host));
    expect(views[0]!.map((member) => member.name)).toEqual(['etcd-h1', 'etcd-h2', 'etcd-h3']);
    for (const view of views) expect(view).toEqual(views[0]);
    const health = await onAll((host) => etcdctl(lab, host, 'endpoint health'));
    for (const words of health) expect(words).toContain('is healthy');
  });

  it('lets a key that is written through one member be read through the others', async () => {
    await etcdctl(lab, 'h1', 'put greeting hello');
    const read = await onAll((host) => etcdctl(lab, host, 'get greeting --print-value-only'));
    expect(read).toEqual(['hello\n', 'hello\n', 'hello\n']);
  });

  it('leaves no key of its own behind in etcd', async () => {
    expect(await etcdctl(lab, 'h1', 'get etcd-play --prefix --keys-only')).toBe('');
  });

  it('prints the plan with quorum and undo before it acts', () => {
    const plan = created.stdout.indexOf('PLAN form a cluster of 3');
    expect(plan).toBeGreaterThan(0);
    expect(created.stdout.indexOf('Release is installed')).toBeGreaterThan(plan);
    expect(created.stdout).toMatch(/quorum: forms: 2 of 3; undo: no/);
  });

  it('prints the member table, the health table and an etcdctl line that works as it stands', async () => {
    expect(created.stdout).toMatch(/\| ID +\| STATUS +\| NAME +\| PEER ADDRS +\| CLIENT ADDRS +\| IS LEADER \|/);
    expect(created.stdout).toMatch(/\| ENDPOINT +\| HEALTH \| TOOK +\| ERROR \|/);
    expect(created.stdout.match(/\| true +\| +\d+\.\d+ms/g) ?? created.stdout.match(/\| true {3}\| /g)).toHaveLength(3);
    const line = /^ {2}(sudo ETCDCTL_API=3 .*)$/m.exec(created.stdout)?.[1];
    const { code, stdout } = await lab.exec('h2', line!, { user: 'plain' });
    expect(code).toBe(0);
    expect(stdout.match(/3\.5\.16/g)).toHaveLength(3);
  });

  it('leaves etcd.conf saying existing, and etcd.service enabled', async () => {
    const states = await onAll(async (host) => {
      const command = 'grep ^ETCD_INITIAL_CLUSTER_STATE /etc/etcd/etcd.conf; systemctl is-enabled etcd';
      return (await lab.exec(host, command)).stdout;
    });
    for (const state of states) expect(state).toBe('ETCD_INITIAL_CLUSTER_STATE="existing"\nenabled\n');
  });

  it('closes keys and data to everybody but their reader', async () => {
    const { stdout } = await lab.exec('h1', "stat -c '%n %a %U %G' /etc/etcd/cert/* /var/lib/etcd");
    expect(stdout.trim().split('\n').sort()).toEqual([
      '/etc/etcd/cert/etcd-ca.pem 644 etcd etcd',
      '/etc/etcd/cert/etcd-client-key.pem 600 root root',
      '/etc/etcd/cert/etcd-client.pem 644 root root',
      '/etc/etcd/cert/etcd-peer-key.pem 600 etcd etcd',
      '/etc/etcd/cert/etcd-peer.pem 644 etcd etcd',
      '/etc/etcd/cert/etcd-server-key.pem 600 etcd etcd',
      '/etc/etcd/cert/etcd-server.pem 644 etcd etcd',
      '/var/lib/etcd 700 etcd etcd',
    ]);
  });

  it('keeps the CA key on the control machine, closed to others', async () => {
    const caKey = readFileSync(join(lab.pkiDir, 'ca-key.pem'), 'utf8');
    const secret = caKey.split('\n')[1]!;
    const found = await onAll((host) => lab.exec(host, `grep -rlF -- '${secret}' /etc /opt /var/lib /root /tmp /run`));
    for (const { stdout } of found) expect(stdout).toBe('');
    for (const file of readdirSync(lab.pkiDir).filter((name) => name.endsWith('-key.pem'))) {
      expect(statSync(join(lab.pkiDir, file)).mode & 0o777, file).toBe(0o600);
    }
  });

  it('issues server and peer certificates for all the names of a member', async () => {
    for (const { name, address } of lab.hosts) {
      for (const kind of ['server', 'peer']) {
        const { stdout } = await lab.exec(name, `cat /etc/etcd/cert/etcd-${kind}.pem`);
        const certificate = new X509Certificate(stdout);
        for (const dns of [name, `etcd-${name}`, 'localhost']) expect(certificate.checkHost(dns), dns).toBeDefined();
        for (const ip of [address, '127.0.0.1', '::1']) expect(certificate.checkIP(ip), ip).toBeDefined();
        expect(certificate.publicKey.asymmetricKeyType).toBe('ec');
        // serverAuth and clientAuth
        expect(certificate.keyUsage.toSorted()).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
      }
    }
  });

  it('refuses clients without a certificate', async () => {
    const words = `etcdctl --endpoints=https://${lab.addressOf('h1')}:2379 --cacert=/etc/etcd/cert/etcd-ca.pem`;
    const { code } = await lab.exec('h1', `${words} --command-timeout=2s endpoint health`);
    expect(code).not.toBe(0);
  });

  it('installs the release into a versioned directory behind one link', async () => {
    const { stdout } = await lab.exec(
      'h1',
      'readlink /opt/etcd/current; readlink -f /usr/local/bin/etcd; etcd --version',
    );
    expect(stdout).toMatch(/^\/opt\/etcd\/v3\.5\.16\n\/opt\/etcd\/v3\.5\.16\/etcd\netcd Version: 3\.5\.16/);
  });
});

describe('create_etcd run again', () => {
  it('changes nothing on any host, restarts nothing, and ends with exit code 0', async () => {
    const before = await onAll((host) => fingerprint(lab, host));
    const revision = await etcdctl(lab, 'h1', 'get x -w fields | grep Revision');
    const certificates = readdirSync(lab.pkiDir).map((name) => statSync(join(lab.pkiDir, name)).mtimeMs);
    const again = await runPlay(['create_etcd', ...inventory()]);
    expect(again.code, again.text).toBe(0);
    expect(again.stdout).not.toMatch(/changed=[1-9]/);
    expect(await onAll((host) => fingerprint(lab, host))).toEqual(before);
    expect(await etcdctl(lab, 'h1', 'get x -w fields | grep Revision')).toBe(revision);
    expect(readdirSync(lab.pkiDir).map((name) => statSync(join(lab.pkiDir, name)).mtimeMs)).toEqual(certificates);
  });

  it('is over within seconds, also in check mode: nothing keeps the process alive', async () => {
    const check = await runPlay(['create_etcd', ...inventory(), '-C']);
    expect(check.durationMs).toBeLessThan(15_000);
  });

  it('goes on to its end when who reads its output has left', async () => {
    const line = `${process.execPath} ${PLAY} create_etcd -i ${lab.inventoryFile} | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout } = await promisify(execFile)('bash', ['-c', line]);
    expect(stdout.trim().split('\n').at(-1)).toBe('0');
  });

  it('changes nothing in check mode either, and says so', async () => {
    const before = await onAll((host) => fingerprint(lab, host));
    const check = await runPlay(['create_etcd', ...inventory(), '-C', '-D']);
    expect(check.code, check.text).toBe(0);
    expect(check.stdout).toContain('(check mode)');
    expect(check.stdout).not.toMatch(/changed=[1-9]|would change:/);
    expect(await onAll((host) => fingerprint(lab, host))).toEqual(before);
  });

  it('puts right what was changed by hand outside of etcd.conf, and shows it first with -C -D', async () => {
    await lab.exec('h2', 'chmod 0755 /var/lib/etcd; echo "# by hand" >>/etc/systemd/system/etcd.service');
    const check = await runPlay(['create_etcd', ...inventory(), '-C', '-D']);
    expect(check.stdout).toMatch(/would change: \[h2\] Directories are there \(.*mode 0755 → 0700/);
    expect(check.stdout).toContain('-# by hand');
    const again = await runPlay(['create_etcd', ...inventory()]);
    expect(again.code, again.text).toBe(0);
    expect(again.stdout).toMatch(/^h2 +: ok=\d+ +changed=2/m);
    expect(
      (await lab.exec('h2', 'stat -c %a /var/lib/etcd; grep -c "by hand" /etc/systemd/system/etcd.service')).stdout,
    ).toBe('700\n0\n');
  });

  it('starts a member that was stopped', async () => {
    await lab.exec('h3', 'systemctl stop etcd');
    const again = await runPlay(['create_etcd', ...inventory()]);
    expect(again.code, again.text).toBe(0);
    expect(again.stdout).toContain('start the stopped members');
    expect(await etcdctl(lab, 'h3', 'endpoint health')).toContain('is healthy');
  });

  it('brings a member back by itself after its host was started again', async () => {
    await lab.stop('h2');
    await lab.start('h2');
    await expect
      .poll(() => etcdctl(lab, 'h2', 'endpoint health').catch(String), { timeout: 30_000 })
      .toContain('is healthy');
    expect((await runPlay(['create_etcd', ...inventory()])).stdout).not.toMatch(/changed=[1-9]/);
  });
});
