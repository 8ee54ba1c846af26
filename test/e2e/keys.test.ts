import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { killAt, runPlay } from './play.ts';
import { testVersion } from './version.ts';
import { TerminalWindow } from './window.ts';
import { etcdctl } from './witness.ts';

const LAB = 'keys';
const VERSION = testVersion('3.5.16');
const PODS = '/registry/pods/default/';
let lab: Lab;

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true, vars: etcdVars(LAB, VERSION) });
  const created = await runPlay(['create_etcd', '-i', lab.inventoryFile]);
  expect(created.code, created.text).toBe(0);
  await onHost(
    [
      `for i in 1 2 3; do printf 'k8s\\0\\012web\\377%s' $i | ctl put ${PODS}web-$i; done`,
      'ctl put /registry/pods/defaulted/x stays',
      'lease=$(ctl lease grant 600 | cut -d" " -f2); ctl put --lease=$lease /leased/a b',
      'for i in $(seq 250); do echo put many/$i value-$i; done >/tmp/lines; while read -r _ k v; do printf "put %s %s\\n" $k $v; done </tmp/lines | split -l 100 - /tmp/part.; for f in /tmp/part.*; do (echo; cat $f; echo; echo) | ctl txn >/dev/null; done',
    ].join('\n'),
  );
});
afterAll(() => lab?.down());

/** Runs lines on h1, in which `ctl` is etcdctl. */
async function onHost(script: string): Promise<string> {
  const file = (name: string) => `/etc/etcd/cert/etcd-${name}.pem`;
  const tls = `--cacert=${file('ca')} --cert=${file('client')} --key=${file('client-key')}`;
  const ctl = `ctl() { ETCDCTL_API=3 etcdctl --dial-timeout=5s --command-timeout=20s --endpoints=https://127.0.0.1:2379 ${tls} "$@"; }; set -e`;
  const { code, stdout, stderr } = await lab.exec('h1', `${ctl}\n${script}`);
  expect(code, stderr).toBe(0);
  return stdout;
}

const keys = (...words: string[]) =>
  runPlay([
    'keys_etcd',
    '-i',
    lab.inventoryFile,
    '--output',
    'lines',
    ...words.flatMap((word) => (word === '--yes' || word === '-C' ? [word] : ['-e', word])),
  ]);
const folder = () => join(lab.dir, 'backups', 'keys');
const files = () => readdirSync(folder()).map((name) => join(folder(), name));
const count = async (prefix: string) =>
  (await etcdctl(lab, 'h1', `get ${prefix} --prefix --keys-only`)).split('\n').filter((line) => line !== '').length;

it('lists by prefix, and shows a key with all that is known of it', async () => {
  const listed = await keys(`prefix=${PODS}`);
  expect(listed.code, listed.text).toBe(0);
  expect(listed.stdout).toContain(`\n${PODS}web-1\n${PODS}web-2\n${PODS}web-3\n3 keys\n`);
  const all = await keys('limit=2');
  expect(all.stdout).toContain('\n/leased/a\n/registry/pods/default/web-1\n255 keys, of which the first 2 are shown');
  const shown = await keys('key=/leased/a');
  expect(shown.stdout).toMatch(
    /\/leased\/a\nmade at revision \d+, never written again; lease: [0-9a-f]+ \(\d+ s left\); 1 byte\nb\n/,
  );
  const missing = await keys('key=/nobody');
  expect([missing.code, missing.text]).toEqual([2, expect.stringContaining('there is no key /nobody')]);
});

it('gives values byte by byte: on the screen, for programs and in a file', async () => {
  const bytes = Buffer.from('k8s\0\nweb\xff2', 'latin1');
  const shown = await keys(`key=${PODS}web-2`);
  expect(shown.stdout).toContain('\nk8s\\x00\\x0aweb\\xff2\n');
  const told = await runPlay(['keys_etcd', '-i', lab.inventoryFile, '--output', 'json', '-e', `key=${PODS}web-2`]);
  const events = told.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { data } = events.find((event) => event.data?.kind === 'keys');
  expect(Buffer.from(data.keys[0].value, 'base64')).toEqual(bytes);
  const out = join(lab.dir, 'value');
  const written = await keys(`key=${PODS}web-2`, `out=${out}`);
  expect(written.code, written.text).toBe(0);
  expect([readFileSync(out), statSync(out).mode & 0o777]).toEqual([bytes, 0o600]);
  expect((await keys(`key=${PODS}web-2`, `out=${out}`)).text).toContain('is there already');
});

it('deletes nothing in check mode, unasked, or where all keys are meant', async () => {
  const checked = await keys(`prefix=${PODS}`, 'delete=true', '-C');
  expect(checked.code, checked.text).toBe(0);
  expect(checked.stdout).toContain(`PLAN delete 3 keys that begin with ${PODS}`);
  const unasked = await keys(`prefix=${PODS}`, 'delete=true');
  expect([unasked.code, unasked.text]).toEqual([2, expect.stringContaining('not confirmed')]);
  const whole = await keys('delete=true', '--yes');
  expect([whole.code, whole.text]).toEqual([2, expect.stringContaining('all keys of a cluster are not deleted')]);
  expect(await count(PODS)).toBe(3);
});

it('has the number of keys typed, saves them, deletes them, and puts them back as they were', async () => {
  const before = await etcdctl(lab, 'h1', `get ${PODS} --prefix -w json`);
  const words = ['keys_etcd', '-i', lab.inventoryFile, '-e', `prefix=${PODS}`, '-e', 'delete=true'];
  const window = await TerminalWindow.play(words, { columns: 100, rows: 40, cwd: lab.dir });
  try {
    await window.until(/Type 3 to go on:/);
    await window.type('3');
    await window.press('Enter');
    expect(await window.status()).toBe(0);
  } finally {
    await window.close();
  }
  expect([await count(PODS), await count('/registry/pods/defaulted/')]).toEqual([0, 1]);
  const [file] = files();
  expect(statSync(file!).mode & 0o777).toBe(0o600);
  const undone = await keys(`undo=${file}`);
  expect(undone.code, undone.text).toBe(0);
  const values = (text: string) =>
    (JSON.parse(text) as { kvs: { key: string; value: string }[] }).kvs.map(({ key, value }) => [key, value]);
  expect(values(await etcdctl(lab, 'h1', `get ${PODS} --prefix -w json`))).toEqual(values(before));
  expect((await keys(`undo=${file}`)).text).toContain('all 3 are there as they were saved');
  await etcdctl(lab, 'h1', `put ${PODS}web-1 newer`);
  const refused = await keys(`undo=${file}`);
  expect([refused.code, refused.text]).toEqual([2, expect.stringContaining(`another value by now: ${PODS}web-1`)]);
  const forced = await keys(`undo=${file}`, 'force=true', '--yes');
  expect(forced.code, forced.text).toBe(0);
  expect(values(await etcdctl(lab, 'h1', `get ${PODS} --prefix -w json`))).toEqual(values(before));
});

it('tells of leases, and puts a key back under its own', async () => {
  const deleted = await keys('key=/leased/a', 'delete=true', '--yes');
  expect(deleted.code, deleted.text).toBe(0);
  expect(deleted.text).toContain('1 key belongs to a lease');
  const file = files().find((one) => readFileSync(one, 'utf8').includes('/leased/a'))!;
  expect((await keys(`undo=${file}`)).code).toBe(0);
  expect((await keys('key=/leased/a')).stdout).toMatch(/lease: [0-9a-f]+ \(\d+ s left\)/);
});

it('goes on where it was killed, and loses nothing', async () => {
  for (const moment of [/^Save/, /^Delete/]) {
    const words = [
      'keys_etcd',
      '-i',
      lab.inventoryFile,
      '--output',
      'lines',
      '--yes',
      '-e',
      'prefix=many/',
      '-e',
      'delete=true',
    ];
    const { code, text } = await runPlay(words, { env: killAt(moment) });
    expect(code, text).toBeNull();
  }
  const last = await keys('prefix=many/', 'delete=true', '--yes');
  expect(last.code, last.text).toBe(0);
  expect(await count('many/')).toBe(0);
  // A folder that a killed run has left is removed by the next one.
  for (const file of files().filter((one) => readFileSync(one, 'utf8').includes('many/'))) {
    const undone = await keys(`undo=${file}`);
    expect(undone.code, undone.text).toBe(0);
  }
  expect(await count('many/')).toBe(250);
});

it('works while a member is down, and says when none can be asked', async () => {
  await lab.exec('h2', 'systemctl stop etcd');
  const two = await keys(`prefix=${PODS}`);
  expect([two.code, two.stdout]).toEqual([0, expect.stringContaining('3 keys')]);
  await lab.exec('h3', 'systemctl stop etcd');
  const one = await keys(`prefix=${PODS}`);
  expect([one.code, one.text]).toEqual([2, expect.stringMatching(/knows of a leader|timed out|no leader/)]);
});
