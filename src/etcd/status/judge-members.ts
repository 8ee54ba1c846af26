import { isPublished } from '../cluster.ts';
import { hasData, isRunning, type SeenHost } from '../plan/seen.ts';
import { type ClusterState, callName, type MemberSight } from '../plan/sight.ts';
import { type Problem, placeOf } from './problem.ts';
import { hasQuorum, type StatusSight } from './sight.ts';

/** etcd takes no writes where its own gap is wider (E/server/etcdserver/v3_server.go, maxGapBetweenApplyAndCommitIndex). */
const WIDEST_GAP = 5_000n;
/** What is left of the quota should do until somebody has looked. */
const FULL = 0.8;

/** What is not well with a member. */
export function memberProblems(one: MemberSight, sight: StatusSight): Problem[] {
  const { member, host, seen, serves, status } = one;
  const { state } = sight;
  const place = placeOf(one);
  const urls = member.peerUrls.join(', ');
  if (host === undefined) {
    return [
      {
        kind: 'unlisted',
        severity: 'warning',
        ...place,
        message: `the cluster has a member that the inventory does not: ${callName(one)} (${urls})`,
        next: `Put its host into the inventory, or take it out of the cluster: play delete_etcd -e member=${member.name || member.id}`,
      },
    ];
  }
  if (!serves && !isPublished(member)) {
    const message = 'it was added to the cluster and has not started yet';
    const next = `Finish that: play add_etcd -l ${host}, or take it out: play delete_etcd -l ${host}`;
    return [{ kind: 'unstarted', severity: 'warning', ...place, message, next }];
  }
  const problems: Problem[] = [];
  if (member.isLearner) {
    const next = `Finish that: play add_etcd -l ${host}`;
    problems.push({ kind: 'learner', severity: 'warning', ...place, message: 'it is still a learner', next });
  }
  // Of a host that cannot be reached it is told once that it cannot.
  if (!seen) return problems;
  if (!serves) return [...problems, down(seen, one)];
  const health = sight.health.get(host);
  if (health && !health.healthy && hasQuorum(sight)) {
    problems.push({
      kind: 'unhealthy',
      severity: 'critical',
      ...place,
      message: `it does not answer a read: ${health.error}`,
      next: 'See there: journalctl -u etcd.service.',
    });
  }
  return [...problems, ...dataProblems(seen, one, status!, state), ...identityProblems(seen, one)];
}

function down(seen: SeenHost, one: MemberSight): Problem {
  const { host, facts } = seen;
  const { service } = facts;
  const runs = isRunning(seen);
  const lostData = !runs && !hasData(seen);
  const log = 'See there: journalctl -u etcd.service.';
  const ended = service.result !== '' && service.result !== 'success' ? `, after ${service.result}` : '';
  const message = lostData
    ? 'etcd does not run, and its data are gone'
    : !runs
      ? `etcd does not run (${service.activeState} ${service.subState}${ended})`
      : one.status
        ? 'etcd runs and knows of no leader'
        : 'etcd runs and does not answer';
  const next = lostData
    ? `Replace it: play replace_etcd -l ${host}`
    : runs
      ? `${log} It must hear the other members.`
      : `${log} Start it: play create_etcd. If it cannot: play replace_etcd -l ${host}`;
  return { kind: lostData ? 'data-lost' : 'down', severity: 'critical', ...placeOf(one), message, next };
}

function dataProblems(
  { settings }: SeenHost,
  one: MemberSight,
  status: NonNullable<MemberSight['status']>,
  { leader }: ClusterState,
): Problem[] {
  const place = placeOf(one);
  const problems: Problem[] = [];
  const behind = leader?.status ? leader.status.raftIndex - (status.appliedIndex || status.raftIndex) : 0n;
  if (behind > WIDEST_GAP) {
    problems.push({
      kind: 'behind',
      severity: 'warning',
      ...place,
      message: `it is ${behind} entries of the log behind its leader`,
      next: 'See whether its disk or its network is slow. Change nothing else meanwhile.',
    });
  }
  if (leader?.status && leader.status.raftTerm !== status.raftTerm) {
    problems.push({
      kind: 'term',
      severity: 'warning',
      ...place,
      message: `it is in raft term ${status.raftTerm}, its leader in ${leader.status.raftTerm}`,
      next: 'Look again: while a leader is elected this is so for a moment.',
    });
  }
  const used = status.dbSizeBytes / settings.quotaBytes;
  if (used >= FULL) {
    problems.push({
      kind: 'space',
      severity: 'warning',
      ...place,
      message: `its database fills ${Math.floor(used * 100)} % of its quota`,
      next: 'At 100 % the cluster takes no more writes. Make room: play space_etcd.',
    });
  }
  return problems;
}

/** Where the cluster knows a member by other names than the inventory. */
function identityProblems({ settings, host }: SeenHost, one: MemberSight): Problem[] {
  const { member } = one;
  const list = (urls: readonly string[]) => [...urls].sort().join(', ');
  const differ = (what: string, there: string, wanted: string, next: string): Problem[] =>
    there === wanted
      ? []
      : [
          {
            kind: 'identity',
            severity: 'warning',
            ...placeOf(one),
            message: `its ${what} in the cluster is ${there}, and ${wanted} in the inventory`,
            next,
          },
        ];
  return [
    ...differ('name', member.name, settings.name, 'Correct ETCD_NAME, or bring it by: play reload_etcd'),
    ...differ(
      'peer address',
      list(member.peerUrls),
      settings.advertisePeerUrl,
      `Correct the inventory, or move it: play move_etcd -l ${host}`,
    ),
    ...(isPublished(member)
      ? differ(
          'client address',
          list(member.clientUrls),
          list(settings.advertiseClientUrls),
          'Correct the inventory, or bring it by: play reload_etcd',
        )
      : []),
  ];
}
