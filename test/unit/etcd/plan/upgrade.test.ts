import { describe, expect, it } from 'vitest';
import { isPartOf, isReordered } from '../../../../src/etcd/live/carry-out.ts';
import { planUpgrade, type UpgradePlan, type UpgradeRequest } from '../../../../src/etcd/plan/upgrade.ts';
import { gatesText } from '../../../../src/etcd/plan/upgrade-gates.ts';
import type { VersionAction } from '../../../../src/etcd/plan/version-steps.ts';
import { compareVersions, minorOf } from '../../../../src/etcd/versions.ts';
import { all, type Host, LAB, upgrade, type World } from './version-world.ts';

function short(action: VersionAction): string {
  switch (action.do) {
    case 'backup':
      return `backup<${action.before}`;
    case 'install':
      return `install ${action.version} ${action.hosts.join('+')}`;
    case 'swap':
      return `${action.host}=${action.to}`;
    case 'settle':
      return `settle ${action.to}`;
    case 'move leader':
      return `${action.from}>${action.to}`;
    default:
      return action.do;
  }
}

const shown = (plan: UpgradePlan): string =>
  plan.kind === 'refused'
    ? plan.refusals.map(({ host, reason, next }) => `${host ? `${host}: ` : ''}${reason} | ${next}`).join('\n')
    : plan.actions.map(({ action }) => short(action)).join(', ');
const planned = (world: World, to: string, how: Partial<UpgradeRequest> = {}) =>
  shown(planUpgrade(upgrade(world, to, how)));
const mixed = (...runs: (string | undefined | Host)[]): World => ({
  hosts: runs.map((one) => (typeof one === 'object' ? one : { runs: one })),
});

describe('an upgrade', () => {
  it.each<[string, World, string, string]>([
    ['of a patch', all('3.5.16'), '3.5.30', 'backup<3.5.30, h2=3.5.30, h3=3.5.30, h1>h2, h1=3.5.30'],
    [
      'of a minor version',
      all('3.4.23'),
      '3.5.16',
      'backup<3.5.16, h2=3.5.16, h3=3.5.16, h1>h2, h1=3.5.16, settle 3.5.16',
    ],
    [
      'through a release that must lie between, with its own backup',
      all('3.5.30'),
      '3.6.16',
      'backup<3.5.35, h2=3.5.35, h3=3.5.35, h1>h2, h1=3.5.35, backup<3.6.16, h1=3.6.16, h3=3.6.16, h2>h1, h2=3.6.16, settle 3.6.16',
    ],
    ['of a cluster of one', all('3.4.23', 1), '3.5.16', 'backup<3.5.16, h1=3.5.16, settle 3.5.16'],
    ['of a cluster of two', all('3.5.16', 2), '3.5.30', 'backup<3.5.30, h2=3.5.30, h1>h2, h1=3.5.30'],
    [
      'of a cluster of five',
      all('3.5.16', 5),
      '3.5.30',
      'backup<3.5.30, h2=3.5.30, h3=3.5.30, h4=3.5.30, h5=3.5.30, h1>h2, h1=3.5.30',
    ],
    ['to what runs', all('3.5.30'), '3.5.30', ''],
    [
      'where the release is missing',
      { hosts: [{ runs: '3.5.16', installed: [] }, { runs: '3.5.16' }, { runs: '3.5.16', installed: ['3.5.16'] }] },
      '3.5.30',
      'backup<3.5.30, install 3.5.30 h1+h3, h2=3.5.30, h3=3.5.30, h1>h2, h1=3.5.30',
    ],
    ['that has only to be settled', { ...all('3.5.16'), cluster: '3.4' }, '3.5.16', 'settle 3.5.16'],
    [
      'that has to be settled before it goes on',
      { ...all('3.4.23'), cluster: '3.3' },
      '3.5.16',
      'settle 3.4.23, backup<3.5.16, h2=3.5.16, h3=3.5.16, h1>h2, h1=3.5.16, settle 3.5.16',
    ],
    [
      'half done',
      mixed('3.4.23', '3.5.16', '3.4.23'),
      '3.5.16',
      'backup<3.5.16, h3=3.5.16, h1>h2, h1=3.5.16, settle 3.5.16',
    ],
    [
      'half done, then further',
      mixed('3.4.23', '3.5.16', '3.5.16'),
      '3.6.16',
      'backup<3.5.16, h1>h2, h1=3.5.16, settle 3.5.16, h1=3.5.35, h3=3.5.35, h2>h1, h2=3.5.35, backup<3.6.16, h2=3.6.16, h3=3.6.16, h1>h2, h1=3.6.16, settle 3.6.16',
    ],
    [
      'half done with a patch that is not wanted any more',
      mixed('3.5.16', '3.5.30', '3.5.16'),
      '3.5.35',
      'backup<3.5.35, h2=3.5.35, h3=3.5.35, h1>h2, h1=3.5.35',
    ],
    [
      'where a host was switched and not restarted',
      mixed('3.5.16', { runs: '3.5.16', linked: '3.5.30', kept: '3.5.16' }, '3.5.16'),
      '3.5.30',
      'backup<3.5.30, h2=3.5.30, h3=3.5.30, h1>h2, h1=3.5.30',
    ],
    [
      'where the new one does not come up',
      mixed('3.4.23', { runs: undefined, linked: '3.5.16', kept: '3.4.23' }, '3.4.23'),
      '3.5.16',
      'backup<3.5.16, h2=3.5.16, h3=3.5.16, h1>h2, h1=3.5.16, settle 3.5.16',
    ],
    [
      'where nobody serves until the new one comes up',
      mixed('3.4.23', { runs: undefined, linked: '3.5.16', kept: '3.4.23' }),
      '3.5.16',
      'h2=3.5.16, backup<3.5.16, h1=3.5.16, settle 3.5.16',
    ],
    [
      'of one, whose new release does not come up',
      mixed({ runs: undefined, linked: '3.5.16', kept: '3.4.23' }),
      '3.5.16',
      'h1=3.5.16',
    ],
  ])('%s', (_, world, to, expected) => {
    expect(planned(upgradeable(world, to), to)).toBe(expected);
  });

  /** 3.5 has been looked at for content of v2 where 3.6 comes next. */
  function upgradeable(world: World, to: string): World {
    return to === '3.6.16' && world.hosts.every(({ runs }) => runs === '3.5.35')
      ? { ...world, v2Left: { h1: '', h2: '', h3: '' } }
      : world;
  }

  it('goes to the end with a patch on the way, where it was asked for', () => {
    const how = { via: ['3.5.16'], backedUp: new Set(['3.5.16']) };
    expect(planned(mixed('3.4.23', '3.5.16', '3.4.23'), '3.5.30', how)).toBe(
      'h3=3.5.16, h1>h2, h1=3.5.16, settle 3.5.16, h1=3.5.30, h3=3.5.30, h2>h1, h2=3.5.30',
    );
  });

  it('takes no second backup in one run', () => {
    const expected = 'h2=3.5.30, h3=3.5.30, h1>h2, h1=3.5.30';
    expect(planned(all('3.5.16'), '3.5.30', { backedUp: new Set(['3.5.30']) })).toBe(expected);
  });

  it('is told with its way, and with what can be undone when', () => {
    const plan = planUpgrade(upgrade(all('3.4.23'), '3.6.16'));
    if (plan.kind !== 'plan') throw new Error(shown(plan));
    expect(plan.title).toBe('upgrade the cluster c1: 3.4.23 → 3.5.35 → 3.6.16, 6 restarts, one at a time');
    const undo = plan.actions
      .filter(({ action }) => action.do === 'swap' || action.do === 'settle')
      .map(({ step }) => step.undo);
    expect([...new Set(undo)]).toEqual([
      'etcd 3.4.23 again: -e back=true, until the last member runs the new one',
      'from here on: only by restoring the backup taken before',
      'etcd 3.5.35 again: -e back=true, until the last member runs the new one',
      'from here on: play downgrade_etcd to 3.5',
    ]);
  });

  it('warns where nothing is served meanwhile', () => {
    const plan = planUpgrade(upgrade(all('3.5.16', 1), '3.5.30'));
    expect(plan).toMatchObject({ title: 'upgrade the cluster c1: 3.5.16 → 3.5.30, 1 restart' });
    expect(plan.kind === 'plan' && plan.warnings).toEqual([
      'with 1 member nothing is served while one of them is restarted: some seconds each time, up to ten where clients watch; shorter leases may expire',
    ]);
  });
});

describe('the way back of a half-done upgrade', () => {
  it.each<[string, World, string]>([
    [
      'restarts those that are ahead, the leader last',
      mixed('3.5.16', '3.4.23', '3.5.16'),
      'h3=3.4.23, h1>h2, h1=3.4.23',
    ],
    [
      'restarts one that was switched and not restarted',
      mixed('3.4.23', { runs: '3.4.23', linked: '3.5.16' }, '3.4.23'),
      'h2=3.4.23',
    ],
    [
      'restarts one that does not come up',
      mixed('3.4.23', { runs: undefined, linked: '3.5.16', kept: '3.4.23' }, '3.4.23'),
      'h2=3.4.23',
    ],
    ['of one member goes by what was kept', mixed({ runs: undefined, linked: '3.5.16', kept: '3.4.23' }), 'h1=3.4.23'],
  ])('%s', (_, world, expected) => {
    expect(planned(world, '3.5.16', { back: true })).toBe(expected);
  });

  it('is refused where nothing is half done', () => {
    expect(planned(all('3.5.16'), '3.5.16', { back: true })).toMatch(/nothing is half done \| .*downgrade_etcd/);
  });

  it('ends where all is back', () => {
    expect(planned(all('3.4.23'), '3.5.16', { back: true, begun: true })).toBe('');
  });
});

describe('an upgrade is refused', () => {
  const fault = (version: string) => (one: string) =>
    one === version ? [{ reason: `etcd ${version} does not know ETCD_ENABLE_V2`, next: 'Delete it.' }] : [];
  it.each<[string, World, string, RegExp, Partial<UpgradeRequest>?]>([
    ['to an older release', all('3.5.30'), '3.5.16', /is older \| play downgrade_etcd -e ETCD_VERSION=3\.5\.16/],
    [
      'to one that is older than some run',
      mixed('3.4.23', '3.5.30', '3.4.23'),
      '3.5.16',
      /ETCD_VERSION=3\.5\.30\. Or go back to 3\.4\.23: .*back=true/,
    ],
    ['by versions too far apart', mixed('3.3.25', '3.5.16', '3.3.25'), '3.5.16', /more than one minor version apart/],
    ['by a limit', all('3.5.16'), '3.5.30', /-l leaves out h2, h3/, { limited: ['h1'] }],
    [
      'by a member that is down',
      { hosts: [{ runs: '3.5.16' }, { runs: '3.5.16' }, { reachable: false }] },
      '3.5.30',
      /h3: this member does not serve: its host cannot be reached/,
    ],
    [
      'by a member that is stopped, before anything is begun',
      { hosts: [{ runs: '3.5.16' }, { runs: '3.5.16' }, { runs: undefined, linked: '3.5.16' }] },
      '3.5.30',
      /h3: this member does not serve: it does not answer.*create_etcd/,
    ],
    [
      'by a host lost in the middle',
      { hosts: [{ runs: '3.5.30' }, { runs: '3.5.16' }, { reachable: false }] },
      '3.5.30',
      /h3: .*cannot be reached.*replace_etcd -l h3/,
    ],
    [
      'by an alarm',
      { hosts: [{ runs: '3.5.16', errors: ['alarm:NOSPACE '] }, { runs: '3.5.16' }, { runs: '3.5.16' }] },
      '3.5.30',
      /alarm NOSPACE/,
    ],
    [
      'by users and roles from 3.4 to 3.5',
      { ...all('3.4.23'), auth: true },
      '3.5.16',
      /users and roles are in force.*auth disable/,
    ],
    [
      'by users and roles that 3.5 is still to come to',
      { ...all('3.3.25'), auth: true },
      '3.7.3',
      /users and roles are in force/,
    ],
    [
      'by v2 keys that 3.4 would not serve',
      { ...all('3.3.25'), v2: 'content' },
      '3.4.23',
      /3\.4 does not serve them.*ETCD_ENABLE_V2=true/,
    ],
    [
      'by v2 keys that 3.6 is still to come to',
      { ...all('3.4.23'), v2: 'content' },
      '3.6.16',
      /3\.6 does not start on them.*migrate_etcd_v2_to_v3/,
    ],
    [
      'by data that could not be looked at',
      { ...all('3.5.35'), v2Left: { h1: '', h2: 'Error: permission denied', h3: '' } },
      '3.6.16',
      /h2: whether its data hold content of v2 could not be looked at: Error: permission denied/,
    ],
    [
      'by content of v2 in the data',
      { ...all('3.5.35'), v2Left: { h1: '', h2: 'found custom content', h3: '' } },
      '3.6.16',
      /h2: its data hold content of v2.*found custom content/,
    ],
    [
      'by a setting of the goal',
      all('3.5.35'),
      '3.6.16',
      /3\.6\.16 does not know ETCD_ENABLE_V2/,
      { settingsFaults: fault('3.6.16') },
    ],
    ['by a setting on the way', all('3.4.23'), '3.7.3', /3\.6\.16 does not know/, { settingsFaults: fault('3.6.16') }],
    [
      'by settings that were not reloaded',
      all('3.5.16'),
      '3.5.30',
      /h1: it does not run with what the inventory says \(ETCD_HEARTBEAT_INTERVAL\).*reload_etcd/,
      { drift: new Map([['h1', ['ETCD_HEARTBEAT_INTERVAL']]]) },
    ],
    [
      'by another name',
      mixed('3.5.16', '3.5.30', '3.5.16'),
      '3.5.30',
      /h1: ETCD_NAME of the inventory is not what its member has/,
      { frozen: new Map([['h1', ['ETCD_NAME']]]) },
    ],
    [
      'by a downgrade that is under way',
      { ...all('3.6.16'), downgrade: '3.5' },
      '3.7.3',
      /downgrade to 3\.5 is under way.*back=true/,
    ],
    [
      'by too little room for backups',
      all('3.5.16'),
      '3.5.30',
      /1 MiB are free for the backup/,
      { backupFreeBytes: 1000 },
    ],
    [
      'by an etcd of somebody else',
      { hosts: [{}, { runs: '3.5.16' }, { runs: '3.5.16' }] },
      '3.5.30',
      /which version of etcd it has cannot be seen/,
    ],
    ['by another CA', all('3.5.16'), '3.5.30', /trust another CA/, { ca: 'another' }],
  ])('%s', (_, world, to, words, how = {}) => {
    expect(planned(world, to, how)).toMatch(words);
  });

  it.each<[string, World, string, Partial<UpgradeRequest>]>([
    ['users and roles elsewhere', { ...all('3.5.30'), auth: true }, '3.5.35', {}],
    ['v2 keys that stay served', { ...all('3.3.25'), v2: 'content' }, '3.4.23', { servesV2: () => true }],
    ['v2 keys below 3.6', { ...all('3.4.23'), v2: 'content' }, '3.5.16', {}],
    ['an empty v2 API', { ...all('3.3.25'), v2: 'empty' }, '3.7.3', {}],
    [
      'new settings in a half-done one',
      mixed('3.5.16', '3.5.30', '3.5.16'),
      '3.5.30',
      { drift: new Map([['h1', ['ETCD_HEARTBEAT_INTERVAL']]]) },
    ],
  ])('not by %s', (_, world, to, how) => {
    expect(planUpgrade(upgrade(world, to, how)).kind).toBe('plan');
  });
});

const pairs = LAB.flatMap((from) => LAB.map((to) => [from, to] as const));

describe('any pair of releases', () => {
  it.each(pairs)('from %s to %s is planned for as many members as there are, or refused', (from, to) => {
    const plan = planUpgrade(upgrade({ ...all(from), v2Left: { h1: '', h2: '', h3: '' } }, to));
    if (compareVersions(to, from) < 0) {
      expect(shown(plan)).toMatch(/is older \| play downgrade_etcd/);
      return;
    }
    if (plan.kind !== 'plan') throw new Error(shown(plan));
    const legs = plan.gates!;
    const swaps = plan.actions.filter(({ action }) => action.do === 'swap');
    expect(swaps).toHaveLength(3 * legs.length);
    // Each host runs each release of the way, in its order, and nobody is two releases ahead of another.
    for (const host of ['h1', 'h2', 'h3']) {
      const own = swaps.flatMap(({ action }) => (action.do === 'swap' && action.host === host ? [action.to] : []));
      expect(own).toEqual(legs.map(({ leg }) => leg.to));
    }
    for (const { leg, gates } of legs) {
      expect(gates.map(({ name }) => name)).toEqual([
        'health',
        'alarms',
        'patch',
        'auth',
        'v2',
        'settings',
        'downgrade',
        'space',
        'backup',
      ]);
      const settles = plan.actions.filter(({ action }) => action.do === 'settle' && action.to === leg.to);
      expect(settles).toHaveLength(leg.minor ? 1 : 0);
    }
  });

  it('shows its gates', () => {
    const plan = planUpgrade(upgrade({ ...all('3.4.23'), auth: true }, '3.5.16'));
    expect(gatesText(plan.gates!)).toMatchInlineSnapshot(`
      "GATES 3.4.23 → 3.5.16
        ok  health     all members serve, with one leader
        ok  alarms     none
        ok  patch      any
        NO  auth       users and roles are in force, and a cluster with them cannot go from 3.4 to 3.5 one member at a time
        ok  v2         does not matter here
        ok  settings   etcd 3.5.16 knows all that are set
        ok  downgrade  none is under way
        ok  space      enough
        ..  backup     is taken now, and proven"
    `);
  });
});

describe('a plan that is made anew after each of its steps', () => {
  /** What the cluster shows once an action is done. */
  function applied(world: World, action: VersionAction): World {
    if (action.do === 'move leader') return { ...world, leader: action.to };
    if (action.do === 'settle') return { ...world, cluster: minorOf(action.to)! };
    if (action.do !== 'swap') return world;
    const hosts = world.hosts.map((host, at) =>
      `h${at + 1}` === action.host ? { runs: action.to, linked: action.to } : host,
    );
    return { ...world, hosts };
  }

  it.each<[string, string, string[], number]>([
    ['3.3.25', '3.5.30', ['3.4.23', '3.5.16'], 3],
    ['3.3.25', '3.7.3', [], 3],
    ['3.5.16', '3.6.16', ['3.5.30'], 3],
    ['3.4.23', '3.6.16', [], 1],
    ['3.5.30', '3.7.3', [], 5],
  ])('from %s to %s by %j is the rest of the one before', (from, to, via, size) => {
    let world: World = { ...all(from, size), cluster: minorOf(from)!, v2Left: { h1: '', h2: '', h3: '' } };
    const backedUp = new Set<string>();
    const made = () => {
      const plan = planUpgrade(upgrade(world, to, { via, backedUp, begun: true }));
      if (plan.kind !== 'plan') throw new Error(shown(plan));
      return plan.actions.map(({ action }) => action);
    };
    for (let rest = made(); rest.length > 0; ) {
      const [action, ...others] = rest;
      if (action!.do === 'backup') backedUp.add(action!.before);
      world = applied(world, action!);
      rest = made();
      expect(rest.map(short)).toEqual(others.map(short));
    }
    expect(world.hosts.map(({ runs }) => runs)).toEqual(world.hosts.map(() => to));
  });

  it('does the same in another order where another member has come to lead', () => {
    const plan = (world: World, backedUp: ReadonlySet<string>) => {
      const made = planUpgrade(upgrade(world, '3.6.16', { via: ['3.5.30'], backedUp, begun: true }));
      return made.kind === 'plan' ? made.actions : [];
    };
    let world: World = { ...all('3.4.23'), cluster: '3.4' };
    const backedUp = new Set<string>();
    const elected: boolean[] = [];
    for (let rest = plan(world, backedUp); rest.length > 0; rest = plan(world, backedUp)) {
      const { action } = rest[0]!;
      if (action.do === 'backup') backedUp.add(action.before);
      world = applied(world, action);
      for (const leader of ['h1', 'h2', 'h3']) {
        const next = plan({ ...world, leader }, backedUp);
        const expected = rest.slice(1);
        expect(isReordered(next, expected), `${leader} after ${short(action)}`).toBe(true);
        elected.push(!isPartOf(next, expected));
      }
    }
    expect(elected).toContain(true);
    // Something else: a member is on an older release again.
    const expected = plan(all('3.5.30'), new Set(['3.5.30', '3.6.16']));
    const next = plan(mixed('3.5.30', '3.5.30', '3.5.16'), new Set(['3.5.30', '3.6.16']));
    expect([next.length - expected.length, isReordered(next, expected)]).toEqual([1, false]);
  });
});
