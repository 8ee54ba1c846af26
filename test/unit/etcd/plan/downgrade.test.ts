import { describe, expect, it } from 'vitest';
import type { ChangePlan } from '../../../../src/etcd/plan/action.ts';
import { type DowngradeRequest, planDowngrade } from '../../../../src/etcd/plan/downgrade.ts';
import type { VersionAction } from '../../../../src/etcd/plan/version-steps.ts';
import { compareVersions, minorOf, minors } from '../../../../src/etcd/versions.ts';
import { all, downgrade, type Host, LAB, type World } from './version-world.ts';

const short = (action: VersionAction): string => {
  if (action.do === 'swap') return `${action.host}=${action.to}`;
  if (action.do === 'settle') return `settle ${action.to}`;
  if (action.do === 'move leader') return `${action.from}>${action.to}`;
  if (action.do === 'enable downgrade') return `enable ${action.to}`;
  return action.do;
};
const shown = (plan: ChangePlan<VersionAction>): string =>
  plan.kind === 'refused'
    ? plan.refusals.map(({ reason, next }) => `${reason} | ${next}`).join('\n')
    : plan.actions.map(({ action }) => short(action)).join(', ');
const planned = (world: World, to: string, how: Partial<DowngradeRequest> = {}) =>
  shown(planDowngrade(downgrade(world, to, how)));
const mixed = (...runs: (string | Host)[]): World => ({
  hosts: runs.map((one) => (typeof one === 'string' ? { runs: one } : one)),
});

describe('a downgrade', () => {
  it.each<[string, World, string, string]>([
    ['of a patch', all('3.5.30'), '3.5.16', 'backup, h2=3.5.16, h3=3.5.16, h1>h2, h1=3.5.16'],
    [
      'from 3.6 to 3.5',
      { ...all('3.6.16'), storage: '3.6' },
      '3.5.35',
      'backup, enable 3.5, h2=3.5.35, h3=3.5.35, h1>h2, h1=3.5.35, settle 3.5.35',
    ],
    [
      'from 3.7 to 3.6',
      all('3.7.3'),
      '3.6.16',
      'backup, enable 3.6, h2=3.6.16, h3=3.6.16, h1>h2, h1=3.6.16, settle 3.6.16',
    ],
    [
      'that was enabled, and whose data are not all in shape',
      { ...all('3.6.16'), downgrade: '3.5', cluster: '3.5', storage: '3.6' },
      '3.5.35',
      'backup, enable 3.5, h2=3.5.35, h3=3.5.35, h1>h2, h1=3.5.35, settle 3.5.35',
    ],
    [
      'that was enabled',
      { ...all('3.6.16'), downgrade: '3.5', cluster: '3.5', storage: '3.5' },
      '3.5.35',
      'backup, h2=3.5.35, h3=3.5.35, h1>h2, h1=3.5.35, settle 3.5.35',
    ],
    [
      'that is half done',
      { ...mixed('3.6.16', '3.5.35', '3.6.16'), downgrade: '3.5', cluster: '3.5', storage: '3.5' },
      '3.5.35',
      'backup, h3=3.5.35, h1>h2, h1=3.5.35, settle 3.5.35',
    ],
    [
      'that is half done, and whose switched member is down',
      {
        ...mixed({ runs: undefined, linked: '3.5.35', kept: '3.6.16' }, '3.6.16', '3.6.16'),
        leader: 'h2',
        downgrade: '3.5',
        cluster: '3.5',
        storage: '3.5',
      },
      '3.5.35',
      'backup, h1=3.5.35, h3=3.5.35, h2>h1, h2=3.5.35, settle 3.5.35',
    ],
    ['that has only to be settled', { ...all('3.5.35'), downgrade: '3.5', cluster: '3.5' }, '3.5.35', 'settle 3.5.35'],
    ['that is done', all('3.5.35'), '3.5.35', ''],
    [
      'of a half-done upgrade: the old binary again',
      mixed('3.4.23', '3.5.16', '3.5.16'),
      '3.4.23',
      'backup, h2=3.4.23, h3=3.4.23',
    ],
    [
      'of a half-done upgrade to 3.6',
      { ...mixed('3.5.35', '3.6.16', '3.5.35'), cluster: '3.5' },
      '3.5.35',
      'backup, h2=3.5.35',
    ],
    [
      'of a half-done upgrade whose new release does not come up',
      mixed('3.4.23', { runs: undefined, linked: '3.5.16', kept: '3.4.23' }, '3.4.23'),
      '3.4.23',
      'backup, h2=3.4.23',
    ],
    [
      'of a half-done upgrade where nobody serves until the old one is back',
      mixed('3.4.23', { runs: undefined, linked: '3.5.16', kept: '3.4.23' }),
      '3.4.23',
      'h2=3.4.23, backup',
    ],
    [
      'that is half done, and nobody serves until the switched member is back',
      { ...mixed({ runs: undefined, linked: '3.5.35', kept: '3.6.16' }, '3.6.16'), downgrade: '3.5', cluster: '3.5' },
      '3.5.35',
      'h1=3.5.35, backup, enable 3.5, h2=3.5.35, settle 3.5.35',
    ],
    ['of one member', all('3.6.16', 1), '3.5.35', 'backup, enable 3.5, h1=3.5.35, settle 3.5.35'],
  ])('%s', (_, world, to, expected) => {
    expect(planned(world, to)).toBe(expected);
  });

  it('takes no second backup in one run', () => {
    expect(planned(all('3.5.30'), '3.5.16', { backedUp: new Set(['3.5.16']) })).toBe(
      'h2=3.5.16, h3=3.5.16, h1>h2, h1=3.5.16',
    );
  });
});

describe('a downgrade is refused', () => {
  it.each<[string, World, string, RegExp, Partial<DowngradeRequest>?]>([
    ['to something newer', all('3.5.16'), '3.5.30', /is newer \| play upgrade_etcd -e ETCD_VERSION=3\.5\.30/],
    ['by two minor versions', all('3.7.3'), '3.5.35', /there are 2 \| Go to 3\.6 first/],
    [
      'from 3.5, and no backup is there',
      all('3.5.30'),
      '3.4.23',
      /does not go down.*\| Only a restore.*No backup of 3\.4 lies/,
    ],
    [
      'from 3.5, and a backup is there',
      all('3.5.30'),
      '3.4.23',
      /Stop etcd on all hosts, then: play restore_etcd -e ETCD_VERSION=3\.4\.23 -e snapshot=\/b\/new/,
      { backupsOf: () => ['/b/new', '/b/old'] },
    ],
    ['from 3.7 to what is below 3.5', all('3.7.3'), '3.4.23', /Only a restore/],
    ['to a banned release', { ...all('3.6.16') }, '3.5.1', /3\.5\.1 is refused/],
    [
      'while another is under way',
      { ...all('3.6.16'), downgrade: '3.5', cluster: '3.5' },
      '3.6.11',
      /a downgrade to 3\.5 is under way, and 3\.6\.11/,
    ],
    [
      'by a member that is down',
      { hosts: [{ runs: '3.6.16' }, { runs: '3.6.16' }, { reachable: false }] },
      '3.5.35',
      /does not serve/,
    ],
    ['by a limit', all('3.6.16'), '3.5.35', /-l leaves out h2, h3/, { limited: ['h1'] }],
    [
      'by settings',
      all('3.6.16'),
      '3.5.35',
      /does not know/,
      { settingsFaults: (version) => [{ reason: `etcd ${version} does not know X`, next: 'Delete it.' }] },
    ],
    [
      'by a member that is stopped',
      { hosts: [{ runs: '3.6.16' }, { runs: '3.6.16' }, { runs: undefined, linked: '3.6.16' }] },
      '3.5.35',
      /does not serve: it does not answer/,
    ],
    [
      'by one that is stopped while another was switched',
      { ...mixed('3.6.16', '3.5.35', { runs: undefined, linked: '3.6.16' }), downgrade: '3.5', cluster: '3.5' },
      '3.5.35',
      /does not serve: it does not answer/,
    ],
  ])('%s', (_, world, to, words, how = {}) => {
    expect(planned(world, to, how)).toMatch(words);
  });
});

describe('calling a downgrade off', () => {
  it.each<[string, World, string]>([
    [
      'cancels it where nobody was restarted yet',
      { ...all('3.6.16'), downgrade: '3.5', cluster: '3.5' },
      'cancel downgrade, settle 3.6.16',
    ],
    [
      'brings the newer release back, the leader last',
      { ...mixed('3.5.35', '3.6.16', '3.5.35'), downgrade: '3.5', cluster: '3.5' },
      'cancel downgrade, h3=3.6.16, h1>h2, h1=3.6.16, settle 3.6.16',
    ],
    [
      'goes on where it was cancelled',
      { ...mixed('3.6.16', '3.5.35', '3.6.16'), cluster: '3.5' },
      'h2=3.6.16, settle 3.6.16',
    ],
    ['waits until all is settled', { ...all('3.6.16'), cluster: '3.5' }, 'settle 3.6.16'],
  ])('%s', (_, world, expected) => {
    expect(planned(world, '3.5.35', { back: true })).toBe(expected);
  });

  it('is refused where none is under way', () => {
    expect(planned(all('3.6.16'), '3.5.35', { back: true })).toMatch(/no downgrade is under way/);
    expect(planned(all('3.6.16'), '3.5.35', { back: true, begun: true })).toBe('');
  });
});

const pairs = LAB.flatMap((from) => LAB.map((to) => [from, to] as const));

describe('any pair of releases', () => {
  it.each(pairs)('from %s to %s: down where etcd can, else what is left is said', (from, to) => {
    const plan = planDowngrade(downgrade(all(from), to));
    const down = minors.indexOf(minorOf(from)!) - minors.indexOf(minorOf(to)!);
    if (from === to) expect(shown(plan)).toBe('');
    else if (compareVersions(to, from) > 0) expect(shown(plan)).toMatch(/play upgrade_etcd/);
    else if (down === 0) expect(shown(plan)).not.toMatch(/enable|settle/);
    else if (down === 1 && ['3.6', '3.7'].includes(minorOf(from)!)) expect(shown(plan)).toMatch(/enable .* settle/);
    else if (minors.indexOf(minorOf(to)!) >= 2) expect(shown(plan)).toMatch(/one minor version at a time/);
    else expect(shown(plan)).toMatch(/Only a restore of the backup/);
  });
});
