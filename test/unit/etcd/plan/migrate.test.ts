import { describe, expect, it } from 'vitest';
import { type MigrateRequest, planMigrate, type V2Found, type V2Host } from '../../../../src/etcd/plan/migrate.ts';
import { status, Wanted } from './observed.ts';

const wanted = new Wanted(3, { ETCD_VERSION: '3.4.23' });

const OFF: V2Host = { service: 'off', running: undefined, onDisk: undefined, isWanted: false, drift: [] };
const ON: V2Host = { ...OFF, service: 'on', isWanted: true };
const LEFT_ON: V2Host = { ...OFF, service: 'on', running: 'true', onDisk: 'true' };
const KEPT_ON: V2Host = { ...LEFT_ON, isWanted: true };
const HALF: V2Host = { ...OFF, onDisk: 'true' };
const all = (one: V2Host) => ({ h1: one, h2: one, h3: one });

const NONE: V2Found = {
  keys: 10,
  missing: 0,
  same: 10,
  late: 0,
  different: [],
  short: 0,
  unreadable: [],
  unrest: undefined,
  nameless: [],
  large: [],
};
const NEW: V2Found = { ...NONE, missing: 10, same: 0 };

interface Sketch {
  hosts: Record<string, V2Host>;
  found?: V2Found;
  leader?: string;
  version?: string;
  down?: string[];
  more?: Partial<MigrateRequest>;
}

function planOf({ hosts, found, leader = 'h1', version = '3.4.23', down = [], more }: Sketch) {
  const seen = wanted.hosts.map((host) => {
    if (down.includes(host)) return wanted.stopped(host);
    const one = wanted.serving(host);
    return { ...one, api: { ...one.api!, status: { ...status(host), leaderId: leader, version } } };
  });
  return planMigrate({
    sight: { hosts: seen, lost: [] },
    limited: wanted.hosts,
    allHosts: wanted.hosts,
    hosts: new Map(Object.entries(hosts)),
    found,
    overwrite: false,
    leaveOut: false,
    switched: false,
    stopped: false,
    backedUp: false,
    done: false,
    word: 'orders',
    ...more,
  });
}

/** The actions in a few words, or the reasons against them. */
function planned(sketch: Sketch): string[] {
  const plan = planOf(sketch);
  if (plan.kind === 'refused') return plan.refusals.map(({ reason }) => `NO ${reason}`);
  const after = plan.afterwards ?? [];
  return [
    ...plan.actions.map(({ action }) => {
      if (action.do === 'switch') return `${action.host} ${action.on ? 'on' : 'off'}`;
      if (action.do === 'move leader') return `${action.from} hands over to ${action.to}`;
      return 'host' in action ? `${action.do} ${action.host}` : 'hosts' in action ? `files ${action.hosts}` : action.do;
    }),
    ...after.map(({ reason }) => `then NO ${reason}`),
  ];
}

const oneOther = [{ name: '/a', how: 'other value' }];

describe('what is done', () => {
  it.each<[string, Sketch, string[]]>([
    ['v2 is served', { hosts: all(ON), found: NEW }, ['back up h1', 'copy']],
    ['all is there already', { hosts: all(ON), found: NONE }, []],
    ['some is there already', { hosts: all(ON), found: { ...NONE, missing: 1 } }, ['back up h1', 'copy']],
    ['an end is to be set right', { hosts: all(ON), found: { ...NONE, late: 1 } }, ['back up h1', 'copy']],
    ['the backup was taken', { hosts: all(ON), found: NEW, more: { backedUp: true } }, ['copy']],
    ['v2 is off', { hosts: all(OFF) }, ['h2 on', 'back up h2', 'copy', 'h2 off']],
    ['v2 is off, another one leads', { hosts: all(OFF), leader: 'h2' }, ['h1 on', 'back up h1', 'copy', 'h1 off']],
    ['v2 was switched on', { hosts: { ...all(OFF), h2: LEFT_ON }, found: NEW }, ['back up h2', 'copy', 'h2 off']],
    [
      'an earlier run was ended with v2 on, on the leader',
      { hosts: { ...all(OFF), h1: LEFT_ON }, found: NONE },
      ['h1 hands over to h2', 'h1 off'],
    ],
    [
      'an earlier run was ended before the restart',
      { hosts: { ...all(OFF), h3: HALF } },
      ['h3 on', 'back up h3', 'copy', 'h3 off'],
    ],
    [
      'an earlier run was ended before the restart, and another one serves',
      { hosts: { ...all(OFF), h2: LEFT_ON, h3: HALF }, found: NEW },
      ['back up h2', 'copy', 'h2 off', 'files h3'],
    ],
    ['v2 is to stay on', { hosts: all(KEPT_ON), found: NEW }, ['back up h1', 'copy']],
    ['v2 is to be on, and is off', { hosts: all({ ...OFF, isWanted: true }) }, ['h2 on', 'back up h2', 'copy']],
    ['all is done', { hosts: { ...all(OFF), h2: LEFT_ON }, more: { done: true } }, ['h2 off']],
    [
      'something speaks against it, and v2 is still on',
      { hosts: { ...all(OFF), h2: LEFT_ON }, found: NEW, more: { stopped: true } },
      ['h2 off'],
    ],
    ['something speaks against it, and v2 is off again', { hosts: all(OFF), more: { stopped: true } }, []],
    [
      'v2 wins',
      { hosts: all(ON), found: { ...NONE, different: oneOther }, more: { overwrite: true } },
      ['back up h1', 'copy'],
    ],
    [
      'what cannot be read is left out',
      { hosts: all(ON), found: { ...NEW, unreadable: ['/b'] }, more: { leaveOut: true } },
      ['back up h1', 'copy'],
    ],
  ])('%s', (_, sketch, actions) => {
    expect(planned(sketch)).toEqual(actions);
  });
});

describe('what is refused', () => {
  it.each<[string, Sketch, RegExp[]]>([
    [
      'hosts are left out',
      { hosts: all(ON), found: NEW, more: { limited: ['h1'] } },
      [/^NO keys belong .* leaves out h2, h3/],
    ],
    ['a member is down', { hosts: all(ON), found: NEW, down: ['h3'] }, [/^NO this member does not serve/]],
    [
      'a migration by the tool was cut off',
      { hosts: { ...all(ON), h3: { ...ON, cutOff: '20260801T040000Z' } }, found: NEW, down: ['h2'] },
      [/^NO a migration by etcd's own tool was cut off/],
    ],
    ['3.6 runs', { hosts: all(OFF), version: '3.6.14' }, [/^NO etcd 3\.6\.14 has no v2 API/]],
    [
      'users are in force',
      { hosts: { ...all(ON), h2: { ...ON, service: 'locked' } }, found: NEW },
      [/^NO the users of v2 .*h2/],
    ],
    [
      'it is being written',
      { hosts: all(ON), found: { ...NEW, unrest: '1 key was written (/a)' } },
      [/^NO v2 is being written: 1 key/],
    ],
    [
      'v3 has something else',
      { hosts: all(ON), found: { ...NEW, different: oneOther } },
      [/^NO v3 has 1 key of these names already.*\/a \(other value\)/],
    ],
    ['bytes cannot be read', { hosts: all(ON), found: { ...NEW, unreadable: ['/b'] } }, [/^NO 1 key holds bytes.*\/b/]],
    [
      'a value is too large for v3',
      { hosts: all(ON), found: { ...NEW, large: ['/b'] } },
      [/^NO 1 key is larger than a request.*\/b/],
    ],
    ['a name would be empty', { hosts: all(ON), found: { ...NEW, nameless: ['/b'] } }, [/^NO nothing would be left/]],
    [
      'a restart would bring more than v2',
      { hosts: all({ ...OFF, drift: ['ETCD_SNAPSHOT_COUNT'] }) },
      [/^NO to read v2 it is restarted.*ETCD_SNAPSHOT_COUNT/],
    ],
    [
      'it is seen only when v2 was switched on: that is undone first',
      { hosts: { ...all(OFF), h2: LEFT_ON }, found: { ...NEW, different: oneOther }, more: { switched: true } },
      [/^h2 off$/, /^then NO v3 has 1 key/],
    ],
  ])('%s', (_, sketch, words) => {
    const said = planned(sketch);
    expect(said).toHaveLength(words.length);
    for (const [at, one] of words.entries()) expect(said[at]).toMatch(one);
  });
});

it('what is overwritten is confirmed', () => {
  const found = { ...NONE, different: oneOther };
  const plan = planOf({ hosts: all(ON), found, more: { overwrite: true } });
  expect(plan).toMatchObject({ confirm: { word: 'orders', question: expect.stringContaining('1 key of v3') } });
  expect(planOf({ hosts: all(ON), found: NEW })).not.toHaveProperty('confirm');
});
