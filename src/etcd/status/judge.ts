import { refuseTwoClusters } from '../plan/create-refusals.ts';
import { noMember } from '../plan/health.ts';
import type { Refusal } from '../plan/plan.ts';
import { standing } from '../plan/sight.ts';
import { compareVersions } from '../versions.ts';
import { authorityProblems, certificateProblems } from './judge-certificates.ts';
import { hostProblems, notLookedAt, unreachable } from './judge-hosts.ts';
import { memberProblems } from './judge-members.ts';
import { type Problem, placeOf, type Severity } from './problem.ts';
import { hasQuorum, membersInOrder, type StatusSight } from './sight.ts';

/** All that is not well, the gravest first, in the order of the inventory. Pure. */
export function judgeStatus(sight: StatusSight): Problem[] {
  const { state } = sight;
  const { hosts, lost } = state.sight;
  const problems = [
    ...clusterProblems(sight),
    ...membersInOrder(state).flatMap((member) => memberProblems(member, sight)),
    ...lost.flatMap(({ host, reason }) => (sight.unseen.has(host) ? [] : unreachable(host, reason))),
    ...[...sight.unseen].map(([host, error]) => notLookedAt(host, error)),
    ...hosts.flatMap((seen) => hostProblems(seen, sight)),
    ...sight.certificates.flatMap((one) => certificateProblems(one, sight)),
    ...authorityProblems(sight),
  ];
  const rank = ({ severity }: Problem) => (severity === 'critical' ? 0 : 1);
  return problems.toSorted((a, b) => rank(a) - rank(b));
}

function clusterProblems(sight: StatusSight): Problem[] {
  const { state, wantedVersion, clocks } = sight;
  const { versions, members } = state;
  const problems: Problem[] = refuseTwoClusters(state.sight.hosts).map((one) => said('clusters', 'critical', one));
  if (members.length === 0) return [...problems, said('no-member', 'critical', noMember(state))];
  if (!hasQuorum(sight)) {
    problems.push({
      kind: 'no-quorum',
      severity: 'critical',
      message: `the cluster answers no reads and takes no writes (${standing(state)})`,
      next: 'Bring back the members that are missing (play create_etcd starts what is stopped). Where they are gone for good: play recover_etcd.',
    });
  }
  for (const { memberId, kind } of sight.alarms) {
    const one = members.find(({ member }) => member.id === memberId);
    problems.push({
      kind: 'alarm',
      severity: 'critical',
      ...(one && placeOf(one)),
      message: `alarm ${kind}${kind === 'NOSPACE' ? ': its database has reached its quota, and the cluster takes no writes' : ''}`,
      next:
        kind === 'CORRUPT'
          ? 'The data of a member differ from those of the others: play space_etcd compares all and names it.'
          : 'Make room and clear it: play space_etcd.',
    });
  }
  const newest = versions.at(-1);
  if (versions.length > 1) {
    problems.push({
      kind: 'versions',
      severity: 'warning',
      message: `members of different versions run (${versions.join(', ')})`,
      next: `Finish the upgrade: play upgrade_etcd -e ETCD_VERSION=${newest}`,
    });
  } else if (newest !== undefined && newest !== wantedVersion) {
    const playbook = compareVersions(wantedVersion, newest) > 0 ? 'upgrade_etcd' : 'downgrade_etcd';
    problems.push({
      kind: 'version',
      severity: 'warning',
      message: `etcd ${newest} runs, and ETCD_VERSION is ${wantedVersion}`,
      next: `Set ETCD_VERSION = ${newest} in the inventory, or: play ${playbook}`,
    });
  }
  return [...problems, ...clocks.map((one) => said('clocks', 'warning', one))];
}

function said(kind: string, severity: Severity, { host, reason, next }: Refusal): Problem {
  return { kind, severity, ...(host === undefined ? {} : { host }), message: reason, next };
}
