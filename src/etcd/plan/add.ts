import { sizeWarning } from '../quorum.ts';
import { type ChangePlan, refuse } from './action.ts';
import { refuseOtherCa, refuseStranger } from './create-refusals.ts';
import { unhealthy } from './health.ts';
import { isJoining, joinSteps } from './join.ts';
import type { Refusal } from './plan.ts';
import { assess, type ClusterSight, memberAt, seenAt } from './sight.ts';

export interface AddRequest {
  sight: ClusterSight;
  /** The hosts that `-l` chose. */
  limited: readonly string[];
  /** What speaks against the host itself. */
  complaints: readonly Refusal[];
  ca: string | undefined;
  certLocalDir: string;
}

/**
 * What `add_etcd` has to do, from wherever an earlier run was cut off. Pure.
 * Sources of the rules: etcd-io/website op-guide/runtime-configuration, learning/design-learner.
 */
export function planAdd({ sight, limited, complaints, ca, certLocalDir }: AddRequest): ChangePlan {
  const [host] = limited;
  if (host === undefined || limited.length > 1) {
    return refuse({
      reason: `one host is added at a time, and ${limited.length} are chosen (${limited.join(', ')})`,
      next: 'Name the new host: play add_etcd -l HOST. The next one is added by the next run.',
    });
  }
  const lost = sight.lost.find((one) => one.host === host);
  if (lost)
    return refuse({ host, reason: `it cannot be reached: ${lost.reason}`, next: 'Bring it back, then run again.' });
  const state = assess(sight);
  const target = seenAt(state, host)!;
  const own = memberAt(state, host);
  const joining = isJoining(state, host);
  const stranger = refuseStranger(target);
  const grounds = [
    ...stranger,
    ...(own?.serves || stranger.length > 0 ? [] : complaints),
    ...refuseOtherCa({ hosts: sight.hosts.filter((seen) => seen.host !== host), limited, ca, certLocalDir }),
    ...unhealthy(state, { hosts: [host], mayWait: joining }),
  ];
  if (own && !joining && !own.serves) {
    grounds.push({
      host,
      reason: 'it is a member already, and does not serve',
      next: `Start it: play create_etcd. If its data are gone: play replace_etcd -l ${host}`,
    });
  }
  if (grounds.length > 0) return refuse(...grounds);
  const actions = joinSteps(state, target);
  const size = state.members.length + (own ? 0 : 1);
  const warning = actions.length > 0 ? sizeWarning(size) : undefined;
  const title = `add ${host} to the cluster ${state.clusterId}: ${size} members, etcd ${state.versions[0]}`;
  return { kind: 'plan', title, actions, warnings: warning ? [warning] : [] };
}
