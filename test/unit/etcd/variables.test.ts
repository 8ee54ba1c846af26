import { homedir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { describeError, ManyErrors } from '../../../src/errors.ts';
import {
  type EtcdSettings,
  etcdVariables,
  type GivenVariable,
  readClusterSettings,
  readSettings,
} from '../../../src/etcd/variables.ts';
import { given } from './given.ts';

const read = (values: Record<string, unknown>, host = '10.0.0.11') =>
  readSettings({ host, vars: given(values), inventoryDir: '/inv' });

function settingsOf(values: Record<string, unknown>, host?: string): EtcdSettings {
  const { settings, errors } = read(values, host);
  expect(errors.map(describeError)).toEqual([]);
  return settings!;
}

const complaints = (values: Record<string, unknown>, host?: string) => read(values, host).errors.map(describeError);

describe('settings of a host', () => {
  it('have a default for everything', () => {
    expect(settingsOf({})).toEqual({
      host: '10.0.0.11',
      address: '10.0.0.11',
      version: '3.5.30',
      releaseDir: `${homedir()}/.cache/etcd-play/releases`,
      releaseUrl: 'https://github.com/etcd-io/etcd/releases/download',
      name: 'etcd-10.0.0.11',
      clusterToken: 'etcd-cluster',
      user: 'etcd',
      peerPort: 2380,
      clientPort: 2379,
      listenPeerUrls: ['https://10.0.0.11:2380'],
      listenClientUrls: ['https://10.0.0.11:2379', 'https://127.0.0.1:2379'],
      advertisePeerUrl: 'https://10.0.0.11:2380',
      advertiseClientUrls: ['https://10.0.0.11:2379'],
      certificateNames: ['10.0.0.11', '127.0.0.1', 'etcd-10.0.0.11', 'localhost', '::1'],
      dataDir: '/var/lib/etcd',
      ownedDirs: ['/var/lib/etcd'],
      certDir: '/etc/etcd/cert',
      confDir: '/etc/etcd',
      installDir: '/opt/etcd',
      binDir: '/usr/local/bin',
      certExpiryMs: 87_600 * 3_600_000,
      certLocalDir: '/inv/pki',
      keyAlgorithm: 'ecdsa-p256',
      heartbeatMs: 100,
      electionTimeoutMs: 1000,
      quotaBytes: 2 * 1024 ** 3,
      autoCompactionMode: 'periodic',
      autoCompactionRetention: '0',
      logLevel: 'info',
      initialCorruptCheck: true,
      extra: {},
      manageHosts: false,
      openFirewall: false,
      selinux: 'refuse',
    });
  });

  it('take the variables of the tea document as they stand there', () => {
    expect(
      settingsOf({
        CERT_EXPIRY: '87600h',
        CERT_LOCAL_DIR: '/etc/ssl/etcd/',
        ECTD_CERT_DIR: '/etc/ssl/certs',
        ETCD_DATA_DIR: '/var/lib/etcd',
        ETCD_WAL_DIR: '/var/lib/etcd/wal',
        ETCD_PEER_PORT: 2380,
        ETCD_CLIENT_PORT: 2379,
        ETCD_TMP_BACKUP_DIR: '/tmp/backup/etcd/',
        LOCAL_ETCD_BACKUP_DIR: '/tmp/etcd',
      }),
    ).toMatchObject({
      certExpiryMs: 315_360_000_000,
      certLocalDir: '/etc/ssl/etcd',
      certDir: '/etc/ssl/certs',
      walDir: '/var/lib/etcd/wal',
      ownedDirs: ['/var/lib/etcd'],
      tmpBackupDir: '/tmp/backup/etcd',
      localBackupDir: '/tmp/etcd',
    });
  });

  const each: [string, Record<string, unknown>, Partial<EtcdSettings>][] = [
    ['a number and its text are the same port', { ETCD_PEER_PORT: '12380' }, { peerPort: 12_380 }],
    ['a version may have a v', { ETCD_VERSION: 'v3.4.23' }, { version: '3.4.23' }],
    ['the name of the member can be chosen', { ETCD_NAME: 'a-1' }, { name: 'a-1' }],
    ['a release URL loses its last slash', { ETCD_RELEASE_URL: 'http://h/x/' }, { releaseUrl: 'http://h/x' }],
    ['milliseconds may be a duration', { ETCD_HEARTBEAT_INTERVAL: '200ms' }, { heartbeatMs: 200 }],
    ['sizes may have a unit', { ETCD_QUOTA_BACKEND_BYTES: '8GiB' }, { quotaBytes: 8_589_934_592 }],
    ['sizes may be bare', { ETCD_MAX_REQUEST_BYTES: 1_572_864 }, { maxRequestBytes: 1_572_864 }],
    ['capitals do not matter in a choice', { CERT_KEY_ALGORITHM: 'RSA-2048' }, { keyAlgorithm: 'rsa-2048' }],
    ['a path is made plain', { ETCD_DATA_DIR: '/data//etcd/./x/' }, { dataDir: '/data/etcd/x' }],
    ['a path may hold letters of any script', { ETCD_DATA_DIR: '/数据/etcd' }, { dataDir: '/数据/etcd' }],
    ['the default place of the log is no place of its own', { ETCD_WAL_DIR: '/var/lib/etcd/member/wal' }, {}],
    ['~ is home', { CERT_LOCAL_DIR: '~/pki' }, { certLocalDir: `${homedir()}/pki` }],
    ['a relative path starts at its file', { CERT_LOCAL_DIR: '../pki' }, { certLocalDir: '/pki' }],
    ['the check of data is off before 3.5', { ETCD_VERSION: '3.4.23' }, { initialCorruptCheck: false }],
    [
      'the check of data can be had before 3.5',
      { ETCD_VERSION: '3.4.23', ETCD_INITIAL_CORRUPT_CHECK: 'yes' },
      { initialCorruptCheck: true },
    ],
    [
      'extra settings may be a text',
      { ETCD_EXTRA: 'ETCD_MAX_TXN_OPS=256, GOGC=50' },
      { extra: { ETCD_MAX_TXN_OPS: '256', GOGC: '50' } },
    ],
    [
      'extra settings may be a mapping',
      { ETCD_EXTRA: { ETCD_MAX_TXN_OPS: 256 } },
      { extra: { ETCD_MAX_TXN_OPS: '256' } },
    ],
    [
      'a comma in an extra setting stays where no name follows it',
      { ETCD_EXTRA: 'ETCD_CIPHER_SUITES=A,B,ETCD_MAX_WALS=3' },
      { extra: { ETCD_CIPHER_SUITES: 'A,B', ETCD_MAX_WALS: '3' } },
    ],
    ['the user may have variables of his own', { my_port: 1, ETCDCTL_API: 3, HTTP_PORT: 'x' }, { peerPort: 2380 }],
  ];
  it.each(each)('%s', (_, values, expected) => {
    expect(settingsOf(values)).toMatchObject(expected);
  });

  it('give etcd a directory within a log directory that is not in the data directory', () => {
    const { walDir, ownedDirs } = settingsOf({ ETCD_WAL_DIR: '/fast/wal' });
    expect({ walDir, ownedDirs }).toEqual({ walDir: '/fast/wal/wal', ownedDirs: ['/var/lib/etcd', '/fast/wal'] });
  });

  it('start a path given on the command line where one stands', () => {
    const onTheWay: GivenVariable = {
      name: 'CERT_LOCAL_DIR',
      value: 'pki',
      raw: 'pki',
      origin: { file: '-e', line: 0, scope: 'command line' },
    };
    const { settings } = readSettings({ host: 'h', vars: [onTheWay], inventoryDir: '/inv' });
    expect(settings?.certLocalDir).toBe(`${process.cwd()}/pki`);
  });
});

describe('addresses of a host', () => {
  type Urls = Pick<EtcdSettings, 'listenPeerUrls' | 'listenClientUrls' | 'advertisePeerUrl' | 'advertiseClientUrls'>;
  const each: [string, string, Record<string, unknown>, Partial<Urls>][] = [
    [
      'a host by name listens everywhere',
      'db1.example.com',
      {},
      {
        listenPeerUrls: ['https://0.0.0.0:2380'],
        listenClientUrls: ['https://0.0.0.0:2379'],
        advertisePeerUrl: 'https://db1.example.com:2380',
      },
    ],
    [
      'ansible_host goes before the name',
      'db1',
      { ansible_host: '10.0.0.5' },
      { listenPeerUrls: ['https://10.0.0.5:2380'], advertiseClientUrls: ['https://10.0.0.5:2379'] },
    ],
    [
      'an advertised address goes before ansible_host, for listening too',
      'db1',
      { ansible_host: '203.0.113.5', ETCD_ADVERTISE_ADDRESS: '10.0.0.5' },
      {
        listenPeerUrls: ['https://10.0.0.5:2380'],
        listenClientUrls: ['https://10.0.0.5:2379', 'https://127.0.0.1:2379'],
        advertisePeerUrl: 'https://10.0.0.5:2380',
      },
    ],
    [
      'IPv6 is written in brackets and in its shortest form',
      'db1',
      { ansible_host: 'FD00:0:0::5' },
      {
        listenPeerUrls: ['https://[fd00::5]:2380'],
        listenClientUrls: ['https://[fd00::5]:2379', 'https://127.0.0.1:2379'],
        advertisePeerUrl: 'https://[fd00::5]:2380',
      },
    ],
    [
      'peers and clients may have a network each',
      '192.0.2.1',
      {
        ETCD_ADVERTISE_PEER_ADDRESS: '10.1.0.1',
        ETCD_ADVERTISE_CLIENT_ADDRESS: 'etcd1.example.com',
        ETCD_LISTEN_CLIENT_ADDRESS: '10.2.0.1,10.3.0.1',
      },
      {
        listenPeerUrls: ['https://10.1.0.1:2380'],
        listenClientUrls: ['https://10.2.0.1:2379', 'https://10.3.0.1:2379', 'https://127.0.0.1:2379'],
        advertisePeerUrl: 'https://10.1.0.1:2380',
        advertiseClientUrls: ['https://etcd1.example.com:2379'],
      },
    ],
    [
      'all addresses of both families can be had',
      '192.0.2.1',
      { ETCD_LISTEN_ADDRESS: '::' },
      { listenPeerUrls: ['https://[::]:2380'], listenClientUrls: ['https://[::]:2379'] },
    ],
  ];
  it.each(each)('%s', (_, host, values, expected) => {
    expect(settingsOf(values, host)).toMatchObject(expected);
  });

  it('are all in the certificate, with names that were asked for, and no wildcard address', () => {
    const { certificateNames } = settingsOf(
      {
        ansible_host: '203.0.113.5',
        ETCD_ADVERTISE_PEER_ADDRESS: '10.1.0.1',
        ETCD_LISTEN_CLIENT_ADDRESS: '0.0.0.0',
        ETCD_CERT_NAMES: 'vip.example.com,10.9.9.9',
      },
      'db1',
    );
    expect(certificateNames.toSorted()).toEqual(
      [
        '203.0.113.5',
        '10.1.0.1',
        'vip.example.com',
        '10.9.9.9',
        'etcd-db1',
        'db1',
        'localhost',
        '127.0.0.1',
        '::1',
      ].toSorted(),
    );
  });
});

describe('a complaint about one host', () => {
  const port = 'must be a whole number from 1 to 65535';
  const each: [string, Record<string, unknown>, string][] = [
    [
      'names the nearest variable',
      { ETCD_PEER_PROT: 1 },
      'ETCD_PEER_PROT is no variable of etcd-play\n  → Did you mean ETCD_PEER_PORT?',
    ],
    [
      'knows the slip ECTD elsewhere',
      { ECTD_DATA_DIR: '/x' },
      'ECTD_DATA_DIR is no variable of etcd-play\n  → Did you mean ETCD_DATA_DIR?',
    ],
    [
      'has no guess for a far name',
      { ETCD_COLOUR_OF_THE_SKY: 1 },
      'ETCD_COLOUR_OF_THE_SKY is no variable of etcd-play\n  → docs/variables.md lists them all.',
    ],
    [
      'shows the way for a setting of etcd',
      { ETCD_MAX_TXN_OPS: 1 },
      'ETCD_MAX_TXN_OPS is a setting of etcd (all) without a variable of its own\n  → Put it into ETCD_EXTRA: ETCD_EXTRA=ETCD_MAX_TXN_OPS=…',
    ],
    [
      'says what a composed setting comes from',
      { ETCD_CERT_FILE: '/x' },
      'ETCD_CERT_FILE is worked out by etcd-play\n  → It comes from ETCD_CERT_DIR.',
    ],
    [
      'refuses what would harm',
      { ETCD_FORCE_NEW_CLUSTER: true },
      'ETCD_FORCE_NEW_CLUSTER is refused: each start would throw the other members out\n  → Delete it.',
    ],
    [
      'says where a comment belongs',
      { ETCD_PEER_PORT: '2380 # c' },
      `ETCD_PEER_PORT ${port}, not "2380 # c"\n  → In [group:vars] a "#" after a value is part of the value: give the comment a line of its own.`,
    ],
    ['says which ports there are', { ETCD_CLIENT_PORT: 65_536 }, `ETCD_CLIENT_PORT ${port}, not 65536`],
    ['takes no fraction for a port', { ETCD_CLIENT_PORT: 23.5 }, `ETCD_CLIENT_PORT ${port}, not 23.5`],
    [
      'asks for a value',
      { ETCD_WAL_DIR: '' },
      'ETCD_WAL_DIR has no value\n  → Give it one, such as /var/lib/etcd/wal, or delete the line to have the default.',
    ],
    [
      'counts days in hours',
      { CERT_EXPIRY: '3650d' },
      'CERT_EXPIRY must be a duration from 1m to 876000h, such as 90m, 12h or 87600h, not "3650d"\n  → There is no unit for days: 3650d is 87600h.',
    ],
    [
      'asks for a unit',
      { CERT_EXPIRY: 87_600 },
      'CERT_EXPIRY must be a duration from 1m to 876000h, such as 90m, 12h or 87600h, not 87600\n  → Say the unit: 87600h, for example.',
    ],
    [
      'refuses a relative path on a host',
      { ETCD_DATA_DIR: 'data' },
      'ETCD_DATA_DIR must be an absolute path on the host (beginning with "/"), not "data"',
    ],
    ['refuses a way up', { ETCD_DATA_DIR: '/a/../b' }, 'ETCD_DATA_DIR must be a path without "..", not "/a/../b"'],
    [
      'refuses a blank in a path',
      { ETCD_DATA_DIR: '/a b' },
      'ETCD_DATA_DIR must be a path of letters, digits and "._@+=,:/-" (it holds " "), not "/a b"',
    ],
    [
      'refuses a dollar in a path',
      { ETCD_DATA_DIR: '/a$b' },
      'ETCD_DATA_DIR must be a path of letters, digits and "._@+=,:/-" (it holds "$"), not "/a$b"',
    ],
    [
      'refuses a percent sign in a path',
      { ETCD_CERT_DIR: '/a%h' },
      'ETCD_CERT_DIR must be a path of letters, digits and "._@+=,:/-" (it holds "%"), not "/a%h"',
    ],
    [
      'refuses a new line in a path',
      { ETCD_DATA_DIR: '/a\nb' },
      'ETCD_DATA_DIR must be a path of letters, digits and "._@+=,:/-" (it holds "\\n"), not "/a\\nb"',
    ],
    [
      'keeps the system from etcd',
      { ETCD_DATA_DIR: '/srv' },
      'ETCD_DATA_DIR must not be /srv, a directory of the system\n  → Choose a directory of its own in it.',
    ],
    [
      'keeps data from being part of the log',
      { ETCD_WAL_DIR: '/var/lib', ETCD_DATA_DIR: '/var/lib/etcd' },
      'ETCD_WAL_DIR must not be /var/lib, a directory of the system\n  → Choose a directory of its own in it.',
    ],
    [
      'wants the log beside the data',
      { ETCD_WAL_DIR: '/d', ETCD_DATA_DIR: '/d/etcd' },
      'ETCD_WAL_DIR must not be ETCD_DATA_DIR or a directory above it\n  → Use /d/etcd/wal.',
    ],
    [
      "keeps out of etcd's own directory",
      { ETCD_WAL_DIR: '/var/lib/etcd/member/snap' },
      "ETCD_WAL_DIR must not be in /var/lib/etcd/member, which is etcd's own\n  → Use /var/lib/etcd/wal.",
    ],
    [
      'refuses a user that is none',
      { ETCD_USER: 'Etcd User' },
      'ETCD_USER must be a user name: small letters, digits, "_" and "-", not longer than 31, not "Etcd User"',
    ],
    [
      'refuses a name with a comma',
      { ETCD_NAME: 'a,b' },
      'ETCD_NAME must be a name of letters, digits, ".", "_" and "-", and begin with a letter or a digit, not "a,b"',
    ],
    [
      'refuses a version that lost data',
      { ETCD_VERSION: '3.5.1' },
      'ETCD_VERSION "3.5.1" is refused: a member of 3.5.0 to 3.5.2 that is killed under load may come back with other data than its peers\n  → Choose a later release of 3.5.',
    ],
    [
      'refuses a version that is too old',
      { ETCD_VERSION: '3.2.32' },
      'ETCD_VERSION "3.2.32" is not supported: 3.3 to 3.7 are\n  → Choose a release from 3.3 to 3.7, for example 3.5.30.',
    ],
    [
      'wants a whole version',
      { ETCD_VERSION: 3.5 },
      'ETCD_VERSION must be a release of etcd such as 3.5.30, not 3.5\n  → Choose a release from 3.3 to 3.7, for example 3.5.30.',
    ],
    [
      'compares the two times',
      { ETCD_HEARTBEAT_INTERVAL: 300, ETCD_ELECTION_TIMEOUT: 1000 },
      'ETCD_ELECTION_TIMEOUT (1000 ms) must be at least 5 times ETCD_HEARTBEAT_INTERVAL (300 ms)\n  → Set ETCD_ELECTION_TIMEOUT to 3000.',
    ],
    [
      'bounds the election',
      { ETCD_ELECTION_TIMEOUT: 60_000 },
      'ETCD_ELECTION_TIMEOUT must be a number of milliseconds from 10 to 50000, such as 100 or 100ms, not 60000',
    ],
    [
      'wants two ports',
      { ETCD_PEER_PORT: 2379 },
      'ETCD_PEER_PORT and ETCD_CLIENT_PORT are both 2379\n  → Give each a port of its own.',
    ],
    [
      'wants metrics elsewhere',
      { ETCD_LISTEN_METRICS_URLS: 'http://127.0.0.1:2379' },
      'ETCD_LISTEN_METRICS_URLS takes port 2379, which peers or clients have',
    ],
    [
      'wants an address to listen on',
      { ETCD_LISTEN_ADDRESS: 'eth0' },
      'ETCD_LISTEN_ADDRESS must be one IP address or more, with commas between them (etcd does not listen on names), not "eth0"',
    ],
    [
      'wants an address that others reach',
      { ETCD_ADVERTISE_ADDRESS: '0.0.0.0' },
      'ETCD_ADVERTISE_ADDRESS must be an address that others can reach, not one that stands for all of them, not "0.0.0.0"',
    ],
    [
      'wants revisions where it counts them',
      { ETCD_AUTO_COMPACTION_MODE: 'revision', ETCD_AUTO_COMPACTION_RETENTION: '1h' },
      'ETCD_AUTO_COMPACTION_RETENTION must be a number of revisions, since ETCD_AUTO_COMPACTION_MODE is revision, not 1h',
    ],
    [
      'notes revisions taken for hours',
      { ETCD_AUTO_COMPACTION_RETENTION: 100_000 },
      'ETCD_AUTO_COMPACTION_RETENTION is 100000 hours, more than ten years, since ETCD_AUTO_COMPACTION_MODE is periodic\n  → For a number of revisions set ETCD_AUTO_COMPACTION_MODE to revision.',
    ],
    [
      'says which versions know a variable',
      { ETCD_VERSION: '3.6.14', ETCD_ENABLE_V2: true },
      'etcd 3.6.14 does not know ETCD_ENABLE_V2; these versions do: up to 3.5\n  → Delete it, or choose another version.',
    ],
    [
      'says which versions know an extra setting',
      { ETCD_VERSION: '3.4.23', ETCD_EXTRA: 'ETCD_TLS_MIN_VERSION=TLS1.2' },
      'ETCD_EXTRA: etcd 3.4.23 does not know ETCD_TLS_MIN_VERSION; these versions do: 3.5 and later\n  → Correct the name, or delete it.',
    ],
    [
      'keeps our settings out of the extra ones',
      { ETCD_EXTRA: 'ETCD_DATA_DIR=/x' },
      'ETCD_EXTRA: ETCD_DATA_DIR is a variable of its own\n  → Set ETCD_DATA_DIR by itself, outside ETCD_EXTRA.',
    ],
    [
      'keeps foreign variables out of the extra ones',
      { ETCD_EXTRA: 'PATH=/x' },
      'ETCD_EXTRA: etcd 3.5.30 does not know PATH\n  → Correct the name, or delete it.',
    ],
    [
      'wants extra settings in one line',
      { ETCD_EXTRA: { ETCD_METRICS: 'basic\nETCD_NAME=x' } },
      'ETCD_EXTRA must have each value in one line (ETCD_METRICS has not), not {"ETCD_METRICS":"basic\\nETCD_NAME=x"}',
    ],
  ];
  it.each(each)('%s', (_, values, expected) => {
    const [first, ...more] = complaints(values);
    const line = /^\/inv\/hosts\.ini:(\d+): /.exec(first ?? '');
    expect(first?.slice(line?.[0].length ?? 0)).toBe(expected);
    expect(more).toEqual([]);
  });

  it('names file and line', () => {
    expect(complaints({ ETCD_NAME: 'a', ETCD_PEER_PORT: 0 })[0]).toMatch(/^\/inv\/hosts\.ini:2: /);
  });

  it('comes beside all others', () => {
    expect(complaints({ ETCD_PEER_PORT: 0, ETCD_NMAE: 'a', CERT_EXPIRY: 'x' })).toHaveLength(3);
  });

  it('names the two of a variable with two names that differ', () => {
    expect(complaints({ ETCD_CERT_DIR: '/a', ECTD_CERT_DIR: '/b' })).toEqual([
      '/inv/hosts.ini:2: ETCD_CERT_DIR and ECTD_CERT_DIR mean the same but differ: "/a" (/inv/hosts.ini:1) and "/b"\n  → Keep ETCD_CERT_DIR, delete the other.',
    ]);
    expect(complaints({ ETCD_CERT_DIR: '/a', ECTD_CERT_DIR: '/a/' })).toEqual([]);
  });

  it('is about the host where its name is no address', () => {
    expect(complaints({}, 'my host')[0]).toMatch(/^my host: the name of the host must be an IP address or a host name/);
  });
});

describe('a warning', () => {
  const each: [string, Record<string, unknown>, string][] = [
    [
      'is given for names in small letters',
      { etcd_data_dir: '/x' },
      'etcd_data_dir is not read: names of variables are in capitals. Write ETCD_DATA_DIR to set it.',
    ],
    ['is given for versions without fixes', { ETCD_VERSION: '3.4.23' }, 'etcd 3.4 gets no fixes any more'],
    [
      'is given for a large quota',
      { ETCD_QUOTA_BACKEND_BYTES: '16GiB' },
      'ETCD_QUOTA_BACKEND_BYTES is above 8 GiB, the most that etcd advises',
    ],
    [
      'is given for data that a restart takes away',
      { ETCD_DATA_DIR: '/tmp/etcd' },
      'ETCD_DATA_DIR /tmp/etcd does not outlive a restart of the host on most systems',
    ],
    [
      'is given for hasty elections',
      { ETCD_ELECTION_TIMEOUT: 500 },
      'ETCD_ELECTION_TIMEOUT (500 ms) is less than 10 times ETCD_HEARTBEAT_INTERVAL (100 ms): elections for small delays',
    ],
  ];
  it.each(each)('%s', (_, values, message) => {
    const { warnings, errors } = read(values);
    expect(errors).toEqual([]);
    expect(warnings).toEqual([{ message, file: '/inv/hosts.ini', line: 1 }]);
  });
});

describe('settings of a cluster', () => {
  const cluster = (hosts: Record<string, Record<string, unknown>>) => {
    try {
      const input = Object.entries(hosts).map(([host, values]) => ({ host, vars: given(values) }));
      return [...readClusterSettings(input, '/inv').keys()];
    } catch (error) {
      if (!(error instanceof ManyErrors)) throw error;
      return error.errors.map(describeError);
    }
  };

  it('come for each host', () => {
    expect(cluster({ '10.0.0.1': {}, '10.0.0.2': { ETCD_DATA_DIR: '/data' } })).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  it('are refused with all complaints at once, each once', () => {
    expect(
      cluster({
        '10.0.0.1': { ETCD_PEER_PORT: 0, ETCD_NMAE: 1 },
        '10.0.0.2': { ETCD_PEER_PORT: 0, ETCD_NMAE: 1, CERT_EXPIRY: 'x' },
      }),
    ).toHaveLength(3);
  });

  const each: [string, Record<string, Record<string, unknown>>, string][] = [
    [
      'must agree on what the cluster shares',
      { '10.0.0.1': {}, '10.0.0.2': { ETCD_VERSION: '3.5.16' } },
      '/inv/hosts.ini:1: ETCD_VERSION must be the same on all hosts of the cluster, but is "3.5.30" on 10.0.0.1 and "3.5.16" on 10.0.0.2\n  → Set it in the [group:vars] of the cluster.',
    ],
    [
      'must have a name for each member',
      { '10.0.0.1': { ETCD_NAME: 'a' }, '10.0.0.2': { ETCD_NAME: 'a' } },
      '/inv/hosts.ini:1: 10.0.0.2 and 10.0.0.1 have the same member name: a\n  → Delete ETCD_NAME, or give each host its own.',
    ],
    [
      'must have an address for each member that others can reach',
      { a: { ansible_host: '10.0.0.1' }, b: { ansible_host: '127.0.0.1' } },
      'b: the other members cannot reach it at https://127.0.0.1:2380\n  → Set ETCD_ADVERTISE_ADDRESS for this host.',
    ],
  ];
  it.each(each)('%s', (_, hosts, expected) => {
    expect(cluster(hosts)).toEqual([expected]);
  });

  it('must have no address twice, however it is written', () => {
    expect(cluster({ a: { ansible_host: 'fd00::1' }, b: { ansible_host: 'FD00:0::1' } })).toEqual([
      'b and a have the same address: [fd00::1]:22\n  → Each must be a host of its own: correct ansible_host, or delete one.',
    ]);
  });

  it('must have no advertised address twice, though SSH goes to two', () => {
    expect(
      cluster({ '10.0.0.1': { ETCD_ADVERTISE_ADDRESS: 'db1' }, '10.0.0.2': { ETCD_ADVERTISE_ADDRESS: 'DB1' } }),
    ).toEqual([
      '/inv/hosts.ini:1: 10.0.0.2 and 10.0.0.1 have the same peer address: https://db1:2380\n  → Give each host an ETCD_ADVERTISE_ADDRESS of its own.',
    ]);
  });

  it('may share an address for SSH where ports differ', () => {
    expect(
      cluster({
        a: { ansible_host: '192.0.2.1', ansible_port: 2201, ETCD_ADVERTISE_ADDRESS: '10.0.0.1' },
        b: { ansible_host: '192.0.2.1', ansible_port: 2202, ETCD_ADVERTISE_ADDRESS: '10.0.0.2' },
      }),
    ).toEqual(['a', 'b']);
  });

  it('may be those of a single host at the loopback address', () => {
    expect(cluster({ localhost: {} })).toEqual(['localhost']);
  });

  it('bring each warning once', () => {
    const seen: string[] = [];
    const hosts = ['10.0.0.1', '10.0.0.2'].map((host) => ({ host, vars: given({ ETCD_VERSION: '3.3.25' }) }));
    readClusterSettings(hosts, '/inv', (w) => seen.push(w.message));
    expect(seen).toEqual(['etcd 3.3 gets no fixes any more']);
  });
});

describe('the declarations', () => {
  it('have an example each that is good by itself', () => {
    for (const { name, kind, example } of etcdVariables) {
      expect({ name, ...kind.read(example) }).toMatchObject({ name, ok: true });
    }
  });

  it('name no variable twice', () => {
    const names = etcdVariables.flatMap((v) => [v.name, ...(v.aliases ?? [])]);
    expect(new Set(names).size).toBe(names.length);
  });
});
