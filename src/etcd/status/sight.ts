import type { X509Certificate } from 'node:crypto';
import type { PlayError } from '../../errors.ts';
import type { Alarm } from '../cluster.ts';
import type { Refusal } from '../plan/plan.ts';
import type { ClusterState, MemberSight } from '../plan/sight.ts';
import type { EndpointHealth } from '../tables.ts';
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
