import type { PlayError } from '../../errors.ts';
import { isPublished } from '../cluster.ts';
import { configurationOf, hasData, type SeenHost, stateOf, wasRemoved } from '../plan/seen.ts';
import { clusterPairs, listsExactly } from '../plan/sight.ts';
import { configurationDrift, processDrift, runsOtherBinary, trustsOtherCa } from './drift.ts';
import { type Problem, placeOf } from './problem.ts';
import type { StatusSight } from './sight.ts';

export function unreachable(host: string, reason: string): Problem {
  const next = 'See whether it is up and its network is: play ping. What its member is like nobody knows until then.';
  return { kind: 'unreachable', severity: 'critical', host, message: reason, next };
}

export function notLookedAt(host: string, { message, next }: Pick<PlayError, 'message' | 'next'>): Problem {
  const otherwise = 'Log in there as the user of the inventory, and see: play ping -b';
  return { kind: 'not-seen', severity: 'critical', host, message, next: next ?? otherwise };
}

/** What is not well on a host: its etcd.conf, its process, its service. */
export function hostProblems(seen: SeenHost, sight: StatusSight): Problem[] {
  const { state } = sight;
  const { host, facts } = seen;
  if (state.members.length === 0) return [];
  const one = state.members.find((member) => member.host === host);
  if (!one) {
    const removed = hasData(seen) && wasRemoved(seen, state.sight.hosts);
    const message = removed
      ? 'it has the data of a member that was removed from the cluster'
      : 'the cluster has no member on this host of the inventory';
    const next = `Let it join: play add_etcd -l ${host}, or take it out of the inventory.`;
    return [{ kind: 'no-member-here', severity: 'warning', host, message, next }];
  }
  const problems: Problem[] = [];
  const warn = (kind: string, message: string, next: string) =>
    problems.push({ kind, severity: 'warning', ...placeOf(one), message, next });
  const wrong = configurationProblem(seen);
  // Each version has its own etcd.conf, and nothing is reloaded while versions are not what they should be.
  const first = state.versions.some((version) => version !== seen.settings.version)
    ? 'Once the version is right: '
    : '';
  if (wrong) warn('configuration', wrong, `${first}See how: play reload_etcd -C -D. Put it right: play reload_etcd`);
  else if (stateOf(seen) === 'new' && isPublished(one.member)) {
    warn('formed', 'its etcd.conf still says new, and the cluster has formed', 'Finish that: play create_etcd');
  } else if (!listsExactly(seen, clusterPairs(state))) {
    warn('list', 'its etcd.conf lists other members than the cluster has', 'Put it right: play reload_etcd');
  }
  for (const message of processProblems(seen)) {
    warn('process', message, 'Restart it in good order: play reload_etcd');
  }
  if (facts.ca !== undefined && facts.ca.trim() !== sight.caPem.trim()) {
    warn(
      'ca',
      `it trusts another CA than the one in ${seen.settings.certLocalDir}`,
      'Use the CERT_LOCAL_DIR the cluster was made with. Where a change of CA is under way, finish it: play rotate_certs_etcd -e ca=true',
    );
  }
  if (facts.service.fragment !== '' && facts.service.enabled === false) {
    warn('not-enabled', 'etcd.service is not started when the host boots', 'Put it right: play create_etcd');
  }
  return problems;
}

function configurationProblem(seen: SeenHost): string | undefined {
  const found = configurationOf(seen);
  if (!found) return 'it has no etcd.conf';
  const names = configurationDrift(seen);
  return names.length > 0 ? `its etcd.conf differs from what is wanted in ${names.join(', ')}` : undefined;
}

function processProblems(seen: SeenHost): string[] {
  const names = processDrift(seen);
  const { running, binaryTarget } = seen.facts;
  return [
    ...(names.length > 0 ? [`the running etcd has other settings than its etcd.conf: ${names.join(', ')}`] : []),
    ...(runsOtherBinary(seen) ? [`${running!.binary} runs, and ${binaryTarget} is installed`] : []),
    ...(trustsOtherCa(seen) ? ['the running etcd has read another CA file than the one on its disk'] : []),
  ];
}
