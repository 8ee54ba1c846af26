import { describe, expect, it } from 'vitest';
import type { MemberWord } from '../../../../src/etcd/backup/compare.ts';
import type { MemberStatus } from '../../../../src/etcd/cluster.ts';
import { compactedUpTo } from '../../../../src/etcd/live/space.ts';
import { groundFor } from '../../../../src/etcd/plan/roll.ts';
import { assess } from '../../../../src/etcd/plan/sight.ts';
import {
  gainOf,
  planSpace,
  type SpaceAction,
  type SpaceRequest,
  type SpaceWish,
} from '../../../../src/etcd/plan/space.ts';
import { spaceProblems, spaceRecord, spaceText } from '../../../../src/etcd/space-report.ts';
import { status, Wanted } from './observed.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const wanted = new Wanted(3);

/** Members by what differs from one of 100 MiB that are all in use; `null` for one that does not serve. */
type Sketch = Record<string, Partial<MemberStatus> | null>;

function stateOf(sketch: Sketch) {
  const hosts = wanted.hosts.map((host) => {
    const own = sketch[host];
    if (own === null) return wanted.stopped(host);
    const seen = wanted.serving(host);
    const base = { ...status(host), dbSizeBytes: 100 * MIB, dbInUseBytes: 100 * MIB };
    return { ...seen, api: { ...seen.api!, status: { ...base, ...own } } };
  });
  return assess({ hosts, lost: [] });
}

function request(sketch: Sketch, wishes: string, more: Partial<SpaceRequest> = {}): SpaceRequest {
  return {
    state: stateOf(sketch),
    limited: wanted.hosts,
    wishes: new Set(wishes.split(' ').filter(Boolean) as SpaceWish[]),
    force: false,
    rooms: new Map(wanted.hosts.map((host) => [host, { quotaBytes: 2 * GIB, freeBytes: 10 * GIB }])),
    alarms: [],
    revision: 1000n,
    compactedTo: 0n,
    isBackedUp: false,
    words: [],
    done: { compacted: false, defragmented: new Set() },
    ...more,
  };
}

/** The actions in a few words, or the reasons against them. */
function planned(sketch: Sketch, wishes: string, more: Partial<SpaceRequest> = {}): string[] {
  const plan = planSpace(request(sketch, wishes, more));
  if (plan.kind === 'refused') return plan.refusals.map(({ host, reason }) => `NO ${host ?? ''} ${reason}`);
  return plan.actions.map(({ action }) => {
    if (action.do === 'move leader') return `${action.from} hands over to ${action.to}`;
    if (action.do === 'disarm') return `disarm ${action.alarms.map(({ kind }) => kind).join(' ')}`;
    return 'host' in action ? `${action.do} ${action.host}` : action.do;
  });
}

const half = { dbInUseBytes: 40 * MIB };
const allHalf = { h1: half, h2: half, h3: half };
const noSpace = [{ memberId: 'h2', kind: 'NOSPACE' }];
const corrupt = [{ memberId: 'h3', kind: 'CORRUPT' }];
const hash = (number: number, compactRevision = 5n) => ({ hash: number, compactRevision });
const hashes = (h1: number, h2: number, h3: number): MemberWord[] => [
  { host: 'h1', hash: hash(h1) },
  { host: 'h2', hash: hash(h2) },
  { host: 'h3', hash: hash(h3) },
];

describe('what making room comes to', () => {
  it.each<[string, Sketch, string, Partial<SpaceRequest>, string[]]>([
    ['nothing, where only a look is wanted', allHalf, '', { alarms: noSpace }, []],
    [
      'all of it, in the right order: the leader last, and led by another one by then',
      allHalf,
      'disarm defrag compact',
      { alarms: noSpace },
      [
        'backup h1',
        'compact',
        'defragment h2',
        'defragment h3',
        'h1 hands over to h2',
        'defragment h1',
        'disarm NOSPACE',
      ],
    ],
    ['no second backup of the same', {}, 'compact', { isBackedUp: true }, ['compact']],
    ['nothing, where nothing was overwritten', {}, 'compact', { compactedTo: 1000n }, []],
    ['nothing, where only a few revisions were written', {}, 'compact', { compactedTo: 985n }, []],
    ['these few too, with an alarm', {}, 'compact', { compactedTo: 985n, alarms: noSpace }, ['backup h1', 'compact']],
    ['these few too, where it is forced', {}, 'compact', { compactedTo: 985n, force: true }, ['backup h1', 'compact']],
    [
      'no second compaction in one run, while clients write on',
      {},
      'compact',
      { done: { compacted: true, defragmented: new Set() } },
      [],
    ],
    ['those alone that gain something', { h2: half }, 'defrag', {}, ['defragment h2']],
    ['the leader alone, once another one leads', { h1: half }, 'defrag', {}, ['h1 hands over to h2', 'defragment h1']],
    [
      'all that may gain something by then',
      {},
      'compact defrag',
      { isBackedUp: true },
      ['compact', 'defragment h2', 'defragment h3', 'h1 hands over to h2', 'defragment h1'],
    ],
    [
      'all, where it is forced',
      {},
      'defrag',
      { force: true },
      ['defragment h2', 'defragment h3', 'h1 hands over to h2', 'defragment h1'],
    ],
    ['those that -l chose', allHalf, 'defrag', { limited: ['h3'] }, ['defragment h3']],
    [
      'none twice in one run',
      allHalf,
      'defrag',
      { done: { compacted: false, defragmented: new Set(['h2', 'h3']) } },
      ['h1 hands over to h2', 'defragment h1'],
    ],
    [
      'not those that are down',
      { ...allHalf, h3: null },
      'defrag',
      {},
      ['defragment h2', 'h1 hands over to h2', 'defragment h1'],
    ],
    ['the alarm alone, where there is room', {}, 'disarm', { alarms: noSpace }, ['disarm NOSPACE']],
    ['nothing without an alarm', {}, 'disarm', {}, []],
    [
      'the alarm of a member that is gone',
      {},
      'disarm',
      { alarms: [{ memberId: 'ff', kind: 'NOSPACE' }] },
      ['disarm NOSPACE'],
    ],
    [
      'CORRUPT, where all data are equal',
      {},
      'disarm',
      { alarms: corrupt, words: hashes(1, 1, 1) },
      ['disarm CORRUPT'],
    ],
  ])('%s', (_, sketch, wishes, more, steps) => {
    expect(planned(sketch, wishes, more)).toEqual(steps);
  });

  it.each<[string, Sketch, string, Partial<SpaceRequest>, RegExp]>([
    ['no leader', { h1: null, h2: null, h3: { leaderId: undefined } }, 'compact', {}, /no leader that can be asked/],
    [
      'a database that still fills its quota',
      { h2: { dbSizeBytes: 2 * GIB, dbInUseBytes: 2 * GIB } },
      'disarm',
      { alarms: noSpace },
      /^NO h2 .*would come back/,
    ],
    [
      'the same, when all else is done',
      { h2: { dbSizeBytes: 2 * GIB, dbInUseBytes: 2 * GIB } },
      'compact defrag disarm',
      { alarms: noSpace, compactedTo: 1000n },
      /^NO h2 .*would come back/,
    ],
    [
      'no room for the new database',
      { h2: half },
      'defrag',
      { rooms: new Map([['h2', { quotaBytes: GIB, freeBytes: 50 * MIB }]]) },
      /^NO h2 .*new database needs/,
    ],
    [
      'CORRUPT: the odd member is named',
      {},
      'disarm',
      { alarms: corrupt, words: hashes(1, 1, 2) },
      /^NO h3 .*CORRUPT \(of h3\), and the data of this member differ/,
    ],
    [
      'CORRUPT: the odd one, whoever has the alarm',
      {},
      'compact',
      { alarms: corrupt, words: hashes(2, 1, 1) },
      /^NO h1 /,
    ],
    [
      'CORRUPT: no majority',
      { h3: null },
      'disarm',
      { alarms: corrupt, words: hashes(1, 2, 2).slice(0, 2) },
      /h1, h2 differ with no majority/,
    ],
    [
      'CORRUPT: one could not be asked',
      { h3: null },
      'disarm',
      { alarms: corrupt, words: hashes(1, 1, 1).slice(0, 2) },
      /h3 could not be compared/,
    ],
    [
      'CORRUPT: compacted differently',
      {},
      'disarm',
      { alarms: corrupt, words: [...hashes(1, 1, 1).slice(0, 2), { host: 'h3', hash: hash(2, 9n) }] },
      /compacted differently/,
    ],
    [
      'CORRUPT that is not to be disarmed',
      {},
      'compact',
      { alarms: corrupt, words: hashes(1, 1, 1) },
      /it takes no change/,
    ],
  ])('refused: %s', (_, sketch, wishes, more, reason) => {
    expect(planned(sketch, wishes, more)[0]).toMatch(reason);
  });

  it('is asked for again in a forced disarm, which does without room', () => {
    const full = { h2: { dbSizeBytes: 2 * GIB, dbInUseBytes: 2 * GIB } };
    expect(planned(full, 'disarm', { alarms: noSpace, force: true })).toEqual(['disarm NOSPACE']);
  });

  it('bears with members that are down, and says so', () => {
    const plan = planSpace(request({ h3: null }, 'compact'));
    expect(plan.warnings).toEqual([expect.stringContaining('h3: this member does not serve')]);
  });
});

describe('acted out on a cluster that is full', () => {
  const QUOTA = 200 * MIB;

  /** What each action comes to, as etcd does it. */
  class World {
    leader = 'h1';
    compactedTo = 0n;
    backedUp = false;
    alarms = [{ memberId: 'h3', kind: 'NOSPACE' }];
    sizes = Object.fromEntries(wanted.hosts.map((host) => [host, { db: QUOTA, used: QUOTA - MIB }]));
    #done = { compacted: false, defragmented: new Set<string>() };

    plan() {
      const sketch = Object.fromEntries(
        wanted.hosts.map((host) => {
          const { db, used } = this.sizes[host]!;
          return [host, { leaderId: this.leader, dbSizeBytes: db, dbInUseBytes: used }];
        }),
      );
      const rooms = new Map(wanted.hosts.map((host) => [host, { quotaBytes: QUOTA, freeBytes: GIB }]));
      const { alarms, compactedTo } = this;
      const seen = { rooms, alarms, compactedTo, isBackedUp: this.backedUp, done: this.#done };
      const plan = planSpace(request(sketch, 'compact defrag disarm', seen));
      if (plan.kind === 'refused') throw new Error(plan.refusals.map(({ reason }) => reason).join());
      return plan.actions.map(({ action }) => action);
    }

    act(action: SpaceAction) {
      switch (action.do) {
        case 'backup':
          this.backedUp = true;
          break;
        case 'compact':
          expect(this.backedUp).toBe(true);
          this.compactedTo = 1000n;
          for (const one of Object.values(this.sizes)) one.used = 20 * MIB;
          this.#done.compacted = true;
          break;
        case 'defragment':
          expect(this.compactedTo).toBe(1000n);
          expect(action.host).not.toBe(this.leader);
          this.sizes[action.host]!.db = this.sizes[action.host]!.used;
          this.#done.defragmented.add(action.host);
          break;
        case 'move leader':
          this.leader = action.to;
          break;
        case 'disarm':
          for (const { db } of Object.values(this.sizes)) expect(db).toBeLessThan(QUOTA);
          this.alarms = [];
      }
    }

    /** A new run knows nothing of the old one. */
    forget() {
      this.#done = { compacted: false, defragmented: new Set() };
    }
  }

  it.each(Array.from({ length: 2 ** 7 }, (_, n) => n))('it ends well, cut off by pattern %d', (cuts) => {
    const world = new World();
    let steps = 0;
    for (;;) {
      const [first] = world.plan();
      if (!first) break;
      world.act(first);
      if (cuts & (1 << steps)) world.forget();
      steps += 1;
      expect(steps).toBeLessThan(10);
    }
    expect(world.alarms).toEqual([]);
    expect(steps).toBe(7);
  });
});

describe('a cluster that is full', () => {
  const told = (kind: string) => ({ h2: { errors: [`memberID:18 alarm:${kind} `] } });
  const ground = (kind: string) => groundFor(stateOf(told(kind)), [{ host: 'h1', why: 'new settings' }]);

  it('may be restarted with a larger quota', () => {
    const { refusals, warnings } = ground('NOSPACE');
    expect(refusals).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('the alarm NOSPACE and takes no writes')]);
  });

  it('is not restarted where it is damaged', () => {
    expect(ground('CORRUPT').refusals).toMatchObject([{ reason: 'the cluster has the alarm CORRUPT' }]);
  });
});

describe('whether a database is worth being written anew', () => {
  it.each<[number, number, number | undefined, boolean]>([
    [100 * MIB, 100 * MIB, 2 * GIB, false],
    [100 * MIB, 60 * MIB, 2 * GIB, false],
    [100 * MIB, 49 * MIB, 2 * GIB, true],
    [1000 * MIB, 900 * MIB, 2 * GIB, true],
    [1000 * MIB, 901 * MIB, 2 * GIB, false],
    [1000 * MIB, 990 * MIB, 1200 * MIB, true],
    [1000 * MIB, 990 * MIB, undefined, false],
    [1.5 * MIB, 0.6 * MIB, 2 * GIB, false],
    [24 * 1024, 8 * 1024, 2 * GIB, false],
    [100 * MIB, 0, 2 * GIB, true],
  ])('%d with %d in use, of %d: %s', (dbSize, inUse, quota, worth) => {
    expect(gainOf(dbSize, inUse, quota).worth).toBe(worth);
  });
});

it.each([
  [0n, 0n],
  [1n, 0n],
  [1000n, 0n],
  [1000n, 2n],
  [1000n, 517n],
  [1000n, 999n],
  [1000n, 1000n],
  [2n ** 62n, 2n ** 61n + 3n],
])('the compaction is found by asking: of %d up to %d', async (revision, compacted) => {
  let asked = 0;
  const found = await compactedUpTo(revision, async (at) => {
    asked += 1;
    return at < compacted;
  });
  expect(found).toBe(compacted);
  expect(asked).toBeLessThan(65);
});

describe('what is shown', () => {
  const report = (sketch: Sketch, more: Partial<SpaceRequest>) => request(sketch, '', more);

  it('is a row for each member, within 100 columns', () => {
    const text = spaceText(report({ h2: half, h3: null }, { alarms: noSpace }));
    expect(text).toContain('revision 1000, compacted up to 0 (1000 revisions of history)');
    expect(text).toMatch(/\| h1 +\| leader +\| 100\.0M \| 100\.0M \| 2\.0G +\| 4 % +\| - +\| - +\|/);
    expect(text).toMatch(/\| h2 +\| follower \| 100\.0M \| 40\.0M +\| 2\.0G +\| 4 % +\| 60\.0M +\| NOSPACE \|/);
    expect(text).toMatch(/\| h3 +\| silent +\| - /);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('is a record for programs', () => {
    const { members, ...rest } = spaceRecord(report({ h2: half, h3: null }, { alarms: noSpace }));
    expect(rest).toEqual({ kind: 'space', revision: '1000', compactedTo: '0' });
    expect(members).toMatchObject([
      { host: 'h1', leads: true, dbSizeBytes: 100 * MIB, worthDefragmenting: false, alarms: [] },
      { host: 'h2', dbInUseBytes: 40 * MIB, quotaBytes: 2 * GIB, worthDefragmenting: true, alarms: ['NOSPACE'] },
      { host: 'h3', dbSizeBytes: null, worthDefragmenting: null },
    ]);
  });

  it.each<[string, Sketch, Partial<SpaceRequest>, string[]]>([
    ['nothing', {}, {}, []],
    ['a database that fills', { h2: { dbSizeBytes: 1.7 * GIB } }, {}, ['h2 its database fills 85 % of its quota']],
    [
      'whose alarm it is',
      {},
      { alarms: noSpace },
      ['h2 alarm NOSPACE: its database has reached its quota, and the cluster takes no writes'],
    ],
    [
      'the odd member',
      {},
      { alarms: corrupt, words: hashes(1, 1, 2) },
      ['h3 the cluster has the alarm CORRUPT (of h3), and the data of this member differ from those of the others'],
    ],
    [
      'that there is none any more',
      {},
      { alarms: corrupt, words: hashes(1, 1, 1) },
      [' the cluster has the alarm CORRUPT, and the data of all members are equal now'],
    ],
  ])('tells of %s', (_, sketch, more, problems) => {
    expect(spaceProblems(report(sketch, more)).map(({ host, message }) => `${host ?? ''} ${message}`)).toEqual(
      problems,
    );
  });
});
