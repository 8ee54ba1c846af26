import { once, type Play, type Task } from '../../runner/playbook.ts';
import type { MemberAction } from '../plan/action.ts';
import type { LiveCluster } from './cluster.ts';
import { levelWithLeader } from './level.ts';
import { perform } from './perform.ts';

/** How far behind a follower may be that is about to lead is a matter of moments. */
const HEIR_MS = 30_000;

/** Leadership moves to a follower, once that is level: what it lacks, clients would wait for. */
export function handOver(cluster: LiveCluster, action: Extract<MemberAction, { do: 'move leader' }>): Play {
  const { tasks, ...doing } = perform(cluster, action);
  const level = once(`${action.to} is level`, () =>
    levelWithLeader(cluster, action.to, cluster.state().leader?.host ?? action.from, {
      timeoutMs: HEIR_MS,
      signal: cluster.run.signal,
      onProgress: () => {},
    }),
  );
  return { ...doing, tasks: [level, ...(tasks as readonly Task[])] };
}
