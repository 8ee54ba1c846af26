import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type ConfigurationInput,
  certificateFiles,
  parseEnvironmentFile,
  renderConfiguration,
  renderUnit,
} from '../../../src/etcd/configuration.ts';
import { type EtcdSettings, readSettings } from '../../../src/etcd/variables.ts';
import { knowsSetting } from '../../../src/etcd/versions.ts';
import { given } from './given.ts';

function settingsOf(values: Record<string, unknown> = {}): EtcdSettings {
  const { settings, errors } = readSettings({ host: '10.0.0.1', vars: given(values), inventoryDir: '/inv' });
  expect(errors).toEqual([]);
  return settings!;
}

function rendered(
  values: Record<string, unknown> = {},
  more: Partial<ConfigurationInput> = {},
): Record<string, string> {
  const initialCluster = [
    { name: 'etcd-10.0.0.1', peerUrl: 'https://10.0.0.1:2380' },
    { name: 'etcd-10.0.0.2', peerUrl: 'https://10.0.0.2:2380' },
  ];
  const text = renderConfiguration({ settings: settingsOf(values), initialCluster, state: 'new', ...more });
  return Object.fromEntries(parseEnvironmentFile(text));
}

const versions = ['3.3.25', '3.4.23', '3.5.16', '3.5.30', '3.6.14', '3.7.1'];

describe('etcd.conf', () => {
  it('reads as it is written here', () => {
    const initialCluster = [{ name: 'etcd-10.0.0.1', peerUrl: 'https://10.0.0.1:2380' }];
    const text = renderConfiguration({ settings: settingsOf(), initialCluster, state: 'new' });
    expect(text).toMatchInlineSnapshot(`
      "# etcd-10.0.0.1: etcd 3.5.30, written by etcd-play. Changes made here are undone by its next run.

      # Member
      ETCD_NAME="etcd-10.0.0.1"
      ETCD_DATA_DIR="/var/lib/etcd"
      ETCD_LISTEN_PEER_URLS="https://10.0.0.1:2380"
      ETCD_LISTEN_CLIENT_URLS="https://10.0.0.1:2379,https://127.0.0.1:2379"
      ETCD_ADVERTISE_CLIENT_URLS="https://10.0.0.1:2379"

      # Cluster: read at the member's very first start only
      ETCD_INITIAL_ADVERTISE_PEER_URLS="https://10.0.0.1:2380"
      ETCD_INITIAL_CLUSTER="etcd-10.0.0.1=https://10.0.0.1:2380"
      ETCD_INITIAL_CLUSTER_STATE="new"
      ETCD_INITIAL_CLUSTER_TOKEN="etcd-cluster"

      # Certificates
      ETCD_CERT_FILE="/etc/etcd/cert/etcd-server.pem"
      ETCD_KEY_FILE="/etc/etcd/cert/etcd-server-key.pem"
      ETCD_TRUSTED_CA_FILE="/etc/etcd/cert/etcd-ca.pem"
      ETCD_CLIENT_CERT_AUTH="true"
      ETCD_PEER_CERT_FILE="/etc/etcd/cert/etcd-peer.pem"
      ETCD_PEER_KEY_FILE="/etc/etcd/cert/etcd-peer-key.pem"
      ETCD_PEER_TRUSTED_CA_FILE="/etc/etcd/cert/etcd-ca.pem"
      ETCD_PEER_CLIENT_CERT_AUTH="true"

      # Behaviour
      ETCD_HEARTBEAT_INTERVAL="100"
      ETCD_ELECTION_TIMEOUT="1000"
      ETCD_QUOTA_BACKEND_BYTES="2147483648"
      ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK="true"
      ETCD_LOGGER="zap"
      ETCD_LOG_LEVEL="info"
      "
    `);
  });

  it.each(versions)('of %s holds only what that version knows', (version) => {
    const everything = {
      ETCD_VERSION: version,
      ETCD_WAL_DIR: '/wal',
      ETCD_SNAPSHOT_COUNT: 5000,
      ETCD_AUTO_COMPACTION_RETENTION: '1h',
      ETCD_MAX_REQUEST_BYTES: '2MiB',
      ETCD_LISTEN_METRICS_URLS: 'http://127.0.0.1:2381',
      ETCD_INITIAL_CORRUPT_CHECK: true,
    };
    for (const level of ['debug', 'info', 'warn', 'error', 'panic', 'fatal']) {
      const names = Object.keys(rendered({ ...everything, ETCD_LOG_LEVEL: level }));
      expect(names.filter((name) => !knowsSetting(version, name))).toEqual([]);
    }
  });

  it('is the same each time', () => {
    expect(rendered()).toEqual(rendered());
  });

  it.each<[string, Record<string, unknown>, Record<string, string | undefined>]>([
    [
      '3.3 has no log level: debug',
      { ETCD_VERSION: '3.3.25', ETCD_LOG_LEVEL: 'debug' },
      { ETCD_DEBUG: 'true', ETCD_LOG_LEVEL: undefined, ETCD_LOGGER: undefined },
    ],
    [
      '3.3 has no log level: info',
      { ETCD_VERSION: '3.3.25' },
      { ETCD_DEBUG: undefined, ETCD_LOG_PACKAGE_LEVELS: undefined },
    ],
    [
      '3.3 has no log level: warn',
      { ETCD_VERSION: '3.3.25', ETCD_LOG_LEVEL: 'warn' },
      { ETCD_LOG_PACKAGE_LEVELS: '*=WARNING' },
    ],
    [
      '3.4 is told to use zap',
      { ETCD_VERSION: '3.4.23', ETCD_LOG_LEVEL: 'warn' },
      { ETCD_LOGGER: 'zap', ETCD_LOG_LEVEL: 'warn' },
    ],
    [
      '3.5 checks its data by a setting',
      { ETCD_VERSION: '3.5.30' },
      { ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK: 'true', ETCD_FEATURE_GATES: undefined },
    ],
    [
      '3.6 checks its data by a gate',
      { ETCD_VERSION: '3.6.14' },
      { ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK: undefined, ETCD_FEATURE_GATES: 'InitialCorruptCheck=true' },
    ],
    [
      'other gates stay',
      { ETCD_VERSION: '3.7.1', ETCD_EXTRA: 'ETCD_FEATURE_GATES=LeaseCheckpoint=true' },
      { ETCD_FEATURE_GATES: 'InitialCorruptCheck=true,LeaseCheckpoint=true' },
    ],
    [
      'a gate by hand goes first',
      { ETCD_VERSION: '3.7.1', ETCD_EXTRA: 'ETCD_FEATURE_GATES=InitialCorruptCheck=false' },
      { ETCD_FEATURE_GATES: 'InitialCorruptCheck=false' },
    ],
    [
      'no compaction is not mentioned',
      {},
      { ETCD_AUTO_COMPACTION_MODE: undefined, ETCD_AUTO_COMPACTION_RETENTION: undefined },
    ],
    [
      'compaction comes with its mode',
      { ETCD_AUTO_COMPACTION_RETENTION: '30m' },
      { ETCD_AUTO_COMPACTION_MODE: 'periodic', ETCD_AUTO_COMPACTION_RETENTION: '30m' },
    ],
    ['v2 is left alone unless asked for', {}, { ETCD_ENABLE_V2: undefined }],
    ['v2 can be had', { ETCD_ENABLE_V2: true }, { ETCD_ENABLE_V2: 'true' }],
    [
      'extra settings are taken as they are',
      { ETCD_EXTRA: { ETCD_CORS: 'a "b" $c \\' } },
      { ETCD_CORS: 'a "b" $c \\' },
    ],
    ['certificates are asked of all', {}, { ETCD_CLIENT_CERT_AUTH: 'true', ETCD_PEER_CLIENT_CERT_AUTH: 'true' }],
  ])('%s', (_, values, expected) => {
    const found = rendered(values);
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, found[name]]))).toEqual(expected);
  });

  it('says existing once the cluster has formed, with the token it was formed with', () => {
    expect(rendered({}, { state: 'existing', clusterToken: 'old' })).toMatchObject({
      ETCD_INITIAL_CLUSTER_STATE: 'existing',
      ETCD_INITIAL_CLUSTER_TOKEN: 'old',
      ETCD_INITIAL_CLUSTER: 'etcd-10.0.0.1=https://10.0.0.1:2380,etcd-10.0.0.2=https://10.0.0.2:2380',
    });
  });

  it.each([
    ['3.4.23', 'arm64', 'arm64'],
    ['3.4.23', 'amd64', undefined],
    ['3.5.30', 'arm64', undefined],
  ] as const)('of %s on %s allows the architecture: %s', (version, arch, expected) => {
    expect(rendered({ ETCD_VERSION: version }, { arch }).ETCD_UNSUPPORTED_ARCH).toBe(expected);
  });

  it("comes from the user's own template where there is one", () => {
    const dir = mkdtempSync(join(tmpdir(), 'etcd-conf-'));
    try {
      writeFileSync(join(dir, 'etcd.conf.hbs'), 'ETCD_NAME={{env.ETCD_NAME}}\n');
      const text = renderConfiguration({
        settings: settingsOf(),
        initialCluster: [],
        state: 'new',
        templateDirs: [dir],
      });
      expect(text).toBe('ETCD_NAME="etcd-10.0.0.1"\n');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe('etcd.service', () => {
  const unit = (values: Record<string, unknown> = {}) => renderUnit({ settings: settingsOf(values) }).split('\n');

  it('starts etcd without flags, as its user, from its environment file, and waits until it is ready', () => {
    expect(unit()).toEqual(
      expect.arrayContaining([
        'Type=notify',
        'TimeoutStartSec=infinity',
        'User=etcd',
        'EnvironmentFile=/etc/etcd/etcd.conf',
        'ExecStart=/usr/local/bin/etcd',
        'Restart=on-failure',
        'LimitNOFILE=65536',
        'WantedBy=multi-user.target',
      ]),
    );
  });

  it.each<[string, Record<string, unknown>, string[]]>([
    ['lets it write its data only', {}, ['ProtectSystem=strict', 'ReadWritePaths=/var/lib/etcd']],
    ['lets it write its log too', { ETCD_WAL_DIR: '/wal' }, ['ReadWritePaths=/var/lib/etcd /wal']],
    [
      'needs no second path for a log in the data',
      { ETCD_WAL_DIR: '/var/lib/etcd/wal' },
      ['ReadWritePaths=/var/lib/etcd'],
    ],
    [
      'waits for the disks of data and certificates',
      { ETCD_WAL_DIR: '/wal' },
      ['RequiresMountsFor=/var/lib/etcd /wal /etc/etcd/cert'],
    ],
    ['hides homes and temporary files', {}, ['ProtectHome=true', 'PrivateTmp=true']],
    ['shows homes that hold data', { ETCD_DATA_DIR: '/home/etcd/data' }, ['ProtectHome=read-only', 'PrivateTmp=true']],
    ['shows homes that hold certificates', { ETCD_CERT_DIR: '/root/cert' }, ['ProtectHome=read-only']],
    ['gives no rights', {}, ['CapabilityBoundingSet=', 'NoNewPrivileges=true']],
    ['gives the right to a low port', { ETCD_CLIENT_PORT: 443 }, ['AmbientCapabilities=CAP_NET_BIND_SERVICE']],
  ])('%s', (_, values, expected) => {
    expect(unit(values)).toEqual(expect.arrayContaining(expected));
  });

  it('shows temporary files that are data', () => {
    expect(unit({ ETCD_DATA_DIR: '/var/tmp/etcd' }).join('\n')).not.toContain('PrivateTmp');
  });
});

describe('certificates on a host', () => {
  it('have names of their own, since the directory may be a shared one', () => {
    expect(Object.values(certificateFiles({ certDir: '/etc/ssl/certs' }))).toEqual(
      ['ca', 'server', 'server-key', 'peer', 'peer-key', 'client', 'client-key'].map(
        (n) => `/etc/ssl/certs/etcd-${n}.pem`,
      ),
    );
  });
});
