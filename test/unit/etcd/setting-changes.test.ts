import { describe, expect, it } from 'vitest';
import { otherName, settingChanges, translateSettings, valueProblem } from '../../../src/etcd/setting-changes.ts';
import { knowsSetting } from '../../../src/etcd/versions.ts';

const line = (settings: Record<string, string>) =>
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

describe('settings under the name that a version knows', () => {
  it.each([
    ['3.5.30', { ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME: '1h' }, 'ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME=1h'],
    ['3.6.16', { ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME: '1h' }, 'ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME=1h'],
    ['3.7.3', { ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME: '1h' }, 'ETCD_CORRUPT_CHECK_TIME=1h'],
    ['3.5.30', { ETCD_CORRUPT_CHECK_TIME: '1h' }, 'ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME=1h'],
    ['3.3.25', { ETCD_LOG_OUTPUTS: 'stderr' }, 'ETCD_LOG_OUTPUT=stderr'],
    ['3.5.30', { ETCD_LOG_OUTPUT: 'stderr' }, 'ETCD_LOG_OUTPUTS=stderr'],
    ['3.4.23', { ETCD_BACKEND_BBOLT_FREELIST_TYPE: 'map' }, 'ETCD_EXPERIMENTAL_BACKEND_BBOLT_FREELIST_TYPE=map'],
    [
      '3.7.3',
      { ETCD_EXPERIMENTAL_ENABLE_LEASE_CHECKPOINT: 'true', ETCD_MAX_TXN_OPS: '256' },
      'ETCD_MAX_TXN_OPS=256 ETCD_FEATURE_GATES=LeaseCheckpoint=true',
    ],
    [
      '3.7.3',
      { ETCD_EXPERIMENTAL_ENABLE_LEASE_CHECKPOINT: 'true', ETCD_FEATURE_GATES: 'LeaseCheckpoint=false' },
      'ETCD_FEATURE_GATES=LeaseCheckpoint=false',
    ],
    [
      '3.5.30',
      { ETCD_FEATURE_GATES: 'LeaseCheckpoint=true,CompactHashCheck=true' },
      'ETCD_EXPERIMENTAL_ENABLE_LEASE_CHECKPOINT=true ETCD_EXPERIMENTAL_COMPACT_HASH_CHECK_ENABLED=true',
    ],
    ['3.5.30', { ETCD_FEATURE_GATES: 'AllAlpha=true' }, 'ETCD_FEATURE_GATES=AllAlpha=true'],
    [
      '3.7.3',
      { ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME: '1h', ETCD_CORRUPT_CHECK_TIME: '2h' },
      'ETCD_CORRUPT_CHECK_TIME=2h',
    ],
    ['3.7.3', { ETCD_ENABLE_V2: 'true', GOGC: '50' }, 'ETCD_ENABLE_V2=true GOGC=50'],
  ])('for %s %j are %s', (version, given, expected) => {
    expect(line(translateSettings(given as Record<string, string>, version).settings)).toBe(expected);
  });

  it.each([
    ['ETCD_EXPERIMENTAL_MEMORY_MLOCK', 'ETCD_MEMORY_MLOCK'],
    ['ETCD_MEMORY_MLOCK', 'ETCD_EXPERIMENTAL_MEMORY_MLOCK'],
    ['ETCD_EXPERIMENTAL_ENABLE_V2V3', undefined],
    ['ETCD_NAME', undefined],
  ])('%s is also %s', (name, other) => {
    expect(otherName(name)).toBe(other);
  });

  it('is told of what was renamed', () => {
    const { renamed } = translateSettings({ ETCD_EXPERIMENTAL_MEMORY_MLOCK: 'true' }, '3.7.3');
    expect([...renamed]).toEqual([['ETCD_EXPERIMENTAL_MEMORY_MLOCK', 'ETCD_MEMORY_MLOCK']]);
  });

  it.each<[name: string, value: string, refuses: string[], takes: string[]]>([
    ['ETCD_V2_DEPRECATION', 'not-yet', ['3.6.16', '3.7.3'], ['3.5.30']],
    ['ETCD_V2_DEPRECATION', 'write-only', [], ['3.5.30', '3.6.16', '3.7.3']],
    ['ETCD_DISCOVERY_FALLBACK', 'proxy', ['3.6.16', '3.7.3'], ['3.3.25', '3.5.30']],
    ['ETCD_DISCOVERY_FALLBACK', 'exit', [], ['3.3.25', '3.6.16']],
    ['ETCD_FEATURE_GATES', 'CompactHashCheck=true,AllBeta=false', [], ['3.6.16', '3.7.3']],
    ['ETCD_FEATURE_GATES', 'FastLeaseKeepAlive=false', ['3.6.16'], ['3.7.3']],
    ['ETCD_FEATURE_GATES', 'InitialCorruptCheck=true,Nonsense=true', ['3.6.16', '3.7.3'], []],
    ['ETCD_FEATURE_GATES', 'LeaseCheckpointPersist=true', ['3.6.16', '3.7.3'], []],
    ['ETCD_FEATURE_GATES', 'LeaseCheckpointPersist=true,LeaseCheckpoint=true', [], ['3.6.16', '3.7.3']],
    ['ETCD_NAME', 'proxy', [], ['3.3.25', '3.7.3']],
  ])('%s=%s is a value that %j do not start with, and %j do', (name, value, refuses, takes) => {
    for (const version of refuses) expect(valueProblem(version, name, value), version).toMatch(/\w/);
    for (const version of takes) expect(valueProblem(version, name, value), version).toBeUndefined();
  });
});

/** Of each minor version what it drops of the one before, by `etcd --help` of both, and what it is there. */
const DROPPED: readonly [from: string, to: string, names: Readonly<Record<string, string | undefined>>][] = [
  ['3.3.25', '3.4.23', { ETCD_CA_FILE: undefined, ETCD_PEER_CA_FILE: undefined }],
  [
    '3.4.23',
    '3.5.35',
    {
      ETCD_LOG_OUTPUT: 'ETCD_LOG_OUTPUTS',
      ETCD_DEBUG: 'ETCD_LOG_LEVEL',
      ETCD_LOG_PACKAGE_LEVELS: 'ETCD_LOG_LEVEL',
      ETCD_EXPERIMENTAL_BACKEND_BBOLT_FREELIST_TYPE: 'ETCD_BACKEND_BBOLT_FREELIST_TYPE',
    },
  ],
  [
    '3.5.35',
    '3.6.16',
    {
      ETCD_ENABLE_V2: undefined,
      ETCD_EXPERIMENTAL_ENABLE_V2V3: undefined,
      ETCD_PROXY: undefined,
      ETCD_PROXY_DIAL_TIMEOUT: undefined,
      ETCD_PROXY_FAILURE_WAIT: undefined,
      ETCD_PROXY_READ_TIMEOUT: undefined,
      ETCD_PROXY_REFRESH_INTERVAL: undefined,
      ETCD_PROXY_WRITE_TIMEOUT: undefined,
    },
  ],
  [
    '3.6.16',
    '3.7.3',
    {
      ETCD_DISCOVERY: undefined,
      ETCD_DISCOVERY_PROXY: undefined,
      ETCD_EXPERIMENTAL_BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES: 'ETCD_BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES',
      ETCD_EXPERIMENTAL_COMPACT_HASH_CHECK_ENABLED: 'CompactHashCheck',
      ETCD_EXPERIMENTAL_COMPACT_HASH_CHECK_TIME: 'ETCD_COMPACT_HASH_CHECK_TIME',
      ETCD_EXPERIMENTAL_COMPACTION_BATCH_LIMIT: 'ETCD_COMPACTION_BATCH_LIMIT',
      ETCD_EXPERIMENTAL_COMPACTION_SLEEP_INTERVAL: 'ETCD_COMPACTION_SLEEP_INTERVAL',
      ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME: 'ETCD_CORRUPT_CHECK_TIME',
      ETCD_EXPERIMENTAL_DISTRIBUTED_TRACING_ADDRESS: 'ETCD_DISTRIBUTED_TRACING_ADDRESS',
      ETCD_EXPERIMENTAL_DISTRIBUTED_TRACING_INSTANCE_ID: 'ETCD_DISTRIBUTED_TRACING_INSTANCE_ID',
      ETCD_EXPERIMENTAL_DISTRIBUTED_TRACING_SAMPLING_RATE: 'ETCD_DISTRIBUTED_TRACING_SAMPLING_RATE',
      ETCD_EXPERIMENTAL_DISTRIBUTED_TRACING_SERVICE_NAME: 'ETCD_DISTRIBUTED_TRACING_SERVICE_NAME',
      ETCD_EXPERIMENTAL_DOWNGRADE_CHECK_TIME: 'ETCD_DOWNGRADE_CHECK_TIME',
      ETCD_EXPERIMENTAL_ENABLE_DISTRIBUTED_TRACING: 'ETCD_ENABLE_DISTRIBUTED_TRACING',
      ETCD_EXPERIMENTAL_ENABLE_LEASE_CHECKPOINT: 'LeaseCheckpoint',
      ETCD_EXPERIMENTAL_ENABLE_LEASE_CHECKPOINT_PERSIST: 'LeaseCheckpointPersist',
      ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK: 'InitialCorruptCheck',
      ETCD_EXPERIMENTAL_MEMORY_MLOCK: 'ETCD_MEMORY_MLOCK',
      ETCD_EXPERIMENTAL_PEER_SKIP_CLIENT_SAN_VERIFICATION: 'ETCD_PEER_SKIP_CLIENT_SAN_VERIFICATION',
      ETCD_EXPERIMENTAL_SNAPSHOT_CATCHUP_ENTRIES: 'ETCD_SNAPSHOT_CATCHUP_ENTRIES',
      ETCD_EXPERIMENTAL_STOP_GRPC_SERVICE_ON_DEFRAG: 'StopGRPCServiceOnDefrag',
      ETCD_EXPERIMENTAL_TXN_MODE_WRITE_WITH_SHARED_BUFFER: 'TxnModeWriteWithSharedBuffer',
      ETCD_EXPERIMENTAL_WARNING_APPLY_DURATION: 'ETCD_WARNING_APPLY_DURATION',
      ETCD_EXPERIMENTAL_WARNING_UNARY_REQUEST_DURATION: 'ETCD_WARNING_UNARY_REQUEST_DURATION',
      ETCD_EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL: 'ETCD_WATCH_PROGRESS_NOTIFY_INTERVAL',
    },
  ],
];
const dropped = DROPPED.flatMap(([from, to, names]) =>
  Object.entries(names).map(([name, becomes]) => [from, to, name, becomes] as const),
);
/** What etcd-play works out by itself: the level of its log, from ETCD_LOG_LEVEL. */
const COMPOSED: Readonly<Record<string, string>> = { ETCD_LOG_LEVEL: 'info' };

describe('what a minor version drops', () => {
  it.each(dropped)('from %s to %s: %s becomes %s', (from, to, name, becomes) => {
    expect(knowsSetting(from, name)).toBe(true);
    expect(knowsSetting(to, name)).toBe(false);
    const { settings } = translateSettings({ [name]: 'x' }, to);
    const then = new Map(Object.entries(becomes && COMPOSED[becomes] ? { [becomes]: COMPOSED[becomes] } : settings));
    if (becomes === undefined) then.delete(name);
    const [found] = settingChanges({ from, to }, new Map([[name, 'x']]), then).filter((one) => one.name === name);
    expect(found).toEqual(
      becomes === undefined
        ? { name, kind: 'gone', words: `${to} does not know it` }
        : {
            name,
            kind: 'renamed',
            words: `is ${becomes.startsWith('ETCD_') ? '' : 'the feature gate '}${becomes} there`,
          },
    );
    // Left as it is given, for the reader of the settings to complain of.
    if (becomes === undefined) expect(settings).toEqual({ [name]: 'x' });
  });
});

describe('what a version does with the settings that are in use', () => {
  it.each<[string, string, Record<string, string>, Record<string, string>, string[]]>([
    [
      '3.3.25',
      '3.4.23',
      {},
      { ETCD_LOGGER: 'zap' },
      ['ETCD_CORS default', 'ETCD_ENABLE_V2 default', 'ETCD_LOGGER added'],
    ],
    [
      '3.3.25',
      '3.4.23',
      { ETCD_DEBUG: 'true' },
      { ETCD_LOG_LEVEL: 'debug', ETCD_ENABLE_V2: 'true' },
      ['ETCD_DEBUG renamed', 'ETCD_CORS default', 'ETCD_ENABLE_V2 added'],
    ],
    [
      '3.4.23',
      '3.5.16',
      { ETCD_PRE_VOTE: 'false' },
      { ETCD_PRE_VOTE: 'false' },
      ['ETCD_BACKEND_BBOLT_FREELIST_TYPE default', 'ETCD_PRE_VOTE kept'],
    ],
    [
      '3.4.23',
      '3.5.16',
      { ETCD_EXPERIMENTAL_BACKEND_BBOLT_FREELIST_TYPE: 'map' },
      { ETCD_BACKEND_BBOLT_FREELIST_TYPE: 'map' },
      ['ETCD_EXPERIMENTAL_BACKEND_BBOLT_FREELIST_TYPE renamed', 'ETCD_PRE_VOTE default'],
    ],
    [
      '3.5.35',
      '3.6.16',
      { ETCD_LISTEN_PEER_URLS: 'a', ETCD_V2_DEPRECATION: 'gone', ETCD_SNAPSHOT_COUNT: '5' },
      { ETCD_LISTEN_PEER_URLS: 'a', ETCD_V2_DEPRECATION: 'gone', ETCD_SNAPSHOT_COUNT: '5' },
      ['ETCD_LISTEN_PEER_URLS means', 'ETCD_V2_DEPRECATION means', 'ETCD_SNAPSHOT_COUNT kept'],
    ],
    ['3.6.16', '3.7.3', { ETCD_LISTEN_PEER_URLS: 'a' }, { ETCD_LISTEN_PEER_URLS: 'a' }, ['ETCD_LISTEN_PEER_URLS kept']],
    [
      '3.5.35',
      '3.6.16',
      { ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK: 'true', ETCD_HEARTBEAT_INTERVAL: '100' },
      { ETCD_FEATURE_GATES: 'InitialCorruptCheck=true', ETCD_HEARTBEAT_INTERVAL: '100' },
      [
        'ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK renamed',
        'ETCD_SNAPSHOT_COUNT default',
        'ETCD_V2_DEPRECATION default',
        'ETCD_HEARTBEAT_INTERVAL kept',
      ],
    ],
    [
      '3.5.35',
      '3.6.16',
      { ETCD_ENABLE_V2: 'false', ETCD_SNAPSHOT_COUNT: '5' },
      { ETCD_SNAPSHOT_COUNT: '6', ETCD_V2_DEPRECATION: 'x' },
      ['ETCD_ENABLE_V2 gone', 'ETCD_SNAPSHOT_COUNT changed', 'ETCD_V2_DEPRECATION added'],
    ],
    [
      '3.6.16',
      '3.7.3',
      { ETCD_EXPERIMENTAL_MEMORY_MLOCK: 'true' },
      { ETCD_MEMORY_MLOCK: 'true' },
      ['ETCD_EXPERIMENTAL_MEMORY_MLOCK renamed'],
    ],
    ['3.6.16', '3.5.35', {}, {}, ['ETCD_SNAPSHOT_COUNT default', 'ETCD_V2_DEPRECATION default']],
    ['3.5.16', '3.5.35', { PLAY_TRUSTED_CA: 'a' }, { PLAY_TRUSTED_CA: 'b' }, []],
  ])('from %s to %s, %j: %j', (from, to, now, then, expected) => {
    const found = settingChanges({ from, to }, new Map(Object.entries(now)), new Map(Object.entries(then)));
    expect(found.map(({ name, kind }) => `${name} ${kind}`)).toEqual(expected);
  });

  it('is said in words', () => {
    const peer = ['ETCD_LISTEN_PEER_URLS', 'a'] as const;
    const said = settingChanges(
      { from: '3.5.35', to: '3.6.16' },
      new Map([['ETCD_ENABLE_V2', 'false'], peer]),
      new Map([['ETCD_V2_DEPRECATION', 'write-only'], peer]),
    );
    expect(said.map(({ name, words }) => `${name} ${words}`)).toEqual([
      'ETCD_ENABLE_V2 3.6.16 does not know it',
      'ETCD_LISTEN_PEER_URLS answers members only, and no client any more',
      'ETCD_SNAPSHOT_COUNT not set: 100000 becomes 10000 (the log is cut more often, and takes less memory)',
      'ETCD_V2_DEPRECATION is write-only there',
    ]);
  });
});
