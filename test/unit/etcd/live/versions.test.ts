import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { message } from '../../../../src/etcd/grpc/protobuf.ts';
import { minorText, spokenVersions } from '../../../../src/etcd/grpc/versions.ts';
import { settingsText } from '../../../../src/etcd/live/version-work.ts';
import { releasesAtHand } from '../../../../src/etcd/releases/at-hand.ts';

const text = (words: string) => Buffer.from(words);
const info = (enabled: boolean, target: string) => message({ 1: enabled, 2: text(target) });

describe('what a member says of versions', () => {
  it.each([
    ['3.4', { 2: text('3.4.23') }, { server: '3.4.23' }],
    ['3.6', { 2: text('3.6.16'), 11: text('3.6.0'), 13: info(false, '') }, { server: '3.6.16', storage: '3.6' }],
    [
      '3.6 on its way down',
      { 2: text('3.6.16'), 11: text('3.5.0'), 13: info(true, '3.5.0') },
      { server: '3.6.16', storage: '3.5', downgrade: '3.5' },
    ],
  ])('%s', (_, fields, expected) => {
    expect(spokenVersions(message(fields))).toEqual(expected);
  });

  it.each([
    ['3.6.0', '3.6'],
    ['3.10.2', '3.10'],
    ['', undefined],
    ['not_decided', undefined],
  ])('%j is the minor version %s', (version, minor) => {
    expect(minorText(version)).toBe(minor);
  });
});

it('releases at hand are found in both layouts', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'releases-'));
  try {
    mkdirSync(join(dir, 'v3.5.30'));
    for (const name of ['etcd-v3.6.16-linux-amd64.tar.gz', 'SHA256SUMS', 'etcd-v3.5.30-linux-arm64.tar.gz']) {
      writeFileSync(join(dir, name), '');
    }
    expect((await releasesAtHand(dir)).toSorted()).toEqual(['3.5.30', '3.6.16']);
    expect(await releasesAtHand(join(dir, 'none'))).toEqual([]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('settings are shown with the hosts where not all have them, and those that stay by their names', () => {
  const KEPT = [
    'ETCD_NAME',
    'ETCD_DATA_DIR',
    'ETCD_QUOTA_BACKEND_BYTES',
    'ETCD_HEARTBEAT_INTERVAL',
    'ETCD_ELECTION_TIMEOUT',
    'ETCD_AUTO_COMPACTION_RETENTION',
  ];
  const change = (name: string, kind: 'gone' | 'kept', words: string) => ({ name, kind, words });
  const shown = settingsText(
    '3.6.16',
    [
      { change: change('ETCD_ENABLE_V2', 'gone', '3.6.16 does not know it'), hosts: ['h1', 'h2'] },
      { change: change('ETCD_PROXY', 'gone', '3.6.16 does not know it'), hosts: ['h2'] },
      { change: change('ETCD_PROXY', 'kept', 'as it is'), hosts: ['h1'] },
      ...KEPT.map((name) => ({ change: change(name, 'kept', 'as it is'), hosts: ['h1', 'h2'] })),
    ],
    2,
  );
  expect(shown).toBe(
    [
      'SETTINGS on etcd 3.6.16',
      '  gone     ETCD_ENABLE_V2  3.6.16 does not know it',
      '  gone     ETCD_PROXY      3.6.16 does not know it (h2)',
      '  kept     ETCD_NAME ETCD_DATA_DIR ETCD_QUOTA_BACKEND_BYTES ETCD_HEARTBEAT_INTERVAL ETCD_ELECTION_TIMEOUT',
      '           ETCD_AUTO_COMPACTION_RETENTION',
    ].join('\n'),
  );
});
