import { PlayError } from '../../errors.ts';
import { once, type Play, play, step } from '../../runner/playbook.ts';
import type { ChangePlan, Planned } from '../plan/action.ts';
import { alarms } from '../plan/health.ts';
import { planText, refusalError, stoppedError } from '../plan/plan.ts';
import { proveMember, untilMembersAgree } from '../proof.ts';
import { clusterReport } from '../report.ts';
import type { EndpointHealth } from '../tables.ts';
import type { LiveCluster } from './cluster.ts';

/** What it does, by name. */
interface Action {
  do: string;
}

/** An operation on a running cluster: what is to be done, from what is seen, and how each action is made. */
export interface Operation<A extends Action> {
  /** Pure but for the sight: asked anew after each action. */
  plan(): ChangePlan<A> | Promise<ChangePlan<A>>;
  perform(action: A): Play;
  /** What check mode shows beside the plan. */
  compare?(): Play | undefined;
  /** Shown when all is done and proven. */
  report?(): string | undefined;
  /** Whether the proof at the end is to write. Default: only where something was changed. */
  proof?: 'write' | 'read' | 'none';
}

type Going<A extends Action> = Extract<ChangePlan<A>, { kind: 'plan' }>;

/** How long members may take to agree again after the last action. */
const AGREEING_MS = 30_000;

/**
 * Looks, shows the plan, and makes its actions one at a time. After each the cluster is looked at and the plan is made
 * anew: where it is not the rest of the old one, something else has changed the cluster, and that is said before going on.
 * What must be confirmed is confirmed for one plan: another than its rest ends the run.
 */
export async function* carryOut<A extends Action>(cluster: LiveCluster, operation: Operation<A>): AsyncGenerator<Play> {
  const { run } = cluster;
  let plan: Going<A> | undefined;
  yield play('Look', { hosts: run.allHosts, tasks: cluster.look() });
  yield play('Plan', {
    tasks: [
      once(
        'Plan is made',
        async () => {
          plan = await decide(cluster, operation);
          if (plan.actions.length === 0) return { summary: 'nothing to do' };
          run.say(
            `\n${planText(
              plan.title,
              plan.actions.map(({ step }) => step),
            )}`,
          );
          return {};
        },
        { check: 'run' },
      ),
    ],
  });
  if (!plan) return;
  const compared = run.check ? operation.compare?.() : undefined;
  if (compared) yield compared;
  if (run.check) return;
  const changes = plan.actions.length > 0;
  if (changes && plan.confirm) await run.confirm(plan.confirm.question, plan.confirm.word);
  const confirmed = plan.confirm !== undefined;
  while (plan.actions.length > 0) {
    const [made, ...rest] = plan.actions as [Planned<A>, ...Planned<A>[]];
    const { name, ...doing } = operation.perform(made.action);
    const lookAgain = once('Cluster is looked at again', () => cluster.lookWhenSettled());
    const tasks = doing.tasks;
    yield {
      name,
      ...doing,
      tasks: typeof tasks === 'function' ? async () => [...(await tasks()), lookAgain] : [...tasks, lookAgain],
    };
    plan = judge(cluster, await decide(cluster, operation, false), {
      made,
      rest,
      confirmed,
    });
  }
  yield* prove(cluster, operation, changes);
}

async function decide<A extends Action>(
  cluster: LiveCluster,
  operation: Operation<A>,
  first = true,
): Promise<Going<A>> {
  const decided = await operation.plan();
  if (first) for (const warning of decided.warnings ?? []) cluster.run.say(warning, 'warning');
  if (decided.kind === 'refused') {
    throw first ? refusalError(decided.refusals) : stoppedError(decided.refusals);
  }
  return decided;
}

const sameActions = <A>(a: readonly Planned<A>[], b: readonly Planned<A>[]) =>
  JSON.stringify(a.map(({ action }) => action)) === JSON.stringify(b.map(({ action }) => action));

/** The rest of a plan, some of which may have come about by itself: a member that was taken out ends. */
export function isPartOf<A>(actions: readonly Planned<A>[], rest: readonly Planned<A>[]): boolean {
  let from = 0;
  return actions.every((one) => {
    const at = rest.findIndex((other, index) => index >= from && sameActions([one], [other]));
    from = at + 1;
    return at >= 0;
  });
}

const LEADERSHIP = 'move leader';

/** The same is left to be done, or part of it, in another order: a member leads that did not. */
export function isReordered<A extends Action>(actions: readonly Planned<A>[], rest: readonly Planned<A>[]): boolean {
  const open = [...rest];
  return actions.every((one) => {
    const at = open.findIndex((other) => sameActions([one], [other]));
    if (at >= 0) open.splice(at, 1);
    return at >= 0 || one.action.do === LEADERSHIP;
  });
}

function judge<A extends Action>(
  cluster: LiveCluster,
  next: Going<A>,
  { made, rest, confirmed }: { made: Planned<A>; rest: readonly Planned<A>[]; confirmed: boolean },
): Going<A> {
  const steps = next.actions.map(({ step }) => step);
  const sayWhoLeads = () =>
    cluster.run.say(`\nAnother member leads meanwhile.\n${planText(`goes on so: ${next.title}`, steps)}`);
  if (isPartOf(next.actions, rest)) {
    const moves = (actions: readonly Planned<A>[]) => actions.filter(({ action }) => action.do === LEADERSHIP).length;
    if (moves(next.actions) < moves(rest)) sayWhoLeads();
    return next;
  }
  const [first] = next.actions;
  if (first && sameActions([first], [made])) {
    throw new PlayError(`'${made.step.does}' was done, and the cluster does not show it`, {
      next: 'See how it stands (play status_etcd), then run again.',
    });
  }
  if (isReordered(next.actions, rest)) {
    sayWhoLeads();
    return next;
  }
  const text = planText(`has changed: ${next.title}`, steps);
  if (confirmed) {
    throw new PlayError(
      'the cluster was changed by something else meanwhile, and the plan that was confirmed holds no longer',
      {
        next: 'Run again, and look at the new plan.',
      },
    );
  }
  cluster.run.say(`\nSomething else has changed the cluster meanwhile.\n${text}`, 'warning');
  return next;
}

/** All members that serve agree, and each answers a read (and takes a write, where something was changed). */
export async function* prove<A extends Action>(
  cluster: LiveCluster,
  operation: Operation<A>,
  changes: boolean,
): AsyncGenerator<Play> {
  if (operation.proof === 'none') return;
  const { run } = cluster;
  const health = new Map<string, EndpointHealth>();
  const up = new Set(cluster.state().serving.map(({ host }) => host));
  const serving = run.allHosts.filter((host) => up.has(host));
  // Where an alarm is on, no write passes: an operation that went on all the same has said so.
  const alarmed = operation.proof === undefined ? alarms(cluster.state()) : [];
  const write = (operation.proof ?? (changes && alarmed.length === 0 ? 'write' : 'read')) === 'write';
  for (const { reason, next } of alarmed) run.say(`${reason}: no write is proven. ${next}`, 'warning');
  yield play('Prove', {
    hosts: serving,
    tasks: [
      once('Members agree', async () => {
        const answers = new Map(serving.map((host) => [host, cluster.answers.get(host)!]));
        const ask = (host: string) => cluster.ask(host);
        await untilMembersAgree(answers, ask, AGREEING_MS, run.signal, cluster.state().members.length);
      }),
      step('Reads and writes pass', async ({ host }) => {
        health.set(host, await proveMember(cluster.own(host), cluster.client(host), { write }));
      }),
      once('Cluster is shown', () => {
        const settings = serving.map((host) => cluster.own(host));
        const inOrder = serving.flatMap((host) => health.get(host) ?? []);
        const own = operation.report?.();
        run.say(clusterReport(settings, cluster.answers, inOrder) + (own ? `\n${own}` : ''));
      }),
    ],
  });
}
