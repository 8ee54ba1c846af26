import { describe, expect, it } from 'vitest';
import { isPartOf } from '../../../../src/etcd/live/carry-out.ts';
import type { ChangePlan } from '../../../../src/etcd/plan/action.ts';
import { type MoveAction, planMove } from '../../../../src/etcd/plan/move.ts';
import { chance } from '../../inventory/random.ts';
import { act, anyMoveWorld, hasQuorum, isUp, look, type MoveWorld, putBack, within } from './move-simulator.ts';
import { CA } from './observed.ts';

const SEEDS = 400;

const plan = (world: MoveWorld, from: string, to: string) =>
  planMove({ sight: look(world), limited: [from], to, complaints: [], ca: CA, certLocalDir: '/inv/pki' });
const actionsOf = (made: ChangePlan<MoveAction>) =>
  made.kind === 'plan' ? made.actions.map(({ action }) => action) : [];

function worlds(world: MoveWorld, actions: readonly MoveAction[]): MoveWorld[] {
  const seen = [world];
  for (const action of actions) seen.push(act(seen.at(-1)!, action));
  return seen;
}

const cases = Array.from({ length: SEEDS }, (_, n) => {
  const luck = chance(n + 1);
  const world = anyMoveWorld(luck);
  const from = luck.percent(90) ? luck.pick(world.members).at : luck.pick(world.places).host;
  const free = world.places.filter(({ host }) => !world.members.some(({ at }) => at === host));
  const to = luck.pick(luck.percent(90) ? free : world.places).host;
  return { seed: n + 1, luck, world, from, to, made: plan(world, from, to) };
});
const planned = cases.filter(({ made }) => actionsOf(made).length > 0);

/** The same but for the ages of data: who is where. */
const shape = (world: MoveWorld) => ({
  members: world.members,
  places: world.places.map(({ data, held, ...rest }) => ({ ...rest, data: data?.id, held: held?.id })),
});

describe('a move, over many clusters', () => {
  it('is a plan in many cases, a refusal in many, and the same when it is made twice', () => {
    expect(planned.length).toBeGreaterThan(SEEDS / 3);
    expect(cases.filter(({ made }) => made.kind === 'refused').length).toBeGreaterThan(SEEDS / 10);
    for (const { world, from, to, made } of cases) expect(plan(world, from, to)).toEqual(made);
  });

  it('ends with the same members, the moved one on its new host, up, with its data; the old data are aside', () => {
    for (const { seed, world, from, to, made } of planned) {
      const ends = worlds(world, actionsOf(made)).at(-1)!;
      const moved = world.members.find(({ at }) => at === from)!;
      expect(ends.members.map(({ id }) => id)).toEqual(world.members.map(({ id }) => id));
      expect(ends.members.find(({ id }) => id === moved.id)!.at, `seed ${seed}`).toBe(to);
      expect(isUp(ends, moved.id)).toBe(true);
      expect(ends.places.find(({ host }) => host === from)).toMatchObject({ running: false, enabled: false });
      expect(actionsOf(plan(ends, from, to))).toEqual([]);
    }
  });

  it('keeps the quorum of three and more; one or two are told that they stand still', () => {
    for (const { seed, world, made } of planned) {
      const small = world.members.length <= 2;
      if (small && made.kind === 'plan' && hasQuorum(world)) expect(made.confirm?.question).toContain('stands still');
      if (!small) for (const one of worlds(world, actionsOf(made))) expect(hasQuorum(one), `seed ${seed}`).toBe(true);
    }
  });

  it('is its own rest after any part of it was carried out', () => {
    for (const { seed, world, from, to, made } of planned) {
      const actions = actionsOf(made);
      const all = made.kind === 'plan' ? made.actions : [];
      for (const [done, one] of worlds(world, actions).entries()) {
        const next = plan(one, from, to);
        const words = `seed ${seed} after ${done}: ${JSON.stringify(next)}`;
        expect(next.kind, words).toBe('plan');
        if (next.kind === 'plan') expect(isPartOf(next.actions, all.slice(done)), words).toBe(true);
        expect(worlds(one, actionsOf(next)).at(-1)!.members, words).toEqual(worlds(world, actions).at(-1)!.members);
      }
    }
  });

  it('ends the same when it was killed within any action, or on its way back, and run again', () => {
    for (const { seed, world, from, to, made } of planned) {
      const actions = actionsOf(made);
      const way = worlds(world, actions);
      const wanted = shape(way.at(-1)!);
      for (const [at, action] of actions.entries()) {
        for (const cut of within(way[at]!, action)) {
          const next = plan(cut, from, to);
          const words = `seed ${seed} in ${action.do}: ${JSON.stringify(next)}`;
          expect(next.kind, words).toBe('plan');
          expect(shape(worlds(cut, actionsOf(next)).at(-1)!), words).toEqual(wanted);
        }
      }
    }
  });

  it('never starts old data nor loses the newest, whatever somebody does by hand on the way', () => {
    let put = 0;
    for (const { seed, luck, world, from, to, made } of planned) {
      for (const one of worlds(world, actionsOf(made))) {
        const changed = putBack(one, from, { leaves: luck.percent(50) });
        if (changed === one) continue;
        put++;
        const next = plan(changed, from, to);
        // A plan, or a refusal; never anything that the simulator forbids.
        expect(() => worlds(changed, actionsOf(next)), `seed ${seed}: ${JSON.stringify(next)}`).not.toThrow();
      }
    }
    expect(put).toBeGreaterThan(50);
  });
});
