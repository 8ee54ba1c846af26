import type { X509Certificate } from 'node:crypto';
import { describeCertificate } from '../../pki/certificate.ts';
import { callName, type MemberSight, standing } from '../plan/sight.ts';
import { table } from '../tables.ts';
import type { CertificateSight } from './certificates.ts';
import {
  configurationDrift,
  hasQuorum,
  processDrift,
  runsOtherBinary,
  type StatusSight,
  trustsOtherCa,
} from './judge.ts';
import { stateOfMember } from './record.ts';

/** A look for people: tables that fit 100 columns where names are of the usual length. */
export function statusText(sight: StatusSight, cluster: string): string {
  const { state } = sight;
  const { members, clusterId, versions } = state;
  if (members.length === 0) return `\nCluster ${cluster}: no member answers\n${hostTable(sight)}`;
  const version = versions.length > 0 ? `, etcd ${versions.join(' and ')}` : '';
  const quorum = hasQuorum(sight) ? '' : ', NO QUORUM';
  const parts = [
    `Cluster ${cluster} (${clusterId ?? 'it does not tell its ID'})${version}: ${standing(state)}${quorum}`,
    memberRows(sight),
    dataRows(sight),
    hostTable(sight),
    certificateRows(sight),
  ];
  return `\n${parts.join('\n')}`;
}

const NONE = '-';
const of = (one: MemberSight) => callName(one);

function memberRows(sight: StatusSight): string {
  const rows = sight.state.members.map((one) => {
    const { member, host, status } = one;
    const health = host === undefined ? undefined : sight.health.get(host);
    const words = !health ? NONE : health.healthy ? `${health.tookMs.toFixed(1)} ms` : 'FAILS';
    return [of(one), member.name || NONE, member.id, stateOfMember(one, sight), status?.version ?? NONE, words];
  });
  return table(['HOST', 'NAME', 'ID', 'STATE', 'VERSION', 'HEALTH'], rows);
}

function dataRows({ state, alarms }: StatusSight): string {
  const rows = state.members.map((one) => {
    const { member, status } = one;
    const own = alarms.filter(({ memberId }) => memberId === member.id).map(({ kind }) => kind);
    const sizes = status ? `${size(status.dbSizeBytes)} / ${size(status.dbInUseBytes)}` : NONE;
    const index = status ? `${status.raftIndex} / ${status.appliedIndex}` : NONE;
    const urls = [...member.peerUrls, ...member.clientUrls].map((url) => url.replace(/^https:\/\//, ''));
    return [of(one), urls.join(' '), sizes, status ? String(status.raftTerm) : NONE, index, own.join(' ') || NONE];
  });
  return table(['HOST', 'PEER AND CLIENT ADDRESS', 'DB / IN USE', 'TERM', 'INDEX / APPLIED', 'ALARMS'], rows);
}

function size(bytes: number): string {
  if (bytes === 0) return NONE;
  return bytes < 1024 ** 3 ? `${(bytes / 1024 ** 2).toFixed(1)}M` : `${(bytes / 1024 ** 3).toFixed(1)}G`;
}

function hostTable({ state, unseen }: StatusSight): string {
  const rows = [
    ...state.sight.hosts.map((seen) => {
      const { service, configuration } = seen.facts;
      const drift = configurationDrift(seen).length;
      const wanted = configuration === undefined ? 'none' : drift > 0 ? `${drift} differ` : 'as wanted';
      const settings = processDrift(seen).length;
      const odd = [
        ...(settings > 0 ? [`${settings} settings`] : []),
        ...(runsOtherBinary(seen) ? ['binary'] : []),
        ...(trustsOtherCa(seen) ? ['CA'] : []),
      ];
      const process = !seen.facts.running ? NONE : odd.length > 0 ? `other ${odd.join(', ')}` : 'as on disk';
      const boot = service.fragment === '' ? NONE : service.enabled ? 'yes' : 'NO';
      return [seen.host, service.activeState || NONE, boot, wanted, process];
    }),
    ...state.sight.lost.map(({ host }) => [host, 'UNREACHABLE', NONE, NONE, NONE]),
    ...unseen.map((host) => [host, 'NOT SEEN', NONE, NONE, NONE]),
  ];
  return table(['HOST', 'ETCD.SERVICE', 'AT BOOT', 'ETCD.CONF', 'PROCESS'], rows);
}

/** Names that every member has say nothing. */
const EVERYWHERE = ['localhost', '127.0.0.1', '::1'];
const NAMES_WIDTH = 40;

function certificateRows({ certificates, authorities, now }: StatusSight): string {
  const days = (certificate: X509Certificate | undefined) =>
    certificate ? String(describeCertificate(certificate, now).daysLeft) : NONE;
  const row = ({ host, kind, served, onHost, here }: CertificateSight) => {
    const shown = served ?? onHost ?? here;
    const { dns = [], ip = [] } = shown ? describeCertificate(shown, now).sans : {};
    const names = [...dns, ...ip].filter((name) => !EVERYWHERE.includes(name)).join(' ');
    const subject = shown ? describeCertificate(shown, now).subject : NONE;
    return [host, kind, days(served), days(onHost), days(here), cut(names || subject)];
  };
  const rows = [
    ...certificates.map(row),
    ...authorities.map((ca) => ['control', 'CA', NONE, NONE, days(ca), cut(describeCertificate(ca, now).subject)]),
  ];
  return table(['HOST', 'DAYS LEFT', 'SERVED', 'ON DISK', 'HERE', 'NAMES'], rows);
}

function cut(text: string): string {
  return text.length <= NAMES_WIDTH ? text : `${text.slice(0, NAMES_WIDTH - 1)}…`;
}
