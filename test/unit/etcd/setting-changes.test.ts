import { describe, expect, it } from 'vitest';
import { otherName, settingChanges, translateSettings, valueProblem } from '../../../src/etcd/setting-changes.ts';

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

  it('is told of a value that a version does not start with', () => {
    expect(valueProblem('3.6.16', 'ETCD_V2_DEPRECATION', 'not-yet')).toMatch(/write-only/);
    expect(valueProblem('3.5.30', 'ETCD_V2_DEPRECATION', 'not-yet')).toBeUndefined();
    expect(valueProblem('3.7.3', 'ETCD_V2_DEPRECATION', 'write-only')).toBeUndefined();
  });
});

describe('what a version does with the settings that are in use', () => {
  it.each<[string, string, Record<string, string>, Record<string, string>, string[]]>([
    ['3.3.25', '3.4.23', {}, { ETCD_LOGGER: 'zap' }, ['ETCD_ENABLE_V2 default', 'ETCD_LOGGER added']],
    [
      '3.3.25',
      '3.4.23',
      { ETCD_DEBUG: 'true' },
      { ETCD_LOG_LEVEL: 'debug', ETCD_ENABLE_V2: 'true' },
      ['ETCD_DEBUG renamed', 'ETCD_ENABLE_V2 added'],
    ],
    ['3.4.23', '3.5.16', { ETCD_PRE_VOTE: 'false' }, { ETCD_PRE_VOTE: 'false' }, ['ETCD_PRE_VOTE kept']],
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
    const said = settingChanges(
      { from: '3.5.35', to: '3.6.16' },
      new Map([['ETCD_ENABLE_V2', 'false']]),
      new Map([['ETCD_V2_DEPRECATION', 'write-only']]),
    );
    expect(said.map(({ name, words }) => `${name} ${words}`)).toEqual([
      'ETCD_ENABLE_V2 3.6.16 does not know it',
      'ETCD_SNAPSHOT_COUNT not set: 100000 becomes 10000 (the log is cut more often, and takes less memory)',
      'ETCD_V2_DEPRECATION is write-only there',
    ]);
  });
});
