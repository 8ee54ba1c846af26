import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { openssl } from '../unit/pki/workshop.ts';
import { killAt, type PlayOptions, type PlayResult, runPlay } from './play.ts';
import { startTraffic, type Traffic } from './traffic.ts';
import { testVersion } from './version.ts';
import { etcdctl, membersSeenBy } from './witness.ts';

const LAB = 'rotate';
const VERSION = testVersion('3.4.23');
/** Twenty runs one after the other: half a minute, and on a busy machine ten times that. */
const MANY_RUNS_MS = 600_000;
/** The aim is a second, and the figure is told; a machine that is busy with other things takes longer for a mere write. */
const LONGEST_GAP_MS = 2_000;
const HOSTS = ['h1', 'h2', 'h3'];
let lab: Lab;
let traffic: Traffic;
let ids: string[];
let pki: string;

const onAll = <T>(work: (host: string) => Promise<T>) => Promise.all(HOSTS.map(work));
const on = async (host: string, command: string) => (await lab.exec(host, command)).stdout.trim();
const starts = () => onAll((host) => on(host, 'systemctl show etcd -p InvocationID --value'));
const read = (file: string) => readFileSync(join(pki, file), 'utf8');

const play = (playbook: string, words: readonly string[] = [], options: PlayOptions = {}): Promise<PlayResult> =>
  runPlay([playbook, '-i', lab.inventoryFile, '--output', 'lines', ...words], options);
const rotate = (words: readonly string[] = [], options?: PlayOptions) => play('rotate_certs_etcd', words, options);
const newCa = (words: readonly string[] = [], options?: PlayOptions) => rotate(['-e', 'ca=true', ...words], options);
const AGAIN = ['-e', 'again=true'];

/** Each run is ended as soon as it has printed the next of these lines; the last one goes to its end. */
async function killedAfterEach(points: readonly RegExp[], words: readonly string[], first: readonly string[] = []) {
  for (const [at, point] of points.entries()) {
    const run = await newCa([...words, ...(at === 0 ? first : [])], { env: killAt(point) });
    // Where another member has come to lead, leadership need not be moved: it goes to its end.
    if (run.code === 0 && run.text.includes('Another member leads meanwhile')) break;
    expect(run.code, `${point}:\n${run.text}`).toBe(null);
  }
  const done = await newCa(words);
  expect(done.code, done.text).toBe(0);
}

/** What a member shows to whoever connects, as TLS itself has it. */
function served(
  host: string,
  port: number,
  certs: { ca: string; cert?: string; key?: string },
): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: lab.addressOf(host), port, servername: 'localhost', ...certs }, () => {
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      resolve(new X509Certificate(raw));
    });
    socket.on('error', reject);
  });
}
const own = () => ({ ca: read('ca.pem'), cert: read('client.pem'), key: read('client-key.pem') });

/** All is of one CA: here, on the hosts, and in the processes. */
async function isOfOneCa(subject?: string): Promise<X509Certificate> {
  expect(read('ca.pem').match(/BEGIN/g)).toHaveLength(1);
  expect(existsSync(join(pki, 'ca-rotation'))).toBe(false);
  const ca = new X509Certificate(read('ca.pem'));
  if (subject !== undefined) expect(ca.fingerprint256).toBe(subject);
  for (const text of await onAll((host) => on(host, 'cat /etc/etcd/cert/etcd-ca.pem'))) {
    expect(new X509Certificate(text).fingerprint256).toBe(ca.fingerprint256);
    expect(text.match(/BEGIN/g)).toHaveLength(1);
  }
  const shown = await Promise.all(HOSTS.flatMap((host) => [served(host, 2379, own()), served(host, 2380, own())]));
  for (const one of shown) expect(one.verify(ca.publicKey)).toBe(true);
  expect((await membersSeenBy(lab, 'h1')).map(({ id }) => id)).toEqual(ids);
  const reloaded = await play('reload_etcd');
  expect(reloaded.code, reloaded.text).toBe(0);
  expect(reloaded.stdout).toContain('nothing to do');
  return ca;
}

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true, vars: etcdVars(LAB, VERSION) });
  pki = join(lab.dir, 'pki');
  const created = await play('create_etcd');
  expect(created.code, created.text).toBe(0);
  ids = (await membersSeenBy(lab, 'h1')).map(({ id }) => id);
  const consumer = await play('certs_etcd', ['-e', 'cn=orders']);
  expect(consumer.code, consumer.text).toBe(0);
  traffic = await startTraffic({ endpoints: HOSTS.map((host) => `https://${lab.addressOf(host)}:2379`), pki });
});
afterAll(() => lab?.down());

describe('rotate_certs_etcd, while a client writes and watches', () => {
  it('replaces all certificates without a restart, and new connections are shown the new ones', async () => {
    const before = await starts();
    const old = await Promise.all(HOSTS.flatMap((host) => [served(host, 2379, own()), served(host, 2380, own())]));
    traffic.gapMs();
    const done = await rotate();
    expect(done.code, done.text).toBe(0);
    const now = await Promise.all(HOSTS.flatMap((host) => [served(host, 2379, own()), served(host, 2380, own())]));
    for (const [at, one] of now.entries()) expect(one.fingerprint256).not.toBe(old[at]!.fingerprint256);
    expect(await starts()).toEqual(before);
    const gapMs = traffic.gapMs();
    console.info(`rotate_certs_etcd: ${Math.round(gapMs)} ms between two writes at most`);
    expect(gapMs).toBeLessThan(LONGEST_GAP_MS);
    await isOfOneCa();
  });

  it(
    'changes the CA in three phases, each with its own end, and writes go on',
    async () => {
      const old = new X509Certificate(read('ca.pem'));
      const [oldOrders, oldKey] = [read('consumer-orders.pem'), read('consumer-orders-key.pem')];
      traffic.gapMs();
      const first = await newCa(['-e', 'until=1']);
      expect(first.code, first.text).toBe(0);
      expect(read('ca.pem').match(/BEGIN/g)).toHaveLength(2);
      expect((await play('create_etcd')).code).toBe(0);

      const unasked = await newCa();
      expect(unasked.code, unasked.text).toBe(2);
      expect(unasked.text).toMatch(/not confirmed: .*Do all clients trust both by now/);

      const second = await newCa(['-e', 'until=2', '--yes']);
      expect(second.code, second.text).toBe(0);
      expect(second.stdout).not.toMatch(/etcd is restarted/);
      expect((await served('h2', 2379, own())).verify(old.publicKey)).toBe(false);
      // A client that trusts both is served with its old certificate still.
      await served('h2', 2379, { ca: read('ca.pem'), cert: oldOrders, key: oldKey });
      const plain = await rotate();
      expect(plain.code).toBe(2);
      expect(plain.text).toMatch(/a change of CA is half done \(phase 2 of 3/);

      const third = await newCa(['--yes']);
      expect(third.code, third.text).toBe(0);
      expect(third.text).toMatch(
        /of the old CA, and will be refused: orders\n +play certs_etcd -e cn=orders -e renew=true/,
      );
      const gapMs = traffic.gapMs();
      console.info(`rotate_certs_etcd -e ca=true: ${Math.round(gapMs)} ms between two writes at most`);
      expect(gapMs).toBeLessThan(LONGEST_GAP_MS);
      const ca = await isOfOneCa();
      expect(ca.fingerprint256).not.toBe(old.fingerprint256);
      const [aside] = readdirSync(pki).filter((name) => name.startsWith('ca-replaced-'));
      expect(new X509Certificate(read(`${aside}/old-ca.pem`)).fingerprint256).toBe(old.fingerprint256);
      expect(read(`${aside}/old-ca-key.pem`)).toContain('PRIVATE KEY');
    },
    MANY_RUNS_MS,
  );

  it('does nothing right after it, so that it may be run again', async () => {
    const before = await starts();
    const done = await newCa(['--yes']);
    expect(done.code, done.text).toBe(0);
    expect(done.text).toMatch(/the CA was changed \d+ minutes? ago: to change it once more, add -e again=true/);
    expect(await starts()).toEqual(before);
  });

  it(
    'is recognised by the other playbooks where it is half done, and goes back, killed after each step',
    async () => {
      const { fingerprint256 } = new X509Certificate(read('ca.pem'));
      await newCa(AGAIN, { env: killAt(/changed: .*Both are trusted/) });
      for (const playbook of ['create_etcd', 'reload_etcd']) {
        const refused = await play(playbook);
        expect(refused.code, refused.text).toBe(2);
        expect(refused.text).toMatch(
          /a change of CA is half done: .*\n.*play rotate_certs_etcd -e ca=true -e back=true/,
        );
      }
      const there = await newCa(['-e', 'until=2', '--yes']);
      expect(there.code, there.text).toBe(0);
      await killedAfterEach(
        [/changed: .*Old CA signs/, /changed: \[h2\] Certificates/, /changed: .*Old CA alone/, /etcd is restarted/],
        ['-e', 'back=true'],
      );
      await isOfOneCa(fingerprint256);
      expect(readdirSync(pki).filter((name) => name.startsWith('ca-abandoned-'))).toHaveLength(1);
    },
    MANY_RUNS_MS,
  );

  it(
    'comes to its end when it is killed after each step',
    async () => {
      const { fingerprint256 } = new X509Certificate(read('ca.pem'));
      const points = [
        /changed: .*New CA is made/,
        /changed: .*Both are trusted/,
        /changed: \[h1\] Certificates/,
        /etcd\.conf is in place/,
        /etcd is restarted/,
        /changed: .*New CA signs/,
        /changed: .*Certificates are at hand/,
        /changed: \[h3\] Certificates/,
        /changed: .*New CA alone/,
        /changed: .*etcd\.conf is in place/,
        /changed: .*Leadership/,
        /changed: .*Old CA is put aside/,
      ];
      await killedAfterEach(points, ['--yes'], AGAIN);
      expect((await isOfOneCa()).fingerprint256).not.toBe(fingerprint256);
    },
    MANY_RUNS_MS,
  );

  it('has lost no acknowledged write and no event of a watch in all of this', async () => {
    await etcdctl(lab, 'h1', 'endpoint health');
    const report = await traffic.end();
    console.info(`rotate: ${report.writes} writes, the longest gap ${Math.round(report.longestGapMs)} ms`);
    expect(report.lost).toEqual([]);
    expect(report.missed).toEqual([]);
    expect(report.writes).toBeGreaterThan(500);
  });
});

describe('rotate_certs_etcd with an outage', () => {
  it(
    'stops all, replaces all, starts all within a minute, also when it is cut off in the middle',
    async () => {
      const { fingerprint256 } = new X509Certificate(read('ca.pem'));
      const writes = await startTraffic({
        endpoints: HOSTS.map((host) => `https://${lab.addressOf(host)}:2379`),
        pki,
        prefix: 'outage/',
      });
      const done = await newCa(['-e', 'outage=accept', ...AGAIN]);
      expect(done.code, done.text).toBe(0);
      const report = await writes.end();
      console.info(`rotate_certs_etcd -e outage=accept: ${Math.round(report.longestGapMs)} ms between two writes`);
      expect(report.lost).toEqual([]);
      expect(report.missed).toEqual([]);
      expect(report.longestGapMs).toBeLessThan(60_000);
      const { fingerprint256: second } = await isOfOneCa();
      expect(second).not.toBe(fingerprint256);

      const cutAt = (point: RegExp, words: readonly string[] = []) =>
        newCa(['-e', 'outage=accept', ...words], { env: killAt(point) });
      await cutAt(/changed: .*New CA alone is trusted/, AGAIN);
      // No host has any of it yet: without an outage nobody would understand anybody.
      const gentle = await newCa(['--yes']);
      expect(gentle.code, gentle.text).toBe(2);
      expect(gentle.text).toMatch(/rotate_certs_etcd -e ca=true -e outage=accept/);
      await cutAt(/changed: \[h2\] Certificates/);
      const finished = await newCa(['-e', 'outage=accept']);
      expect(finished.code, finished.text).toBe(0);
      expect((await isOfOneCa()).fingerprint256).not.toBe(second);
    },
    MANY_RUNS_MS,
  );
});

describe('rotate_certs_etcd when the CA has ended', () => {
  it(
    'says that only an outage helps, and then brings back a cluster that nobody could ask any more',
    async () => {
      const files = [
        '/etc/etcd/cert/etcd-ca.pem',
        '/etc/etcd/cert/etcd-client.pem',
        '/etc/etcd/cert/etcd-client-key.pem',
      ];
      const [ca, cert, key] = files;
      const witness = (host: string, words: string) =>
        on(
          host,
          `ETCDCTL_API=3 etcdctl --endpoints=https://${lab.addressOf(host)}:2379 --cacert=${ca} --cert=${cert} --key=${key} ${words}`,
        );
      await witness('h1', 'put before-the-end still-here');
      openssl(
        'x509',
        '-in',
        join(pki, 'ca.pem'),
        '-signkey',
        join(pki, 'ca-key.pem'),
        '-days',
        '-1',
        '-out',
        join(pki, 'ca.pem'),
      );
      await onAll(async (host) => {
        await lab.exec(host, `cat >${ca}`, { input: read('ca.pem') });
        await on(host, 'systemctl restart --no-block etcd.service');
      });

      const reloaded = await play('reload_etcd');
      expect([reloaded.code, reloaded.text]).toEqual([
        1,
        expect.stringMatching(/the CA expired on .*-e outage=accept/s),
      ]);
      const gentle = await newCa([...AGAIN, '--yes']);
      expect([gentle.code, gentle.text]).toEqual([2, expect.stringMatching(/the CA ended on .*-e outage=accept/s)]);
      const before = read('ca.pem');
      const checked = await newCa(['-e', 'outage=accept', ...AGAIN, '--check']);
      expect([checked.code, checked.text, read('ca.pem')]).toEqual([
        0,
        expect.stringContaining('make a new CA'),
        before,
      ]);
      const done = await newCa(['-e', 'outage=accept', ...AGAIN]);
      expect(done.code, done.text).toBe(0);
      await isOfOneCa();
      expect(await witness('h2', 'get before-the-end --print-value-only')).toBe('still-here');
    },
    MANY_RUNS_MS,
  );
});
