import type { X509Certificate } from 'node:crypto';
import { describeCertificate } from '../../pki/certificate.ts';
import { callName, type MemberSight, standing } from '../plan/sight.ts';
import { table } from '../tables.ts';
import type { CertificateKind, CertificateSight } from './certificates.ts';
import { configurationDrift, processDrift, runsOtherBinary, trustsOtherCa } from './drift.ts';
import { stateOfMember } from './record.ts';
import { hasQuorum, membersInOrder, type StatusSight } from './sight.ts';

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
  const rows = membersInOrder(sight.state).map((one) => {
    const { member, host, status } = one;
    const health = host === undefined ? undefined : sight.health.get(host);
    const words = !health ? NONE : health.healthy ? `${health.tookMs.toFixed(1)} ms` : 'FAILS';
    return [of(one), member.name || NONE, member.id, stateOfMember(one, sight), status?.version ?? NONE, words];
  });
  return table(['HOST', 'NAME', 'ID', 'STATE', 'VERSION', 'HEALTH'], rows);
}

function dataRows({ state, alarms }: StatusSight): string {
  const rows = membersInOrder(state).map((one) => {
    const { member, status } = one;
    const own = alarms.filter(({ memberId }) => memberId === member.id).map(({ kind }) => kind);
    const sizes = status ? `${size(status.dbSizeBytes)} / ${size(status.dbInUseBytes)}` : NONE;
    const index = status ? `${status.raftIndex} / ${status.appliedIndex || NONE}` : NONE;
    const address = addressText([...member.peerUrls, ...member.clientUrls]);
    return [of(one), address, sizes, status ? String(status.raftTerm) : NONE, index, own.join(' ') || NONE];
  });
  return table(['HOST', 'PEER, CLIENT ADDRESS', 'DB / IN USE', 'TERM', 'INDEX / APPLIED', 'ALARMS'], rows);
}

/** `10.0.0.11:2380,2379`, or all of them where they are on several addresses. */
function addressText(urls: readonly string[]): string {
  const all = urls.map((url) => new URL(url));
  const [first] = all;
  if (!first) return NONE;
  if (all.some(({ hostname }) => hostname !== first.hostname)) return all.map(({ host }) => host).join(' ');
  return `${first.hostname}:${all.map(({ port }) => port).join(',')}`;
}

/** `1.5G`; nothing is `-`. */
export function size(bytes: number): string {
  if (bytes === 0) return NONE;
  const [unit, name] = bytes < 1024 ** 2 ? [1024, 'K'] : bytes < 1024 ** 3 ? [1024 ** 2, 'M'] : [1024 ** 3, 'G'];
  return `${(bytes / (unit as number)).toFixed(1)}${name}`;
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
    ...state.sight.lost.map(({ host }) => [host, unseen.has(host) ? 'NOT SEEN' : 'UNREACHABLE', NONE, NONE, NONE]),
  ];
  return table(['HOST', 'ETCD.SERVICE', 'AT BOOT', 'ETCD.CONF', 'PROCESS'], rows);
}

/** Names that every member has say nothing. */
const EVERYWHERE = ['localhost', '127.0.0.1', '::1'];
const NAMES_WIDTH = 36;

function certificateRows({ state, certificates, authorities, now }: StatusSight): string {
  const rows = state.sight.hosts.flatMap(({ host }) => {
    const own = certificates.filter((one) => one.host === host);
    if (own.length === 0) return [];
    const cell = (kind: CertificateKind) => daysText(own.find((one) => one.kind === kind)!, now);
    const [shown] = own.flatMap(({ served, onHost, here }) => served ?? onHost ?? here ?? []);
    const { dns = [], ip = [] } = shown ? describeCertificate(shown, now).sans : {};
    const names = [...dns, ...ip].filter((name) => !EVERYWHERE.includes(name)).join(' ');
    return [[host, cell('server'), cell('peer'), cell('client'), cut(names)]];
  });
  const ca = authorities.map((one) => {
    const { subject, daysLeft } = describeCertificate(one, now);
    return `CA ${subject}: ${daysLeft} days left`;
  });
  return [table(['HOST', 'SERVER DAYS LEFT', 'PEER', 'CLIENT', 'NAMES'], rows), ...ca].join('\n');
}

/** The days of one certificate: as it is served, on disk and here, each by itself where they are not the same. */
function daysText({ kind, served, onHost, here }: CertificateSight, now: Date): string {
  const places = kind === 'client' ? [onHost, here] : [served, onHost, here];
  const there = places.filter((one) => one !== undefined);
  const days = (one: X509Certificate | undefined) => (one ? String(describeCertificate(one, now).daysLeft) : NONE);
  const same = new Set(there.map(({ fingerprint256 }) => fingerprint256)).size === 1;
  return same && there.length === places.length ? days(there[0]) : places.map(days).join(' / ');
}

function cut(text: string): string {
  return text.length <= NAMES_WIDTH ? text : `${text.slice(0, NAMES_WIDTH - 1)}…`;
}
