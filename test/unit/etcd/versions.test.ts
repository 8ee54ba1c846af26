import { describe, expect, it } from 'vitest';
import {
  compareVersions,
  etcdSetting,
  knowsSetting,
  minorOf,
  parseVersion,
  spanText,
  versionProblem,
} from '../../../src/etcd/versions.ts';

describe('versions of etcd', () => {
  it.each([
    ['3.5.30', '3.5.30'],
    ['v3.4.0', '3.4.0'],
    ['3.5', undefined],
    ['3.6.0-rc.1', undefined],
    ['3.5.30\n3.5.1', undefined],
  ])('%j is the release %s', (text, expected) => {
    expect(parseVersion(text)?.text).toBe(expected);
  });

  it('are compared by number, not by letter', () => {
    expect(['3.5.16', '3.10.0', '3.5.9', '3.4.23'].sort(compareVersions)).toEqual([
      '3.4.23',
      '3.5.9',
      '3.5.16',
      '3.10.0',
    ]);
  });

  it.each([
    ['3.3.25', undefined],
    ['3.3.21', /restarted/],
    ['3.5.0', /other data/],
    ['3.5.2', /other data/],
    ['3.5.3', undefined],
    ['3.7.1', undefined],
    ['3.8.0', /not supported/],
    ['3.2.32', /not supported/],
    ['4.5.3', /not supported/],
    ['newest', /must be a release/],
  ])('%s is refused: %s', (version, why) => {
    const problem = versionProblem(version)?.problem;
    if (why === undefined) expect(problem).toBeUndefined();
    else expect(problem).toMatch(why);
  });

  it('belong to a minor version', () => {
    expect([minorOf('3.5.30'), minorOf('3.9.1')]).toEqual(['3.5', undefined]);
  });
});

describe('settings by version', () => {
  it.each([
    ['ETCD_LOG_LEVEL', [false, true, true, true, true]],
    ['ETCD_DEBUG', [true, true, false, false, false]],
    ['ETCD_ENABLE_V2', [true, true, true, false, false]],
    ['ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK', [true, true, true, true, false]],
    ['ETCD_FEATURE_GATES', [false, false, false, true, true]],
    ['ETCD_AUTO_COMPACTION_MODE', [true, true, true, true, true]],
    ['ETCD_COLOUR', [false, false, false, false, false]],
  ])('%s is known to 3.3, 3.4, 3.5, 3.6 and 3.7: %j', (name, expected) => {
    expect(['3.3.25', '3.4.23', '3.5.30', '3.6.14', '3.7.1'].map((v) => knowsSetting(v, name))).toEqual(expected);
  });

  it.each([
    ['ETCD_NAME', 'all'],
    ['ETCD_LOG_LEVEL', '3.4 and later'],
    ['ETCD_ENABLE_V2', 'up to 3.5'],
    ['ETCD_EXPERIMENTAL_MEMORY_MLOCK', '3.5 to 3.6'],
    ['ETCD_CA_FILE', 'up to 3.3'],
  ])('the versions that know %s are %s', (name, expected) => {
    expect(spanText(etcdSetting(name)!)).toBe(expected);
  });
});
