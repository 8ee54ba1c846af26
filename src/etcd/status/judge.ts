import type { X509Certificate } from 'node:crypto';
import type { PlayError } from '../../errors.ts';
import { isIssuedBy } from '../../pki/certificate.ts';
import { type Expiry, expiryOf, expiryText, renewalText } from '../../pki/expiry.ts';

import { type Alarm, isPublished } from '../cluster.ts';
import { parseEnvironmentFile, trustedCaSum } from '../configuration.ts';
import { refuseTwoClusters } from '../plan/create-refusals.ts';
import { noMember } from '../plan/health.ts';
import type { Refusal } from '../plan/plan.ts';
import { configurationOf, hasData, isRunning, type SeenHost, stateOf, wasRemoved } from '../plan/seen.ts';
import {
  type ClusterState,
  callName,
  clusterPairs,
  differing,
  listsExactly,
  type MemberSight,
  standing,
} from '../plan/sight.ts';
import type { EndpointHealth } from '../tables.ts';
import { compareVersions } from '../versions.ts';
import type { CertificateSight } from './certificates.ts';

/** All that one look at a cluster has shown. */
export interface StatusSight {
  state: ClusterState;
  now: Date;
  /** ETCD_VERSION of the inventory. */
  wantedVersion: string;
  /** By host: a linearizable read through each member that could be asked. */
  health: ReadonlyMap<string, EndpointHealth>;
  alarms: readonly Alarm[];
  certificates: readonly CertificateSight[];
  /** Certificates that are to be reissued for another reason than their age: by host and kind (`h1 server`). */
  due: ReadonlyMap<string, string>;
  /** The CA certificates that lie on the control machine. */
  authorities: readonly X509Certificate[];
  caPem: string;
  /** Undefined: see `expiryOf`. */
  warnDays: number | undefined;
  /** Hosts that could be reached and not looked at, and why; they are among the lost ones of the state, too. */
  unseen: ReadonlyMap<string, Pick<PlayError, 'message' | 'next'>>;
  /** Clocks that differ too much. */
  clocks: readonly Refusal[];
}

/** `critical`: clients feel it, or will as soon as one thing more goes wrong. `warning`: it should be put right in time. */
export type Severity = 'critical' | 'warning';

/** One thing that is not well. */
export interface Problem {
  /** A word that does not change, for monitors. */
  kind: string;
  severity: Severity;
  host?: string;
  /** Name of the member, or its ID. */
  member?: string;
  message: string;
  /** What to do: a sentence, with the playbook. */
  next: string;
}

/** etcd takes no writes where its own gap is wider (E/server/etcdserver/v3_server.go, maxGapBetweenApplyAndCommitIndex). */
const WIDEST_GAP = 5_000n;
/** What is left of the quota should do until somebody has looked. */
const FULL = 0.8;

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

/** As the inventory has their hosts; those that it does not have come last. */
export function membersInOrder({ members, sight: { hosts, lost } }: ClusterState): MemberSight[] {
  const names = [...hosts, ...lost].map(({ settings }) => settings.host);
  const rank = ({ host }: MemberSight) => (host === undefined ? names.length : names.indexOf(host));
  return members.toSorted((a, b) => rank(a) - rank(b) || a.member.name.localeCompare(b.member.name));
}

/** Whether any member answers a read that the quorum must agree to. */
export function hasQuorum({ health }: Pick<StatusSight, 'health'>): boolean {
  return [...health.values()].some(({ healthy }) => healthy);
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

function memberProblems(one: MemberSight, sight: StatusSight): Problem[] {
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

function unreachable(host: string, reason: string): Problem {
  const next = 'See whether it is up and its network is: play ping. What its member is like nobody knows until then.';
  return { kind: 'unreachable', severity: 'critical', host, message: reason, next };
}

function notLookedAt(host: string, { message, next }: Pick<PlayError, 'message' | 'next'>): Problem {
  const otherwise = 'Log in there as the user of the inventory, and see: play ping -b';
  return { kind: 'not-seen', severity: 'critical', host, message, next: next ?? otherwise };
}

function hostProblems(seen: SeenHost, sight: StatusSight): Problem[] {
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

const CA_SUM = 'PLAY_TRUSTED_CA';

function configurationProblem(seen: SeenHost): string | undefined {
  const found = configurationOf(seen);
  if (!found) return 'it has no etcd.conf';
  const names = configurationDrift(seen);
  return names.length > 0 ? `its etcd.conf differs from what is wanted in ${names.join(', ')}` : undefined;
}

/** Settings of etcd.conf that are not as the inventory wants them. */
export function configurationDrift(seen: SeenHost): string[] {
  const found = configurationOf(seen);
  if (!found) return [];
  return differing(found, parseEnvironmentFile(seen.wanted)).filter((name) => name !== CA_SUM);
}

/** Settings of the running process that are not as on disk. */
export function processDrift(seen: SeenHost): string[] {
  const { running } = seen.facts;
  const found = configurationOf(seen);
  if (!running || !found) return [];
  return differing(running.environment, found).filter((name) => name !== CA_SUM);
}

export function runsOtherBinary({ facts: { running, binaryTarget } }: SeenHost): boolean {
  return running !== undefined && binaryTarget !== '' && running.binary !== binaryTarget;
}

/** Whether the process has read another CA file than lies there now; one that does not tell has no such name. */
export function trustsOtherCa({ facts: { running, ca } }: SeenHost): boolean {
  const sum = running?.environment.get(CA_SUM);
  return sum !== undefined && ca !== undefined && sum !== trustedCaSum(ca);
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

function certificateProblems(one: CertificateSight, sight: StatusSight): Problem[] {
  const { host, kind, served, onHost, here } = one;
  const { now, warnDays, authorities } = sight;
  const inUse = served ?? onHost;
  const problems: Problem[] = [];
  const say = (word: string, severity: Severity, message: string, next: string) =>
    problems.push({ kind: `certificate-${word}`, severity, host, message, next });
  const reissue = 'Have it reissued and sent: play reload_etcd';
  if (inUse) {
    const expiry = expiryOf(inUse, now, warnDays);
    if (expiry !== 'good') {
      const message = `its ${kind} certificate ${ENDS[expiry]} ${expiryText(inUse, now)}`;
      if (expiry === 'not yet') say('not-yet', 'critical', `its ${kind} certificate is not valid yet`, reissue);
      else
        say(
          expiry === 'soon' ? 'expires' : 'expired',
          expiry === 'soon' ? 'warning' : 'critical',
          message,
          renewalText(inUse, now),
        );
    }
    if (!authorities.some((ca) => isIssuedBy(inUse, ca))) {
      const message = `its ${kind} certificate was not issued by the CA in CERT_LOCAL_DIR`;
      say('issuer', 'critical', message, 'Use the CERT_LOCAL_DIR the cluster was made with, or: play reload_etcd');
    }
  }
  if (served && onHost && !same(served, onHost)) {
    const message = `it serves another ${kind} certificate than lies on its disk`;
    say('served', 'warning', message, 'Its process uses other files than etcd.conf says: play reload_etcd');
  }
  if (onHost && here && !same(onHost, here)) {
    const message = `its ${kind} certificate is not the one in CERT_LOCAL_DIR`;
    say('differs', 'warning', message, 'Send it: play reload_etcd');
  }
  const due = sight.due.get(`${host} ${kind}`);
  if (here && due !== undefined && expiryOf(here, now, warnDays) !== 'expired') {
    say('due', 'warning', `its ${kind} certificate is to be reissued: ${due}`, reissue);
  }
  return problems;
}

const ENDS: Record<Exclude<Expiry, 'good'>, string> = { soon: 'ends', expired: 'expired', 'not yet': 'begins' };

function authorityProblems({ authorities, now, warnDays }: StatusSight): Problem[] {
  return authorities.flatMap((ca): Problem[] => {
    const expiry = expiryOf(ca, now, warnDays);
    if (expiry === 'good') return [];
    return [
      {
        kind: expiry === 'expired' ? 'ca-expired' : 'ca-expires',
        severity: expiry === 'expired' ? 'critical' : 'warning',
        message: `the CA ${ENDS[expiry]} ${expiryText(ca, now)}`,
        next:
          expiry === 'expired'
            ? 'Members refuse each other until it is replaced: play rotate_certs_etcd -e ca=true -e outage=accept'
            : 'Change it without an outage: play rotate_certs_etcd -e ca=true',
      },
    ];
  });
}

const same = (a: X509Certificate, b: X509Certificate) => a.fingerprint256 === b.fingerprint256;

function placeOf(one: MemberSight): { host?: string; member: string } {
  const member = one.member.name || one.member.id;
  return one.host === undefined ? { member } : { host: one.host, member };
}

function said(kind: string, severity: Severity, { host, reason, next }: Refusal): Problem {
  return { kind, severity, ...(host === undefined ? {} : { host }), message: reason, next };
}
