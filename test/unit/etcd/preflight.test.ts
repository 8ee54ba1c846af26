import { describe, expect, it } from 'vitest';
import { ManyErrors, PlayError } from '../../../src/errors.ts';
import type { HostFacts } from '../../../src/etcd/observe.ts';
import {
  clockComplaints,
  complaintsError,
  DATA_BYTES,
  hostComplaints,
  RELEASE_BYTES,
  sameMachines,
} from '../../../src/etcd/preflight.ts';
import { DATA, UNTOUCHED, Wanted } from './plan/observed.ts';

const GIB = 1024 ** 3;
const disk = (path: string, freeBytes: number, device = '/dev/a') => ({ path, freeBytes, device });
const good: HostFacts = {
  ...UNTOUCHED,
  localAddresses: ['127.0.0.1', '10.0.0.11', 'fd00:0000:0000:0000:0000:0000:0000:0011'],
  listeners: [{ port: 22, ours: false }],
  disks: [disk('/var/lib/etcd', 10 * GIB), disk('/opt/etcd/v3.5.16', 10 * GIB)],
};

function complaints(facts: Partial<HostFacts>, vars: Record<string, unknown> = {}): string[] {
  const [settings] = new Wanted(1, vars).settings;
  return hostComplaints({ ...good, ...facts }, settings!).map(({ message, next }) => `${message} → ${next}`);
}

describe('a host', () => {
  it('that is in order is not complained of', () => {
    expect(complaints({})).toEqual([]);
  });

  it.each<[string, Partial<HostFacts>, Record<string, unknown>, RegExp]>([
    ['without root', { uid: 1000 }, {}, /not root \(uid 1000\) → Remove ansible_become=false/],
    ['without systemd', { init: 'init' }, {}, /process 1 is init, not systemd/],
    ['of which process 1 is unknown', { init: '' }, {}, /process 1 is unknown/],
    [
      'of a machine that etcd has no release for',
      { machine: 'riscv64' },
      {},
      /no supported release for riscv64 → .*x86_64, aarch64/,
    ],
    [
      'whose client port is taken',
      { listeners: [{ port: 2379, ours: false }] },
      {},
      /port 2379 is taken .*ETCD_CLIENT_PORT/,
    ],
    [
      'whose peer port is taken',
      { listeners: [{ port: 2380, ours: false }] },
      {},
      /port 2380 is taken .*ETCD_PEER_PORT/,
    ],
    [
      'whose other port is taken',
      { listeners: [{ port: 12379, ours: false }] },
      { ETCD_CLIENT_PORT: 12379 },
      /port 12379/,
    ],
    [
      'without the address to listen on',
      { localAddresses: ['127.0.0.1', '192.0.2.1'] },
      {},
      /listen on 10.0.0.11, .*it has 192.0.2.1\) → Set ETCD_LISTEN_ADDRESS/,
    ],
    ['where SELinux enforces', { enforces: true }, {}, /SELinux enforces .* → Set ETCD_SELINUX=context/],
    ['without the IPv6 address to listen on', {}, { ETCD_LISTEN_ADDRESS: 'fd00::12' }, /listen on fd00::12/],
    [
      'with a stray binary',
      { strayBinaries: ['/usr/local/bin/etcd'] },
      {},
      /\/usr\/local\/bin\/etcd is a file that etcd-play did not put there/,
    ],
    [
      'with foreign things in the data directory',
      { data: { kind: 'foreign', walFiles: 0, database: false, entries: ['a', 'b', 'c', 'd'] } },
      {},
      /\/var\/lib\/etcd is not empty and not etcd's \(a, b, c\) → Nothing was deleted/,
    ],
  ])('%s is told so, and what to do', (_, facts, vars, words) => {
    const all = complaints(facts, vars);
    expect(all).toHaveLength(1);
    expect(all[0]).toMatch(words);
  });

  it.each<[string, Partial<HostFacts>, Record<string, unknown>]>([
    ['on arm64', { machine: 'aarch64' }, {}],
    ['where SELinux enforces and is heeded', { enforces: true }, { ETCD_SELINUX: 'context' }],
    ['where SELinux enforces and is known to allow it', { enforces: true }, { ETCD_SELINUX: 'ignore' }],
    ['whose ports are taken by its own etcd', { listeners: [2379, 2380].map((port) => ({ port, ours: true })) }, {}],
    ['where another program has a port that is not used', { listeners: [{ port: 2381, ours: false }] }, {}],
    ['whose addresses are not known', { localAddresses: [] }, {}],
    ['that listens on all its addresses', { localAddresses: ['192.0.2.1'] }, { ETCD_LISTEN_ADDRESS: '0.0.0.0' }],
    ['that listens on all its IPv6 addresses', { localAddresses: ['192.0.2.1'] }, { ETCD_LISTEN_ADDRESS: '::' }],
    ['whose IPv6 address is written in another way', {}, { ETCD_LISTEN_ADDRESS: 'FD00::0011' }],
    ['with data of etcd', DATA, {}],
  ])('%s is not complained of', (_, facts, vars) => {
    expect(complaints(facts, vars)).toEqual([]);
  });

  it('has all complaints told at once', () => {
    expect(
      complaints({ uid: 1, init: '', listeners: [2379, 2380].map((port) => ({ port, ours: false })) }),
    ).toHaveLength(4);
  });
});

describe('the space on the disks', () => {
  const both = DATA_BYTES + RELEASE_BYTES;
  const installed = { releaseSum: 'sum' };
  const own = (data: number, release: number) => [
    disk('/var/lib/etcd', data, '/dev/a'),
    disk('/opt/etcd/v3.5.16', release, '/dev/b'),
  ];
  const one = (free: number) => [disk('/var/lib/etcd', free), disk('/opt/etcd/v3.5.16', free)];

  it.each<[string, Partial<HostFacts>, string[]]>([
    ['is enough where all fits on one disk', { disks: one(both) }, []],
    [
      'is not enough where each fits, but not both on one disk',
      { disks: one(both - 1) },
      ['/opt/etcd/v3.5.16 and /var/lib/etcd'],
    ],
    ['is not enough for the data', { disks: own(DATA_BYTES - 1, GIB) }, ['/var/lib/etcd']],
    ['is not enough for the release', { disks: own(GIB, RELEASE_BYTES - 1) }, ['/opt/etcd/v3.5.16']],
    ['is enough for a release that is there already', { disks: own(GIB, 0), ...installed }, []],
    ['is enough for data that are there already', { disks: own(0, GIB), ...DATA }, []],
    ['is not judged where it is not known', { disks: [] }, []],
  ])('%s', (_, facts, paths) => {
    const found = complaints(facts).map((text) => /free for (.*), \d+ MiB are needed/.exec(text)?.[1]);
    expect(found).toEqual(paths);
  });

  it('is needed on the disk of the log, most of it, where that is another', () => {
    const disks = [disk('/var/lib/etcd', GIB, '/dev/a'), disk('/fast/wal', 200 * 1024 ** 2, '/dev/b')];
    expect(complaints({ disks }, { ETCD_WAL_DIR: '/fast' })[0]).toContain('200 MiB are free for /fast/wal, 300 MiB');
  });
});

it('a log directory that is a mount point itself is none for a new member; one that is in use is let be', () => {
  const data = { kind: 'none' as const, walFiles: 0, database: false, entries: [], logIsMount: true };
  expect(complaints({ data })[0]).toContain('its log directory /var/lib/etcd/member/wal is a mount point');
  expect(complaints({ data: { ...DATA.data!, logIsMount: true } })).toEqual([]);
});

describe('the clocks of the hosts', () => {
  /** Readings whose true difference to the control machine lies within a tenth of a second. */
  const at = (offsets: Record<string, number>) =>
    Object.entries(offsets).map(([host, offset]) => ({ host, earliest: offset - 0.05, latest: offset + 0.05 }));

  it.each<[string, Record<string, number>, number, number]>([
    ['that agree are not spoken of', { a: 0, b: 0.3, c: -0.4 }, 0, 0],
    ['of which one is seconds ahead are warned of', { a: 0, b: 3, c: 0 }, 0, 1],
    ['of which one is seconds behind are warned of', { a: 0, b: -3, c: 0 }, 0, 1],
    ['that are far apart are an error', { a: 0, b: 40 }, 1, 0],
    ['that are all wrong by the same are not spoken of: the control machine may be the one', { a: 90, b: 90.2 }, 0, 0],
    ['of one host alone are not compared', { a: 90 }, 0, 0],
    ['of no host at all are not compared', {}, 0, 0],
  ])('%s', (_, offsets, errors, warnings) => {
    const found = clockComplaints(at(offsets));
    expect([found.errors.length, found.warnings.length]).toEqual([errors, warnings]);
  });

  it('are named, the one ahead and the one behind', () => {
    expect(clockComplaints(at({ a: 0, b: 5, c: -2 })).warnings[0]).toMatch(
      /^the clock of b is at least 6.9 s ahead of that of c/,
    );
  });

  it('that were read slowly are not accused of what may not be', () => {
    expect(
      clockComplaints([
        { host: 'a', earliest: -5, latest: 5 },
        { host: 'b', earliest: 0, latest: 10 },
      ]),
    ).toEqual({ errors: [], warnings: [] });
  });
});

describe('hosts with one machine-id', () => {
  it.each([
    [{ a: '1', b: '2' }, []],
    [{ a: '1', b: '2', c: '1' }, ['a and c']],
    [{ a: '1', b: '1', c: '2', d: '2' }, ['a and b', 'c and d']],
    [{ a: '', b: '' }, []],
  ])('of %j are %j', (ids, found) => {
    const machines = Object.entries(ids).map(([host, machineId]) => ({ host, machineId }));
    expect(sameMachines(machines).map(({ message }) => message.split(' have ')[0])).toEqual(found);
  });
});

describe('complaints as an error', () => {
  const complaint = (message: string) => ({ message, next: 'Do.' });
  it('are one error for one, and one for all of several, with the host once', () => {
    const single = complaintsError('h1', [complaint('a')]);
    expect(single).toBeInstanceOf(PlayError);
    expect(single).toMatchObject({ message: 'a', next: 'Do.', host: 'h1' });
    const many = complaintsError('h1', [complaint('a'), complaint('b')]);
    expect(many).toBeInstanceOf(ManyErrors);
    expect(many).toMatchObject({ message: '2 things must be put right first:', host: 'h1' });
    expect((many as ManyErrors).errors.map(({ host }) => host)).toEqual([undefined, undefined]);
  });
});
