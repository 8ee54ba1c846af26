import { isPublished } from '../cluster.ts';
import { quorumOf } from '../quorum.ts';
import { compareVersions } from '../versions.ts';
import type { MemberAction, MemberPair, Planned } from './action.ts';
import { drift } from './create-refusals.ts';
import { hasData, isInstalled, isRunning, type SeenHost, stateOf } from './seen.ts';
import { type ClusterState, clusterPairs, listsExactly, memberAt, standing } from './sight.ts';

/** Learners exist since 3.4: they take part in nothing until they are level and promoted. */
export const knowsLearners = (version: string) => compareVersions(version, '3.4.0') >= 0;

/**
 * What it takes until a host carries a full member, from wherever it stands: nothing done, added, started, a learner.
 * @param leaving IDs of members that are taken out before.
 */
export function joinSteps(state: ClusterState, target: SeenHost, leaving: readonly string[] = []): Planned[] {
  const { host, settings } = target;
  const version = state.versions[0] ?? settings.version;
  const found = memberAt(state, host);
  const own = found && !leaving.includes(found.member.id) ? found : undefined;
  const stay = state.members.filter(({ member }) => !leaving.includes(member.id));
  const voters = stay.filter(({ member }) => !member.isLearner).length;
  const pairs = clusterPairs(state, { joining: [settings], leaving });
  const planned: Planned[] = [];
  const push = (action: MemberAction, does: string, quorum: string, undo: string) =>
    planned.push({ action, step: { hosts: [host], does, quorum, undo } });
  const untouched = leaving.length > 0 ? 'untouched' : `untouched: ${standing(state)}`;

  const leavesHere = found !== undefined && own === undefined;
  if (!own) {
    const { service } = target.facts;
    const mayStart = service.fragment !== '' && service.enabled !== false && (hasData(target) || leavesHere);
    if (isRunning(target) || mayStart) {
      push({ do: 'stop', host }, 'stop and disable etcd.service: it is no member any more', untouched, 'not needed');
    }
    // A database without its log is no member's memory, and a new member must not meet it.
    if (hasData(target) || target.facts.data.kind === 'etcd') {
      push({ do: 'set aside', host }, `move the old ${settings.dataDir} aside`, untouched, 'move it back');
    }
  }
  const starts = !own?.serves;
  // What was stopped and moved aside is made ready anew.
  if (starts && (planned.length > 0 || !isPrepared(target, pairs))) {
    const does = `etcd ${version}, user, directories, certificates, etcd.conf, etcd.service; not started`;
    push({ do: 'prepare', host, pairs }, does, untouched, 'remove the files');
  }
  const learns = knowsLearners(version);
  if (!own) {
    const peerUrl = settings.advertisePeerUrl;
    const role = learns ? 'learner' : 'voter';
    const next = quorumOf(voters + 1);
    const without = next > voters ? '; nothing is written until it has started' : '';
    const effect = learns ? 'untouched: learners have no vote' : `${next} of ${voters + 1}, one not started${without}`;
    push({ do: 'add', host, peerUrl, role }, `add ${peerUrl} to the cluster as a ${role}`, effect, 'member remove');
  }
  if (starts) {
    const until = learns && (!own || own.member.isLearner) ? 'its data are level' : 'it follows its leader';
    const effect = learns
      ? 'untouched: learners have no vote'
      : `${quorumOf(own ? voters : voters + 1)} of ${own ? voters : voters + 1}`;
    push(
      { do: 'start', host },
      `start etcd, wait until ${until}`,
      effect,
      'stop it, member remove, move its data aside',
    );
  }
  if (own?.member.isLearner || (!own && learns)) {
    const effect = `${quorumOf(voters + 1)} of ${voters + 1}`;
    push({ do: 'promote', host }, 'promote it to a voter', effect, `play delete_etcd -l ${host}`);
  }
  return [...planned, ...listSteps(state, pairs, starts ? [host] : [])];
}

/** The etcd.conf of each host that has another list of members than the cluster will have. */
export function listSteps(
  state: ClusterState,
  pairs: readonly MemberPair[],
  written: readonly string[] = [],
  left: readonly string[] = [],
): Planned[] {
  const peers = new Set(pairs.map(({ peerUrl }) => peerUrl));
  const due = state.sight.hosts.filter(
    (seen) =>
      peers.has(seen.settings.advertisePeerUrl) &&
      !left.includes(seen.host) &&
      !written.includes(seen.host) &&
      seen.facts.configuration !== undefined &&
      !listsExactly(seen, pairs),
  );
  if (due.length === 0) return [];
  const hosts = due.map(({ host }) => host);
  const does = `etcd.conf lists the ${pairs.length} ${pairs.length === 1 ? 'member' : 'members'}; no restart`;
  return [{ action: { do: 'list', hosts, pairs }, step: { hosts, does, quorum: 'untouched', undo: 'not needed' } }];
}

/** Everything lies there for its start. */
export function isPrepared(target: SeenHost, pairs: readonly MemberPair[]): boolean {
  const { ca, service, data } = target.facts;
  const written =
    !data.absent &&
    ca !== undefined &&
    service.fragment !== '' &&
    service.enabled !== false &&
    target.facts.configuration !== undefined;
  return (
    written &&
    isInstalled(target) &&
    stateOf(target) === 'existing' &&
    listsExactly(target, pairs) &&
    drift(target).length === 0
  );
}

/** It was added, or has even started, and is not a full member yet. */
export function isJoining(state: ClusterState, host: string): boolean {
  const own = memberAt(state, host);
  return own !== undefined && (own.member.isLearner || !isPublished(own.member));
}
