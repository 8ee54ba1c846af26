import type { X509Certificate } from 'node:crypto';
import { describeCertificate } from '../../pki/certificate.ts';
import type { MessageData } from '../../runner/events.ts';
import { isPublished } from '../cluster.ts';
import type { MemberSight } from '../plan/sight.ts';
import { configurationDrift, processDrift, runsOtherBinary, trustsOtherCa } from './drift.ts';
import type { Problem } from './problem.ts';
import { hasQuorum, membersInOrder, type StatusSight } from './sight.ts';

/** What a member is: `silent` is one whose host was seen and which does not serve, `unknown` one whose host was not. */
export type MemberState = 'leader' | 'follower' | 'learner' | 'unstarted' | 'silent' | 'unknown';

export function stateOfMember(one: MemberSight, { state }: StatusSight): MemberState {
  const { member, serves, seen } = one;
  if (serves && member.id === state.leader?.member.id) return 'leader';
  if (serves) return member.isLearner ? 'learner' : 'follower';
  if (!isPublished(member)) return 'unstarted';
  return seen ? 'silent' : 'unknown';
}

/** All of a look as one object, for monitors: `kind` tells it from other messages. Names stay as they are. */
export function statusRecord(sight: StatusSight, problems: readonly Problem[], cluster: string): MessageData {
  const { state, certificates, authorities, now } = sight;
  const critical = problems.some(({ severity }) => severity === 'critical');
  return {
    kind: 'status',
    verdict: critical ? 'critical' : problems.length > 0 ? 'warning' : 'ok',
    cluster: {
      name: cluster,
      id: state.clusterId ?? null,
      versions: [...state.versions],
      leader: state.leader?.member.name ?? null,
      hasQuorum: hasQuorum(sight),
      voters: state.voters.length,
      votersServing: state.voters.filter(({ serves }) => serves).length,
      quorum: state.quorum,
    },
    members: membersInOrder(state).map((one) => memberRecord(one, sight)),
    hosts: [
      ...state.sight.hosts.map((seen) => ({
        host: seen.host,
        reachable: true,
        member: state.members.find(({ host }) => host === seen.host)?.member.name ?? null,
        service: seen.facts.service.activeState,
        startedAtBoot: seen.facts.service.enabled ?? false,
        configurationDiffers: configurationDrift(seen),
        processDiffers: processDrift(seen),
        runsOtherBinary: runsOtherBinary(seen),
        trustsOtherCa: trustsOtherCa(seen),
      })),
      ...state.sight.lost.map(({ host, reason }) => ({ host, reachable: sight.unseen.has(host), reason })),
    ],
    certificates: certificates.map(({ host, kind, served, onHost, here }) => ({
      host,
      kind,
      served: certificateRecord(served, now),
      onHost: certificateRecord(onHost, now),
      here: certificateRecord(here, now),
    })),
    authorities: authorities.map((ca) => certificateRecord(ca, now)),
    problems: problems.map(({ kind, severity, host, member, message, next }) => ({
      kind,
      severity,
      host: host ?? null,
      member: member ?? null,
      message,
      next,
    })),
  };
}

function memberRecord(one: MemberSight, sight: StatusSight) {
  const { member, host, status } = one;
  const health = host === undefined ? undefined : sight.health.get(host);
  return {
    id: member.id,
    name: member.name,
    host: host ?? null,
    peerUrls: [...member.peerUrls],
    clientUrls: [...member.clientUrls],
    state: stateOfMember(one, sight),
    isLearner: member.isLearner,
    version: status?.version ?? null,
    healthy: health?.healthy ?? null,
    healthError: health?.error || null,
    tookMs: health?.healthy ? Math.round(health.tookMs * 100) / 100 : null,
    dbSizeBytes: status?.dbSizeBytes ?? null,
    dbInUseBytes: status?.dbInUseBytes ?? null,
    raftTerm: status ? Number(status.raftTerm) : null,
    raftIndex: status ? Number(status.raftIndex) : null,
    raftAppliedIndex: status ? Number(status.appliedIndex) : null,
    alarms: sight.alarms.filter(({ memberId }) => memberId === member.id).map(({ kind }) => kind),
  };
}

function certificateRecord(certificate: X509Certificate | undefined, now: Date) {
  if (!certificate) return null;
  const { subject, notAfter, daysLeft, sans, fingerprint } = describeCertificate(certificate, now);
  return { subject, notAfter: notAfter.toISOString(), daysLeft, names: [...sans.dns, ...sans.ip], fingerprint };
}
