import { describe, expect, it } from 'vitest';
import { isPartOf } from '../../../../src/etcd/live/carry-out.ts';
import type { ChangePlan, MemberAction } from '../../../../src/etcd/plan/action.ts';
import { planAdd } from '../../../../src/etcd/plan/add.ts';
import { planDelete } from '../../../../src/etcd/plan/delete.ts';
import { planReplace, replacedId } from '../../../../src/etcd/plan/replace.ts';
import { type Chance, chance } from '../../inventory/random.ts';
import { CA } from './observed.ts';
import { act, anyWorld, hasQuorum, isUp, look, settingsOf, type World } from './simulator.ts';

const SEEDS = 1_200;

interface Case {
  seed: number;
  world: World;
  host: string;
  /** Of this run: it may remember what it saw first. */
  planner(): (world: World) => ChangePlan;
}

const base = { complaints: [], ca: CA, certLocalDir: '/inv/pki' };
/** The newer hosts are more likely to be added, the first ones to be taken out or replaced. */
const anyHost = (world: World, { pick, percent }: Chance, late: boolean) =>
  late && percent(80) ? world.hosts.at(-1)!.host : pick(world.hosts).host;

const operations = {
  add: (world: World, luck: Chance) => {
    const host = anyHost(world, luck, true);
    return { host, planner: () => (now: World) => planAdd({ sight: look(now), limited: [host], ...base }) };
  },
  delete: (world: World, luck: Chance) => {
    const host = anyHost(world, luck, false);
    const member = luck.percent(10) ? luck.pick(world.members).id : undefined;
    const request = { limited: [host], member, purge: luck.percent(5) };
    const planner = () => {
      let wasFound = false;
      return (now: World) => {
        const plan = planDelete({ sight: look(now), wasFound, ...request });
        wasFound ||= plan.kind === 'plan';
        return plan;
      };
    };
    return { host, planner };
  },
  replace: (world: World, luck: Chance) => {
    const host = anyHost(world, luck, false);
    const other = luck.percent(40) ? world.hosts.at(-1)!.host : undefined;
    const replacement = other === host ? undefined : other;
    const force = luck.percent(30);
    const planner = () => {
      let oldId: string | undefined;
      return (now: World) => {
        oldId ??= replacedId(look(now), host, replacement ?? host);
        return planReplace({ sight: look(now), limited: [host], replacement, force, oldId, ...base });
      };
    };
    return { host, planner, force };
  },
};

type Name = keyof typeof operations;
const names = Object.keys(operations) as Name[];

function cases(name: Name): (Case & { force?: boolean })[] {
  return Array.from({ length: SEEDS }, (_, n) => {
    const luck = chance(n + 1);
    const world = anyWorld(luck);
    return { seed: n + 1, world, ...operations[name](world, luck) };
  });
}

const all = new Map(names.map((name) => [name, cases(name)]));
const actionsOf = (plan: ChangePlan) => (plan.kind === 'plan' ? plan.actions.map(({ action }) => action) : []);

/** Acts out a plan, one action after the other, and gives every world on the way. */
function worlds(world: World, actions: readonly MemberAction[]): World[] {
  const seen = [world];
  for (const action of actions) seen.push(act(seen.at(-1)!, action));
  return seen;
}

describe.each(names)('%s: over many clusters', (name) => {
  const of = all.get(name)!;
  const made = of.flatMap((one) => {
    const plan = one.planner()(one.world);
    return plan.kind === 'plan' && plan.actions.length > 0 ? [{ ...one, plan }] : [];
  });

  it('is a plan in many cases, a refusal in many', () => {
    expect(made.length).toBeGreaterThan(SEEDS / 10);
    expect(of.length - made.length).toBeGreaterThan(SEEDS / 10);
  });

  it('is the same when it is made twice', () => {
    for (const { world, planner } of of) expect(planner()(world)).toEqual(planner()(world));
  });

  it('never does what a cluster cannot bear, nor touches data of a member', () => {
    for (const { seed, world, plan } of made) {
      expect(() => worlds(world, actionsOf(plan)), `seed ${seed}`).not.toThrow();
    }
  });

  it('keeps the quorum at each step', () => {
    for (const { seed, world, plan } of made) {
      const way = worlds(world, actionsOf(plan));
      // A cluster of one before learners: it must wait for its second voter.
      const waits = world.version === '3.3.25' && way.some((one) => one.members.length === 2);
      for (const one of waits ? way.slice(-1) : way) expect(hasQuorum(one), `seed ${seed}`).toBe(true);
    }
  });

  it('is its own rest after any part of it was carried out', () => {
    for (const { seed, world, planner, plan } of made) {
      const again = planner();
      const first = again(world);
      expect(first, `seed ${seed}`).toEqual(plan);
      const way = worlds(world, actionsOf(plan)).slice(1);
      for (const [done, one] of way.entries()) {
        const rest = plan.actions.slice(done + 1);
        const next = again(one);
        expect(next.kind, `seed ${seed} after ${done + 1}: ${JSON.stringify(next)}`).toBe('plan');
        const actions = next.kind === 'plan' ? next.actions : [];
        expect(isPartOf(actions, rest), `seed ${seed} after ${done + 1}: ${JSON.stringify([actions, rest])}`).toBe(
          true,
        );
        if (rest.length === 0) expect(actions).toEqual([]);
      }
    }
  });

  it('ends the same when it was cut off anywhere and run again', () => {
    for (const { seed, world, planner, plan, force } of made.filter(({ force: forced }) => !forced)) {
      const way = worlds(world, actionsOf(plan));
      const wanted = way.at(-1)!;
      for (const [done, one] of way.entries()) {
        const next = planner()(one);
        const ends = worlds(one, actionsOf(next)).at(-1)!;
        const after = `seed ${seed} after ${done} ${force}: ${JSON.stringify(next)}`;
        expect(new Set(ends.members.map(({ peerUrl }) => peerUrl)), after).toEqual(
          new Set(wanted.members.map(({ peerUrl }) => peerUrl)),
        );
        expect(ends.hosts, after).toEqual(wanted.hosts.map((host, n) => ({ ...host, data: ends.hosts[n]!.data })));
      }
    }
  });

  it('changes one member at a time, and leaves none half made', () => {
    for (const { seed, world, plan } of made) {
      const ends = worlds(world, actionsOf(plan)).at(-1)!;
      const before = world.members.filter(({ name: own, isLearner }) => own === '' || isLearner).length;
      const after = ends.members.filter(({ name: own, isLearner }) => own === '' || isLearner).length;
      expect(after, `seed ${seed}`).toBeLessThanOrEqual(name === 'delete' ? before : 0);
      expect(Math.abs(ends.members.length - world.members.length), `seed ${seed}`).toBeLessThanOrEqual(1);
    }
  });
});

describe('a host that was added', () => {
  it('serves in the end, and every etcd.conf that could be reached lists it', () => {
    for (const { world, host, planner } of all.get('add')!) {
      const plan = planner()(world);
      if (plan.kind !== 'plan') continue;
      const ends = worlds(world, actionsOf(plan)).at(-1)!;
      const member = ends.members.find(({ peerUrl }) => peerUrl === settingsOf(ends.version, host).advertisePeerUrl)!;
      expect(isUp(ends, member) && !member.isLearner).toBe(true);
      for (const one of ends.members) {
        const on = ends.hosts.find((at) => settingsOf(ends.version, at.host).advertisePeerUrl === one.peerUrl);
        expect(on?.pairs?.length).toBe(ends.members.length);
      }
    }
  });
});

describe('a member that was taken out', () => {
  it('is gone with its service, and its data are aside; an end at two is asked for', () => {
    for (const { world, planner } of all.get('delete')!) {
      const plan = planner()(world);
      if (plan.kind !== 'plan' || plan.actions.length === 0) continue;
      const ends = worlds(world, actionsOf(plan)).at(-1)!;
      const left = ends.members.length;
      const gone = world.members.find(({ id }) => !ends.members.some((one) => one.id === id));
      if (left < world.members.length) expect(plan.confirm?.word).toBeTruthy();
      if (left === 2 && world.members.length === 3 && !gone?.isLearner)
        expect(plan.confirm?.question).toContain('2 is an even number');
    }
  });
});
