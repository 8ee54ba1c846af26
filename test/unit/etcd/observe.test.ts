import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname, machine, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/connection/connection.ts';
import { type ObserveRequest, observeScript, parseFacts } from '../../../src/etcd/observe.ts';
import { localShell } from '../connection/local-shell.ts';

let shell: Connection;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'observe-'));
  shell = await localShell();
});
afterAll(() => {
  shell.close();
  rmSync(folder, { recursive: true, force: true });
});

const at = (...names: string[]) => join(folder, ...names);
const request = (rest: Partial<ObserveRequest> = {}): ObserveRequest => ({
  dataDir: at('data'),
  walDir: undefined,
  confFile: at('etcd.conf'),
  caFile: at('ca.pem'),
  releaseDir: at('opt/v1'),
  binary: at('bin/etcd'),
  ...rest,
});
const look = async (rest: Partial<ObserveRequest> = {}) => {
  const before = shell.roundTrips;
  const { stdout, code } = await shell.run(observeScript(request(rest)));
  expect([code, shell.roundTrips - before]).toEqual([0, 1]);
  return parseFacts(stdout);
};

describe('a real machine, looked at in one round trip', () => {
  it('tells what it is, and that there is nothing of etcd where there is nothing', async () => {
    const before = Date.now() / 1000;
    const facts = await look();
    expect(facts).toMatchObject({ uid: process.getuid!(), hostName: hostname(), machine: machine() });
    expect(facts.init).not.toBe('');
    expect(facts.clockSeconds).toBeGreaterThan(before - 1);
    expect(facts.clockSeconds).toBeLessThan(Date.now() / 1000 + 1);
    expect(facts.localAddresses).toContain('127.0.0.1');
    expect(facts).toMatchObject({
      configuration: undefined,
      ca: undefined,
      data: { kind: 'none', walFiles: 0, database: false, entries: [] },
      releaseSum: '',
      binaryInUse: false,
      strayBinaries: [],
    });
    expect(facts.disks.map(({ path }) => path)).toEqual([at('data'), at('opt/v1')]);
    expect(facts.disks.every(({ freeBytes, device }) => freeBytes > 0 && device !== '')).toBe(true);
  });

  it('tells the ports that something listens on, which are not ours', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect((await look()).listeners).toContainEqual({ port, ours: false });
    server.close();
  });

  it.each([
    ['plain text', 'A=1\nB=2\n'],
    ['nothing', ''],
    ['no newline at its end', 'A=1'],
    ['empty lines at its ends', '\n\nA=1\n\n\n'],
    ['what looks like a line of ours', 'uid 4711\n<ca\nwal 9\ntcp>\n'],
    ['quotes and expansions', `A="$(id)" 'b' \`c\`\n`],
    ['backslashes', 'A=\\n\\t\\\\\n'],
    ['letters of many scripts', '# žluť 漢字 🦀\n'],
  ])('brings back a file with %s as it is', async (_, text) => {
    writeFileSync(at('text.conf'), text);
    const facts = await look({ confFile: at('text.conf'), caFile: at('text.conf') });
    expect([facts.configuration, facts.ca]).toEqual([text, text]);
    expect(facts.uid).toBe(process.getuid!());
  });

  it('counts the log files of a member, in its data directory or in one of their own', async () => {
    mkdirSync(at('member/member/wal'), { recursive: true });
    mkdirSync(at('member/member/snap'));
    mkdirSync(at('log of its own'));
    for (const name of ['0-0.wal', '1-1.wal', '0.tmp']) writeFileSync(at('member/member/wal', name), '');
    expect((await look({ dataDir: at('member') })).data).toMatchObject({ kind: 'etcd', walFiles: 2, database: false });
    writeFileSync(at('member/member/snap/db'), '');
    writeFileSync(at('log of its own/0-0.wal'), '');
    const facts = await look({ dataDir: at('member'), walDir: at('log of its own') });
    expect(facts.data).toEqual({ absent: false, kind: 'etcd', walFiles: 1, database: true, entries: ['member'] });
  });

  it('takes a data directory that holds other things for foreign, and what a disk or its own log leaves for nothing', async () => {
    for (const name of ['foreign', 'mount/lost+found', 'with-log/log']) mkdirSync(at(name), { recursive: true });
    writeFileSync(at('foreign/.hidden'), '');
    writeFileSync(at('plain-file'), '');
    expect((await look({ dataDir: at('foreign') })).data).toMatchObject({ kind: 'foreign', entries: ['.hidden'] });
    expect((await look({ dataDir: at('mount') })).data.kind).toBe('none');
    expect((await look({ dataDir: at('with-log'), walDir: at('with-log/log') })).data.kind).toBe('none');
    expect((await look({ dataDir: at('with-log') })).data.kind).toBe('foreign');
    expect((await look({ dataDir: at('plain-file') })).data.kind).toBe('foreign');
  });

  it('takes what we put aside within, and what a killed run of ours has left, for nothing', async () => {
    const time = '20261121T101500Z';
    const ours = ['aside', 'bak', 'failed', 'restore'].map((name) => `${name}-${time}`);
    const files = [`restore-${time}.db`, `.restore-${time}.db.etcd-play-new`];
    for (const name of [...ours, 'bak-part', 'migrate.aB3xYz', 'logs/wal'])
      mkdirSync(at('used', name), { recursive: true });
    for (const name of files) writeFileSync(at('used', name), '');
    const wal = { dataDir: at('used'), walDir: at('used/logs/wal') };
    expect((await look(wal)).data).toMatchObject({ kind: 'none', entries: [] });
    for (const name of ['bak-of-mine', 'restore-mine', 'restored']) {
      mkdirSync(at('used', name));
      expect((await look(wal)).data).toMatchObject({ kind: 'foreign', entries: [name] });
      rmSync(at('used', name), { recursive: true });
    }
  });

  it('sees that a data directory is a link to another disk, which stays where it is', async () => {
    mkdirSync(at('other-disk'));
    symlinkSync(at('other-disk'), at('linked'));
    expect((await look({ dataDir: at('linked') })).data).toMatchObject({ isMount: true, kind: 'none' });
    expect((await look({ dataDir: at('other-disk') })).data.isMount).toBeUndefined();
    expect((await look({ dataDir: '/proc' })).data.isMount).toBe(true);
    const log = await look({ dataDir: at('other-disk'), walDir: '/proc' });
    expect(log.data.logIsMount).toBe(true);
  });

  it('knows the release in use by where the link leads, and files that are no links as strays', async () => {
    for (const dir of ['opt/v1', 'opt/v2', 'bin', 'stray']) mkdirSync(at(dir), { recursive: true });
    for (const file of ['opt/v1/etcd', 'opt/v2/etcd', 'stray/etcd', 'stray/etcdctl']) writeFileSync(at(file), '');
    writeFileSync(at('opt/v1/.archive.sha256'), 'abc\n');
    symlinkSync(at('opt/v1'), at('opt/current'));
    symlinkSync(at('opt/current/etcd'), at('bin/etcd'));
    expect(await look()).toMatchObject({ releaseSum: 'abc', binaryTarget: at('opt/v1/etcd'), binaryInUse: true });
    expect(await look({ releaseDir: at('opt/v2') })).toMatchObject({
      releaseSum: '',
      binaryTarget: at('opt/v1/etcd'),
      binaryInUse: false,
    });
    const stray = await look({ binary: at('stray/etcd') });
    expect(stray.strayBinaries).toEqual([at('stray/etcd'), at('stray/etcdctl')]);
    expect(stray.binaryInUse).toBe(false);
  });

  it('changes nothing by looking', async () => {
    await look({ dataDir: at('never/made'), confFile: at('never/conf') });
    expect((await shell.run(`ls -A ${at('never')}`)).code).not.toBe(0);
  });
});

describe('a text that a host sent', () => {
  const text = `clock 1700000000.25
uid 0
init systemd
machine x86_64
hostname etcd-1
machine-id 0123456789abcdef
os Debian GNU/Linux 12 (bookworm)
<unit
ActiveState=active
SubState=running
Result=success
NRestarts=3
FragmentPath=/etc/systemd/system/etcd.service
MainPID=77

unit>
<sockets
lrwx------ 1 root root 64 Jan 1 00:00 5 -> socket:[55501]
lr-x------ 1 root root 64 Jan 1 00:00 6 -> pipe:[55502]

sockets>
<tcp
   1: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 55501 1 0
   2: 0100007F:094C 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 55502 1 0

tcp>
disk 1024 /dev/mapper/vg with blank /var/lib/etcd
`;

  it('is read: what listens is ours where the socket is the process of the service', () => {
    const facts = parseFacts(text);
    expect(facts.listeners).toEqual([
      { port: 2379, ours: true },
      { port: 2380, ours: false },
    ]);
    expect(facts.service).toEqual({
      activeState: 'active',
      subState: 'running',
      result: 'success',
      restarts: 3,
      fragment: '/etc/systemd/system/etcd.service',
      enabled: false,
    });
    expect(facts.disks).toEqual([{ path: '/var/lib/etcd', freeBytes: 1024 ** 2, device: '/dev/mapper/vg with blank' }]);
    expect(facts).toMatchObject({ clockSeconds: 1_700_000_000.25, os: 'Debian GNU/Linux 12 (bookworm)' });
  });

  it('that says nothing is of a host of which nothing is known, least of all that it is root', () => {
    const facts = parseFacts('');
    expect(facts).toMatchObject({ uid: -1, init: '', machine: '', machineId: '', localAddresses: [], disks: [] });
    expect(facts.clockSeconds).toBeNaN();
  });

  it('that ends within a block does not give that block', () => {
    expect(parseFacts('uid 0\n<configuration\nETCD_NAME=a\n').configuration).toBeUndefined();
  });
});
