import { describe, expect, it } from 'vitest';
import { parseEnvironmentFile } from '../../../../src/etcd/configuration.ts';
import { type MemberFiles, planReload, type ReloadRequest } from '../../../../src/etcd/plan/reload.ts';
import type { RollAction } from '../../../../src/etcd/plan/roll.ts';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import { chance } from '../../inventory/random.ts';
import { ACTIVE, CA, status, Wanted, withFacts } from './observed.ts';

/** A member as far as its reload goes. */
interface Host {
  host: string;
  conf: number;
  /** What its process runs with; undefined where none runs. */
  running: number | undefined;
  certificates: boolean;
  due: boolean;
  unit: 'same' | 'differs' | 'newer';
  reachable: boolean;
}

interface World {
  hosts: readonly Host[];
  leader: string;
  wanted: number;
}

const clusters = new Map([1, 2, 3, 5].map((size) => [size, new Wanted(size)]));
const SIZES = [...clusters.keys()];
const texts = new Map<string, string>();
const settings = new Map<string, Map<string, string>>();

function configuration(size: number, host: string, value: number): string {
  const key = `${size} ${host} ${value}`;
  const made =
    texts.get(key) ?? `${clusters.get(size)!.configuration(host, 'existing')}ETCD_SNAPSHOT_COUNT="${value}"\n`;
  texts.set(key, made);
  return made;
}

function environment(text: string): Map<string, string> {
  const made = settings.get(text) ?? parseEnvironmentFile(text);
  settings.set(text, made);
  return made;
}

const member = (host: string, rest: Partial<Host> = {}): Host => ({
  host,
  conf: 1,
  running: 1,
  certificates: true,
  due: false,
  unit: 'same',
  reachable: true,
  ...rest,
});

const world = (size: number, change: Record<string, Partial<Host>> = {}, rest: Partial<World> = {}): World => ({
  hosts: clusters.get(size)!.hosts.map((host) => member(host, change[host])),
  leader: 'h1',
  wanted: 1,
  ...rest,
});

function request({ hosts, leader, wanted }: World, how: Partial<ReloadRequest> = {}): ReloadRequest {
  const size = hosts.length;
  const all = clusters.get(size)!;
  const up = hosts.filter(({ running }) => running !== undefined);
  const hasQuorum = up.length > size / 2;
  const leads = up.some(({ host }) => host === leader) ? leader : up[0]?.host;
  const seen = hosts
    .filter(({ reachable }) => reachable)
    .map((one): SeenHost => {
      const wish = configuration(size, one.host, wanted);
      const stopped = {
        ...withFacts(all.stopped(one.host), { configuration: configuration(size, one.host, one.conf) }),
        wanted: wish,
      };
      if (one.running === undefined) return stopped;
      const process = { environment: environment(configuration(size, one.host, one.running)), binary: 'etcd' };
      const own = { ...status(one.host), leaderId: hasQuorum ? leads : undefined };
      const running = { ...withFacts(stopped, { ...ACTIVE, running: process }), status: own };
      const members = all.members(all.hosts);
      return hasQuorum ? { ...running, api: { status: own, members } } : { ...running, peers: members };
    });
  const lost = hosts
    .filter(({ reachable }) => !reachable)
    .map(({ host }) => ({ host, settings: all.settings[all.hosts.indexOf(host)]!, reason: 'no route' }));
  const files = hosts
    .filter(({ reachable }) => reachable)
    .map((one): [string, MemberFiles] => [
      one.host,
      {
        configuration: configuration(size, one.host, wanted),
        configurationDiffers: one.conf !== wanted,
        unitDiffers: one.unit === 'differs',
        unitIsNewer: one.unit === 'newer',
        otherDiffers: false,
        certificates: one.certificates || one.due ? [] : ['/etc/etcd/cert/etcd-server.pem'],
        due: one.due ? [`etcd-${one.host}-server`] : [],
        foreign: [],
        owner: 'etcd',
      },
    ]);
  return {
    sight: { hosts: seen, lost },
    files: new Map(files),
    limited: all.hosts,
    forced: [],
    ca: CA,
    certLocalDir: '/inv/pki',
    ...how,
  };
}

function act(now: World, action: RollAction): World {
  const on = (hosts: readonly string[], change: (one: Host) => Partial<Host>): World => ({
    ...now,
    hosts: now.hosts.map((one) => (hosts.includes(one.host) ? { ...one, ...change(one) } : one)),
  });
  switch (action.do) {
    case 'certificates':
      return on(action.hosts, () => ({ certificates: true, due: false }));
    case 'files':
      return on(action.hosts, () => ({ conf: now.wanted }));
    case 'restart':
      // One that led and is down leads no more when it is back.
      if (now.hosts.find(({ host }) => host === now.leader)?.running === undefined) {
        const leader = now.hosts.find(({ running }) => running !== undefined)?.host ?? now.leader;
        return { ...on([action.host], () => ({ conf: now.wanted, running: now.wanted, unit: 'same' })), leader };
      }
      return on([action.host], () => ({ conf: now.wanted, running: now.wanted, unit: 'same' }));
    case 'move leader':
      return { ...now, leader: action.to };
  }
}

const told = (now: World, how: Partial<ReloadRequest> = {}) => {
  const plan = planReload(request(now, how));
  if (plan.kind === 'refused') return plan.refusals.map(({ host, reason }) => `${host ?? ''}: ${reason}`);
  return plan.actions.map(({ action }) => {
    if (action.do === 'restart') return `restart ${action.host}`;
    if (action.do === 'move leader') return `${action.from} to ${action.to}`;
    return `${action.do} ${action.hosts.join(' ')}`;
  });
};

describe('a reload', () => {
  const cases: [string, World, string[], Partial<ReloadRequest>?][] = [
    ['nothing where nothing differs', world(3), []],
    ['certificates alone, without a restart', world(3, { h2: { certificates: false } }), ['certificates h2']],
    ['certificates that are due, too', world(3, { h2: { due: true }, h3: { due: true } }), ['certificates h2 h3']],
    [
      'the leader last, after handing over',
      world(3, {}, { wanted: 2 }),
      ['restart h2', 'restart h3', 'h1 to h2', 'restart h1'],
    ],
    [
      'only those that run with something else',
      world(3, { h3: { conf: 2, running: 2 } }, { wanted: 2, leader: 'h3' }),
      ['restart h1', 'restart h2'],
    ],
    ['one whose file is right and whose process is not', world(3, { h2: { running: 9 } }), ['restart h2']],
    ['one whose unit differs', world(3, { h2: { unit: 'differs' } }), ['restart h2']],
    ['one whose unit is newer than its process', world(3, { h2: { unit: 'newer' } }), ['restart h2']],
    ['a file alone, where the process runs with what is wanted', world(3, { h2: { conf: 9 } }), ['files h2']],
    [
      'all where that is asked for',
      world(3),
      ['restart h2', 'restart h3', 'h1 to h2', 'restart h1'],
      { forced: ['h1', 'h2', 'h3'] },
    ],
    [
      'one that is down first',
      world(3, { h3: { running: undefined } }, { wanted: 2 }),
      ['restart h3', 'restart h2', 'h1 to h2', 'restart h1'],
    ],
    ['the one that -l names', world(3, {}, { wanted: 2 }), ['restart h2'], { limited: ['h2'] }],
    [
      'one of five beside one that is down: a quorum stays',
      world(5, { h5: { running: undefined } }, { wanted: 2 }),
      ['restart h2'],
      { limited: ['h2'] },
    ],
    ['a cluster of one, which has nobody to hand over to', world(1, {}, { wanted: 2 }), ['restart h1']],
    [
      'certificates where a member is lost',
      world(3, { h2: { certificates: false }, h3: { reachable: false, running: undefined } }),
      ['certificates h2'],
    ],
  ];
  it.each(cases)('does %s', (_, now, actions, how) => expect(told(now, how)).toEqual(actions));

  const refused: [string, World, RegExp, Partial<ReloadRequest>?][] = [
    [
      'one more would end the quorum',
      world(3, { h3: { running: undefined } }, { wanted: 2 }),
      /h3: this member does not serve/,
      { limited: ['h1', 'h2'] },
    ],
    [
      'a member is lost',
      world(3, { h3: { reachable: false, running: undefined } }, { wanted: 2 }),
      /h3: this member does not serve: its host cannot be reached/,
    ],
    [
      'a member fell during the run',
      world(5, { h5: { running: undefined } }, { wanted: 2 }),
      /h5: this member does not serve/,
      { limited: ['h2'], borne: [] },
    ],
    [
      'its hosts trust another CA',
      world(3),
      /trust another CA/,
      { ca: '-----BEGIN CERTIFICATE-----\nother\n-----END CERTIFICATE-----\n' },
    ],
    [
      'too many are down to come back one by one',
      world(5, {
        h1: { running: undefined },
        h2: { running: undefined },
        h3: { running: undefined },
        h4: { running: undefined },
      }),
      /1 of 5 members answer/,
    ],
  ];
  it.each(refused)('is refused where %s', (_, now, reason, how) => {
    expect(told(now, how).join('\n')).toMatch(reason);
  });

  it.each([
    ['ETCD_NAME', 'other', /ETCD_NAME is etcd-h1 and other is wanted/],
    ['ETCD_DATA_DIR', '/srv', /ETCD_DATA_DIR is \/var\/lib\/etcd and \/srv is wanted/],
    [
      'ETCD_INITIAL_ADVERTISE_PEER_URLS',
      'https://10.9.9.9:2380',
      /its peer address is .* and https:\/\/10.9.9.9:2380 is wanted/,
    ],
  ])('is refused by another %s, and by nothing else then', (name, value, reason) => {
    const asked = request(world(3));
    const files = new Map(asked.files);
    files.set('h1', {
      ...files.get('h1')!,
      configuration: files.get('h1')!.configuration.replace(new RegExp(`^${name}=.*$`, 'm'), `${name}="${value}"`),
    });
    const plan = planReload({ ...asked, files });
    expect(plan.kind === 'refused' && plan.refusals.map((one) => one.reason)).toEqual([expect.stringMatching(reason)]);
  });

  it('leaves settings alone that come from a drop-in of somebody else', () => {
    const asked = request(world(3));
    const [first, ...others] = asked.sight.hosts;
    const running = {
      ...first!.facts.running!,
      environment: new Map([...first!.facts.running!.environment, ['ETCD_DEBUG', 'true']]),
    };
    const hosts = [withFacts(first!, { running }), ...others];
    const files = new Map([...asked.files].map(([host, one]) => [host, { ...one, foreign: ['ETCD_DEBUG'] }]));
    const plan = planReload({ ...asked, sight: { hosts, lost: [] }, files });
    expect(plan.kind === 'plan' && plan.actions).toEqual([]);
  });
});

describe('a reload of any cluster', () => {
  const anyWorld = (seed: number): World => {
    const { pick, percent } = chance(seed);
    const size = pick(SIZES);
    const wanted = pick([1, 2]);
    const hosts = clusters.get(size)!.hosts.map((host) =>
      member(host, {
        conf: pick([1, 2]),
        running: percent(12) ? undefined : pick([1, 2]),
        certificates: percent(70),
        due: percent(15),
        unit: pick(['same', 'same', 'differs', 'newer'] as const),
      }),
    );
    return { hosts, wanted, leader: pick(hosts).host };
  };

  it('never has two members down, never ends a quorum of three or more, and each plan is the rest of the one before', () => {
    const complaints: string[] = [];
    let carried = 0;
    for (let seed = 1; seed <= 400 && complaints.length < 5; seed++) {
      let now = anyWorld(seed);
      const size = now.hosts.length;
      const first = planReload(request(now));
      // Where nobody leads, nobody knows who will.
      const up = now.hosts.filter(({ running }) => running !== undefined).length;
      if (first.kind === 'refused' || up <= size / 2) continue;
      carried++;
      let rest = first.actions;
      while (rest.length > 0) {
        const [next, ...others] = rest;
        const { action } = next!;
        if (action.do === 'restart') {
          const others = now.hosts.filter(({ host }) => host !== action.host);
          const up = others.filter(({ running }) => running !== undefined).length;
          const own = now.hosts.find(({ host }) => host === action.host)!;
          if (own.running !== undefined && size > 2 && up < Math.floor(size / 2) + 1)
            complaints.push(`seed ${seed}: quorum`);
          if (own.running !== undefined && up < others.length) complaints.push(`seed ${seed}: two are down`);
          if (own.running !== undefined && size > 1 && now.leader === action.host)
            complaints.push(`seed ${seed}: leader`);
        }
        now = act(now, action);
        const again = planReload(request(now));
        if (again.kind === 'refused') {
          complaints.push(`seed ${seed}: refused on the way: ${again.refusals[0]!.reason}`);
          break;
        }
        const words = (some: typeof rest) => JSON.stringify(some.map((one) => one.action));
        if (words(again.actions) !== words(others)) {
          complaints.push(`seed ${seed}: after ${words([next!])} ${words(again.actions)}, not ${words(others)}`);
          break;
        }
        rest = again.actions;
      }
    }
    expect(complaints).toEqual([]);
    expect(carried).toBeGreaterThan(200);
  }, 60_000);
});
