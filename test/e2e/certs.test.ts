import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { runPlay } from './play.ts';
import { testVersion } from './version.ts';
import { etcdctl } from './witness.ts';

const VERSION = testVersion('3.5.16');
let lab: Lab;
/** The same cluster, at an address where nobody is: whoever wanted to reach a host would fail. */
let nowhere: string;
let passwordFile: string;
const PASSWORD = 'open sesame 7';
const pki = (name: string) => join(lab.pkiDir, name);
const certs = (...words: string[]) => runPlay(['certs_etcd', '-i', nowhere, ...words]);

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: 'stat2', hosts: 1, fresh: true, vars: etcdVars('stat2', VERSION) });
  const created = await runPlay(['create_etcd', '-i', lab.inventoryFile]);
  expect(created.code, created.text).toBe(0);
  nowhere = join(lab.dir, 'nowhere.ini');
  writeFileSync(nowhere, `${readFileSync(lab.inventoryFile, 'utf8')}ansible_port=1\n`);
  passwordFile = join(lab.dir, 'password.yml');
  writeFileSync(passwordFile, `p12_password: "${PASSWORD}"\n`, { mode: 0o600 });
});
afterAll(() => lab?.down());

/** etcdctl on the host, as the consumer whose files lie in that folder there. */
const asConsumer = (folder: string, words: string) =>
  lab.exec(
    'h1',
    `ETCDCTL_API=3 etcdctl --endpoints=https://${lab.addressOf('h1')}:2379 --cacert=${folder}/ca.pem --cert=${folder}/cert.pem --key=${folder}/key.pem ${words}`,
  );

async function hand(folder: string, files: Record<string, string>): Promise<void> {
  await lab.exec('h1', `mkdir -p -m 700 ${folder}`);
  for (const [name, text] of Object.entries(files)) await lab.exec('h1', `cat >${folder}/${name}`, { input: text });
}

it('lists all certificates and reaches no host', async () => {
  const { code, stdout } = await certs();
  expect(code, stdout).toBe(0);
  expect(stdout).toContain('All is well.');
  for (const name of ['ca.pem', 'etcd-h1-server.pem', 'etcd-h1-peer.pem', 'client.pem']) {
    expect(stdout).toMatch(new RegExp(`\\| ${name} +\\| CN=\\S.* \\| 36[45]\\d \\| \\d{4}-\\d\\d-\\d\\d \\|`));
  }
  for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
});

it('ends with 2 where one ends too soon, and tells a monitor which', async () => {
  const { code, stdout } = await certs('-e', 'warn_days=4000', '--output', 'json');
  expect(code).toBe(2);
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { data } = events.find((event) => event.data?.kind === 'certificates');
  expect(data).toMatchObject({ verdict: 'warning', leastDaysLeft: 3649 });
  expect(data.problems.map((one: { kind: string; file: string }) => `${one.kind} ${one.file}`)).toEqual([
    'expires ca.pem',
    'expires etcd-h1-peer.pem',
    'expires etcd-h1-server.pem',
    'expires client.pem',
  ]);
});

it('shows what it would issue, and issues nothing in check mode', async () => {
  const before = readdirSync(lab.pkiDir);
  const { code, stdout } = await certs('-e', 'cn=orders', '-C');
  expect(code).toBe(0);
  expect(stdout).toContain('consumer-orders.pem would be issued');
  expect(readdirSync(lab.pkiDir)).toEqual(before);
});

it('issues a certificate for a consumer, with which etcdctl reads from the cluster', async () => {
  const { code, stdout } = await certs('-e', 'cn=orders', '-e', 'days=90', '-e', 'p12=true', '-e', `@${passwordFile}`);
  expect(code, stdout).toBe(0);
  expect(stdout).toMatch(/Certificate of orders: issued, valid until \d{4}-\d\d-\d\d, 89 days/);
  expect(stdout).not.toContain(PASSWORD);
  for (const name of ['consumer-orders-key.pem', 'consumer-orders.p12'])
    expect(statSync(pki(name)).mode & 0o777).toBe(0o600);
  await etcdctl(lab, 'h1', 'put /orders/1 paid');
  const read = (name: string) => readFileSync(pki(name), 'utf8');
  await hand('/root/pem', {
    'ca.pem': read('ca.pem'),
    'cert.pem': read('consumer-orders.pem'),
    'key.pem': read('consumer-orders-key.pem'),
  });
  expect((await asConsumer('/root/pem', 'get /orders/1 --print-value-only')).stdout).toBe('paid\n');
});

it('and so does its PKCS#12 file, taken apart by openssl', async () => {
  const part = (...words: string[]) =>
    execFileSync('openssl', ['pkcs12', '-in', pki('consumer-orders.p12'), '-passin', 'stdin', ...words], {
      encoding: 'utf8',
      input: `${PASSWORD}\n`,
    });
  await hand('/root/p12', {
    'ca.pem': part('-cacerts', '-nokeys'),
    'cert.pem': part('-clcerts', '-nokeys'),
    'key.pem': part('-nocerts', '-nodes'),
  });
  expect((await asConsumer('/root/p12', 'get /orders/1 --print-value-only')).stdout).toBe('paid\n');
});

it('keeps a valid one, refuses to change it, and replaces it when told', async () => {
  const before = readFileSync(pki('consumer-orders.pem'), 'utf8');
  const again = await certs('-e', 'cn=orders', '-e', 'p12=true', '-e', `@${passwordFile}`);
  expect(again.stdout).toContain('Certificate of orders: is there already');
  expect(again.stdout).toMatch(/control +: ok=2 +changed=0/);
  const other = await certs('-e', 'cn=orders', '-e', 'names=app.example.com');
  expect(other.code).toBe(2);
  expect(other.stdout).toContain('To replace it: -e renew=true');
  expect(readFileSync(pki('consumer-orders.pem'), 'utf8')).toBe(before);
  const renewed = await certs('-e', 'cn=orders', '-e', 'names=app.example.com', '-e', 'renew=true');
  expect(renewed.code, renewed.stdout).toBe(0);
  expect(renewed.stdout).toContain('STILL WITH THE OLD CERTIFICATE');
  expect(readFileSync(pki('consumer-orders.pem'), 'utf8')).not.toBe(before);
});

it.each([
  ['nobody is named', ['-e', 'p12=true'], 'it is not said for whom the certificate is'],
  ['a name that is none for a file', ['-e', 'cn=a/b'], 'cn must be 1 to 64 letters'],
  ['no terminal to ask for a password', ['-e', 'cn=x', '-e', 'p12=true'], 'there is no terminal to ask on'],
  [
    'a password that is too short',
    ['-e', 'cn=x', '-e', 'p12=true', '-e', 'p12_password=short'],
    'at least 6 characters',
  ],
  ['a bad name', ['-e', 'cn=x', '-e', 'names=a_b c'], 'names'],
])('issues nothing where there is %s', async (_, words, complaint) => {
  const before = readdirSync(lab.pkiDir);
  const { code, text } = await certs(...words);
  expect(code).toBe(1);
  expect(text).toContain(complaint);
  expect(readdirSync(lab.pkiDir)).toEqual(before);
});

it('makes the name the user where users must log in', async () => {
  for (const words of [
    'user add root --no-password',
    'user grant-role root root',
    'user add orders --no-password',
    'role add orders',
    'role grant-permission orders read /orders/ --prefix',
    'user grant-role orders orders',
    'auth enable',
  ]) {
    await etcdctl(lab, 'h1', words);
  }
  expect((await asConsumer('/root/pem', 'get /orders/1 --print-value-only')).stdout).toBe('paid\n');
  expect((await asConsumer('/root/pem', 'put /orders/1 no')).stderr).toContain('permission denied');
  expect((await asConsumer('/root/p12', 'get /other')).stderr).toContain('permission denied');
  const { code, stdout } = await runPlay(['status_etcd', '-i', lab.inventoryFile]);
  expect(code, stdout).toBe(0);
});
