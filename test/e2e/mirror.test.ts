import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { killAt, type PlayOptions, runPlay } from './play.ts';
import { testVersion } from './version.ts';
import { etcdctl } from './witness.ts';

const LAB = 'mirror';
/** Of the source; the others are another newer and another older one. */
const VERSION = testVersion('3.5.16');
let lab: Lab;

/** The source and a group for h4 in one inventory, h5 in another. */
beforeAll(async () => {
  await Promise.all([VERSION, '3.5.30', '3.4.23'].map((version) => ensureRelease(version)));
  lab = await openLab({ name: LAB, hosts: 5, fresh: true });
  const varsOf = (name: string, version: string) => ({
    ...etcdVars(LAB, version),
    CERT_LOCAL_DIR: join(lab.dir, `pki-${name}`),
    ETCD_CLUSTER_TOKEN: name,
  });
  await lab.writeInventory(file('old'), { hosts: ['h1', 'h2', 'h3'], vars: varsOf('old', VERSION) });
  await lab.writeInventory(file('new'), { hosts: ['h4'], vars: varsOf('new', '3.5.30') });
  await lab.writeInventory(file('other'), { hosts: ['h5'], vars: varsOf('other', '3.4.23') });
  for (const made of await Promise.all(
    ['old', 'new', 'other'].map((name) => runPlay(['create_etcd', '-i', file(name)])),
  )) {
    expect(made.code, made.text).toBe(0);
  }
  const group = readFileSync(file('new'), 'utf8')
    .replace('[etcd]', '[etcd_new]')
    .replace('[etcd:vars]', '[etcd_new:vars]');
  writeFileSync(file('both'), `${readFileSync(file('old'), 'utf8')}\n${group}`);
  await onHost(
    'h1',
    [
      'for n in 0 1 2 3 4; do (echo; for i in $(seq 100); do echo "put app/$n/$i value-$n-$i"; done; echo; echo) | ctl txn >/dev/null; done',
      "printf '\\0binary\\377' | ctl put app/binary",
      'ctl put other/x y; lease=$(ctl lease grant 600 | cut -d" " -f2); ctl put --lease=$lease app/leased z',
    ].join('\n'),
  );
});
afterAll(() => lab?.down());

const file = (name: string) => join(lab.dir, `${name}.ini`);
const endpoint = (host: string) => `https://${lab.addressOf(host)}:2379`;
const tls = ['to_ca=ca', 'to_cert=client', 'to_key=client-key'];
const mirror = (words: readonly string[], options: PlayOptions = {}) => {
  const given = words.flatMap((word) => (word.startsWith('-') ? [word] : ['-e', word]));
  return runPlay(['mirror_etcd', '-i', file('both'), '--output', 'lines', ...given], options);
};

/** Runs lines on a host, in which `ctl` is etcdctl. */
async function onHost(host: string, script: string): Promise<string> {
  const at = (name: string) => `/etc/etcd/cert/etcd-${name}.pem`;
  const words = `--cacert=${at('ca')} --cert=${at('client')} --key=${at('client-key')}`;
  const ctl = `ctl() { ETCDCTL_API=3 etcdctl --dial-timeout=5s --command-timeout=20s --endpoints=https://127.0.0.1:2379 ${words} "$@"; }`;
  const { code, stdout, stderr } = await lab.exec(host, `${ctl}\n${script}`);
  expect(code, stderr).toBe(0);
  return stdout;
}

/** Keys and values as etcdctl has them, the keys without their beginning. */
async function content(host: string, prefix = '', without = ''): Promise<string[]> {
  const { kvs = [] } = JSON.parse(await etcdctl(lab, host, `get '${prefix}' --prefix -w json`)) as {
    kvs?: { key: string; value?: string }[];
  };
  return kvs.map(({ key, value }) => `${Buffer.from(key, 'base64').toString().slice(without.length)}=${value ?? ''}`);
}

it('shows what would be done, and refuses what cannot be', async () => {
  const checked = await mirror(['to=etcd_new', '-C']);
  expect(checked.code, checked.text).toBe(0);
  expect(checked.stdout).toMatch(/PLAN mirror all keys of old \(\w+\) to new \(\w+\)\n.*copy 503 keys of 503/);
  expect(checked.text).toContain('1 key belongs to leases');
  expect(await content('h4')).toEqual([]);
  const same = await mirror([
    `to=${endpoint('h2')}`,
    ...tls.map((one) => one.replace(/=(.*)/, `=${lab.dir}/pki-old/$1.pem`)),
  ]);
  expect([same.code, same.text]).toEqual([2, expect.stringContaining('is the same cluster')]);
  const nowhere = await mirror(['to=nowhere']);
  expect([nowhere.code, nowhere.text]).toEqual([1, expect.stringContaining('no group of this inventory, no file')]);
  const stranger = await mirror([
    `to=${endpoint('h4')}`,
    ...tls.map((one) => one.replace(/=(.*)/, `=${lab.dir}/pki-old/$1.pem`)),
  ]);
  expect(stranger.code).toBe(2);
  expect(stranger.text).toMatch(/no member answers .*certificate/);
});

it('goes on where it was killed, and ends with equal keys', async () => {
  for (const moment of [/^Copy/, /^Follow/]) {
    const { code, text } = await mirror(['to=etcd_new'], { env: killAt(moment) });
    expect(code, text).toBeNull();
  }
  const { code, text } = await mirror(['to=etcd_new']);
  expect(code, text).toBe(0);
  expect(text).toContain('503 keys are equal on both sides');
  expect(text).toContain('nobody writes at this moment');
  expect(text).toContain(`Point clients to ${endpoint('h4')}`);
  expect(await content('h4')).toEqual(await content('h1'));
});

it('follows a writer, also while a member there is restarted, and tells the lag', async () => {
  const writing = onHost(
    'h1',
    'i=0; end=$(($(date +%s) + 7)); while [ $(date +%s) -lt $end ] || [ $i -le 20 ]; do i=$((i + 1)); ctl put app/counter $i; ctl put app/new/$i x; [ $i -gt 5 ] && ctl del app/new/$((i - 5)); done >/dev/null; echo $i',
  );
  let begun = () => {};
  const follows = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const following = mirror(['to=etcd_new', 'follow=15s'], { onLine: (line) => /^Follow/.test(line) && begun() });
  await Promise.race([follows, following]);
  expect((await lab.exec('h4', 'systemctl restart etcd')).code).toBe(0);
  const [written, { code, text }] = await Promise.all([writing, following]);
  expect(code, text).toBe(0);
  expect(Number(written)).toBeGreaterThan(20);
  expect(text).toMatch(/revision \d+, \d+ behind old; \d+ written, \d+ deleted/);
  expect(text).toMatch(/changed: .* Changes are followed \(\d+ written, \d+ deleted, up to revision \d+\)/);
  expect(await content('h4')).toEqual(await content('h1'));
});

it('deletes what the source has deleted only when it is told to, and saves it before', async () => {
  await onHost('h1', 'ctl del app/0/ --prefix; ctl put app/1/1 changed; ctl put app/9 fresh');
  const refused = await mirror(['to=etcd_new']);
  expect([refused.code, refused.text]).toEqual([
    2,
    expect.stringContaining('new has 100 keys there that the source does not have: app/0/1,'),
  ]);
  const unasked = await mirror(['to=etcd_new', 'extra=delete']);
  expect([unasked.code, unasked.text]).toEqual([2, expect.stringContaining('not confirmed')]);
  const { code, text } = await mirror(['to=etcd_new', 'extra=delete', '--yes']);
  expect(code, text).toBe(0);
  expect(text).toContain('1 written, 1 overwritten, 100 deleted');
  expect(await content('h4')).toEqual(await content('h1'));
  const [saved] = readdirSync(join(lab.dir, 'backups', 'keys')).map((name) => join(lab.dir, 'backups', 'keys', name));
  const undone = await runPlay(['keys_etcd', '-i', file('new'), '-e', `undo=${saved}`, '-e', 'force=true', '--yes']);
  expect(undone.code, undone.text).toBe(0);
  expect((await content('h4', 'app/0/')).length).toBe(100);
});

it('goes to addresses with certificates of their own, without the beginning', async () => {
  const files = tls.map((one) => one.replace(/=(.*)/, `=${lab.dir}/pki-other/$1.pem`));
  const { code, text } = await mirror([`to=${endpoint('h5')}`, ...files, 'prefix=app/1/', 'no_dest_prefix=true']);
  expect(code, text).toBe(0);
  expect(text).toContain('100 keys are equal');
  expect(await content('h5')).toEqual(await content('h1', 'app/1/', 'app/1/'));
  await onHost('h5', 'ctl del "" --from-key');
});

it('goes to the cluster of another inventory, under another beginning', async () => {
  const { code, text } = await mirror([`to=${file('other')}`, 'prefix=app/', 'dest_prefix=/mirrored/']);
  expect(code, text).toBe(0);
  expect(await content('h5', '', '/mirrored/')).toEqual(await content('h1', 'app/', 'app/'));
});
