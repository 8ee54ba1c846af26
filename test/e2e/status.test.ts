import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensurePki } from '../../src/pki/store.ts';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { runPlay } from './play.ts';
import { testVersion } from './version.ts';
import { etcdctl, fingerprint, membersSeenBy } from './witness.ts';

const VERSION = testVersion('3.5.16');
let lab: Lab;
const DAY_MS = 86_400_000;

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: 'stat', hosts: 3, fresh: true, vars: etcdVars('stat', VERSION) });
  const created = await runPlay(['create_etcd', '-i', lab.inventoryFile]);
  expect(created.code, created.text).toBe(0);
});
afterAll(() => lab?.down());

interface Told {
  code: number | null;
  verdict: string;
  /** Kind, and host where there is one. */
  problems: string[];
  // biome-ignore lint/suspicious/noExplicitAny: it is what a monitor would read
  data: any;
  text: string;
}

/** As a monitor asks: the one event that carries the record. */
async function status(...more: string[]): Promise<Told> {
  const { code, stdout, text } = await runPlay(['status_etcd', '-i', lab.inventoryFile, '--output', 'json', ...more]);
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { data, text: table } = events.find((event) => event.data?.kind === 'status') ?? {};
  const problems = (data?.problems ?? []).map((one: { kind: string; host: string | null }) =>
    [one.kind, one.host].filter(Boolean).join(' '),
  );
  return { code, verdict: data?.verdict, problems, data, text: table ?? text };
}

/** What etcdctl tells of the members, sorted each. */
async function witnessed(): Promise<Record<'version' | 'dbSize' | 'raftTerm', unknown[]>> {
  type Status = { version: string; dbSize: number; raftTerm: number };
  const all = JSON.parse(await etcdctl(lab, 'h1', 'endpoint status --cluster -w json')) as { Status: Status }[];
  const of = (key: keyof Status) => all.map(({ Status }) => Status[key]).sort();
  return { version: of('version'), dbSize: of('dbSize'), raftTerm: of('raftTerm') };
}

const onHost = async (host: string, line: string) => {
  const { code, stderr } = await lab.exec(host, line);
  expect(code, `${line}: ${stderr}`).toBe(0);
};

it('tells that all is well, with what etcdctl tells too, and changes nothing', async () => {
  const before = await Promise.all(lab.hosts.map(({ name }) => fingerprint(lab, name)));
  // A database may grow some seconds longer: what is told is of between two looks that are equal.
  let [told, witness, earlier] = [await status(), await witnessed(), ''];
  while (earlier !== JSON.stringify(witness)) {
    earlier = JSON.stringify(witness);
    [told, witness] = [await status(), await witnessed()];
  }
  expect(told.problems).toEqual([]);
  expect([told.code, told.verdict]).toEqual([0, 'ok']);
  for (const [key, values] of Object.entries(witness)) {
    const name = key === 'dbSize' ? 'dbSizeBytes' : key;
    const own = told.data.members.map((one: Record<string, unknown>) => one[name]);
    expect(own.toSorted(), key).toEqual(values);
  }
  const members = await membersSeenBy(lab, 'h1');
  expect(told.data.members.map((one: { name: string; peerUrls: string[] }) => [one.name, one.peerUrls])).toEqual(
    members.map(({ name, peerUrls }) => [name, peerUrls]),
  );
  for (const { served, onHost: there, here, kind } of told.data.certificates) {
    expect(there).toEqual(here);
    if (kind !== 'client') expect(served).toEqual(here);
  }
  const after = await Promise.all(lab.hosts.map(({ name }) => fingerprint(lab, name)));
  expect(after).toEqual(before);
});

it('shows tables that fit 100 columns, or one line of JSON', async () => {
  const shown = await runPlay(['status_etcd', '-i', lab.inventoryFile]);
  expect(shown.code).toBe(0);
  expect(shown.stdout).toContain('All is well.');
  expect(shown.stdout).toMatch(/\| h1 +\| etcd-h1 \| [0-9a-f]+ +\| (leader|follower) +\| \d\.\d+\.\d+ +\| +\d+\.\d ms/);
  expect(shown.stdout).toContain(`| ${VERSION} `);
  for (const line of shown.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
  const { stdout } = await runPlay(['status_etcd', '-i', lab.inventoryFile, '-e', 'format=json']);
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0]!)).toMatchObject({ kind: 'status', verdict: 'ok', problems: [] });
});

it('tells of an etcd.conf that was changed by hand', async () => {
  await onHost('h2', 'cp -p /etc/etcd/etcd.conf /root/kept; echo \'ETCD_MAX_TXN_OPS="256"\' >>/etc/etcd/etcd.conf');
  const told = await status();
  await onHost('h2', 'mv /root/kept /etc/etcd/etcd.conf');
  expect(told.problems).toEqual(['configuration h2', 'process h2']);
  expect([told.code, told.verdict]).toEqual([2, 'warning']);
  expect(told.data.hosts[1]).toMatchObject({
    configurationDiffers: ['ETCD_MAX_TXN_OPS'],
    processDiffers: ['ETCD_MAX_TXN_OPS'],
  });
  expect(told.data.problems[0].next).toContain('play reload_etcd');
});

it('tells of a certificate that is about to expire where it is served', async () => {
  const other = mkdtempSync(join(tmpdir(), 'status-pki-'));
  try {
    for (const name of ['ca.pem', 'ca-key.pem']) cpSync(join(lab.pkiDir, name), join(other, name));
    const id = 'etcd-h2-server';
    const { pairs } = await ensurePki({
      dir: other,
      keyAlgorithm: 'ecdsa-p256',
      lifetimeMs: 5 * DAY_MS,
      caCommonName: 'x',
      wishes: [
        {
          id,
          commonName: 'etcd-h2',
          usage: ['server', 'client'],
          sans: { dns: ['localhost'], ip: ['127.0.0.1', lab.addressOf('h2')] },
        },
      ],
    });
    await onHost('h2', 'cp -a /etc/etcd/cert /root/cert');
    for (const [name, text] of [
      ['server', pairs.get(id)!.certPem],
      ['server-key', pairs.get(id)!.keyPem],
    ]) {
      await lab.exec('h2', `cat >/etc/etcd/cert/etcd-${name}.pem`, { input: text! });
    }
    const told = await status('-e', 'warn_days=30');
    await onHost('h2', 'cp -a /root/cert/. /etc/etcd/cert/');
    expect(told.problems).toEqual(['certificate-expires h2', 'certificate-differs h2']);
    expect(told.code).toBe(2);
    expect(told.data.problems[0].message).toMatch(/its server certificate ends in 4 days, on \d{4}-\d\d-\d\d/);
    expect(told.text).toContain('4 / 4 / 3649');
  } finally {
    rmSync(other, { recursive: true });
  }
});

it('warns as early as it is told to', async () => {
  const told = await status('-e', 'warn_days=4000');
  expect(told.problems).toHaveLength(10);
  expect(new Set(told.problems.map((one) => one.split(' ')[0]))).toEqual(
    new Set(['certificate-expires', 'ca-expires']),
  );
  expect(told.code).toBe(2);
});

it('tells of an alarm, and of whose it is', async () => {
  const read = (name: string) => readFileSync(join(lab.pkiDir, name));
  const client = new Etcd3({
    hosts: `https://${lab.addressOf('h1')}:2379`,
    grpcOptions: { 'grpc.ssl_target_name_override': 'localhost' },
    credentials: { rootCertificate: read('ca.pem'), privateKey: read('client-key.pem'), certChain: read('client.pem') },
  });
  const { members } = await client.cluster.memberList({});
  const memberID = members.find(({ name }) => name === 'etcd-h3')!.ID;
  await client.maintenance.alarm({ action: 'Activate', memberID, alarm: 'Nospace' });
  client.close();
  const told = await status();
  await etcdctl(lab, 'h1', 'alarm disarm');
  expect(told.problems).toEqual(['alarm h3']);
  expect([told.code, told.verdict]).toEqual([2, 'critical']);
  expect(told.data.problems[0]).toMatchObject({ member: 'etcd-h3', next: expect.stringContaining('play space_etcd') });
  expect(told.data.members[2].alarms).toEqual(['NOSPACE']);
});

it('tells of a member that the inventory does not have', async () => {
  const file = join(lab.dir, 'two.ini');
  writeFileSync(file, readFileSync(lab.inventoryFile, 'utf8').replace(/^h3 .*\n/m, ''));
  const { code, stdout } = await runPlay(['status_etcd', '-i', file]);
  expect(code).toBe(2);
  expect(stdout).toMatch(/the cluster has a member that the inventory does not: etcd-h3 \(https:\/\/\S+:2380\)/);
  expect(stdout).toContain('play delete_etcd -e member=etcd-h3');
});

it('tells which member is down, and how the others are', async () => {
  await onHost('h2', 'systemctl stop etcd');
  const told = await status();
  expect(told.problems).toEqual(['down h2']);
  expect([told.code, told.verdict]).toEqual([2, 'critical']);
  const of = (key: string) => told.data.members.map((one: Record<string, unknown>) => one[key]);
  expect(of('healthy')).toEqual([true, null, true]);
  expect(of('state').toSorted()).toEqual(['follower', 'leader', 'silent']);
  expect(told.data.problems[0]).toMatchObject({ member: 'etcd-h2', next: expect.stringContaining('play create_etcd') });
});

it('tells that the quorum is lost, with a host that cannot be reached', async () => {
  await lab.cut('h3');
  const told = await status();
  await lab.heal('h3');
  expect(told.problems.slice(0, 1)).toEqual(['no-quorum']);
  expect(told.problems).toEqual(expect.arrayContaining(['down h2', 'unreachable h3']));
  expect([told.code, told.verdict]).toEqual([4, 'critical']);
  expect(told.data.cluster).toMatchObject({ hasQuorum: false, voters: 3, quorum: 2 });
  expect(told.data.hosts[2]).toMatchObject({ host: 'h3', reachable: false });
  expect(told.data.members.map((one: { name: string }) => one.name)).toEqual(['etcd-h1', 'etcd-h2', 'etcd-h3']);
});

it('tells that no member runs', async () => {
  for (const host of ['h1', 'h3']) await onHost(host, 'systemctl stop etcd');
  const told = await status();
  expect(told.problems).toEqual(['no-member']);
  expect(told.code).toBe(2);
  expect(told.text).toMatch(/no member answers/);
});

it('tells that all is well again when they do', async () => {
  await Promise.all(lab.hosts.map(({ name }) => onHost(name, 'systemctl start --no-block etcd')));
  for (const { name } of lab.hosts)
    await onHost(name, 'timeout 60 sh -c "until systemctl is-active -q etcd; do sleep 0.2; done"');
  expect(await status()).toMatchObject({ code: 0, verdict: 'ok', problems: [] });
});
