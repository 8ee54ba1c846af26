/** A member as the cluster lists it. IDs are lower-case hexadecimal, as etcdctl prints them. */
export interface Member {
  id: string;
  /** Empty for a member that was added and has not started yet; those a cluster is formed of have theirs from the first. */
  name: string;
  peerUrls: string[];
  /** Empty until the member has started for the first time and made itself known. */
  clientUrls: string[];
  isLearner: boolean;
}

/** What a member says of itself, alone: also where there is no quorum. */
export interface MemberStatus {
  memberId: string;
  clusterId: string;
  leaderId: string | undefined;
  version: string;
  /** The newest revision that it has applied. */
  revision: bigint;
  raftTerm: bigint;
  raftIndex: bigint;
  /** How much of the log it has applied; 0 before 3.4, which does not tell. */
  appliedIndex: bigint;
  dbSizeBytes: number;
  /** What of that holds data; 0 before 3.4. */
  dbInUseBytes: number;
  isLearner: boolean;
  errors: string[];
}

export interface Alarm {
  memberId: string;
  /** `NOSPACE` or `CORRUPT`. */
  kind: string;
}

/**
 * Whether a member has ever started and made itself known to the others. Its name does not tell: while a cluster forms
 * each member knows the names of all from its own settings (etcd server/etcdserver/api/membership, NewMember).
 */
export function isPublished({ clientUrls }: Member): boolean {
  return clientUrls.length > 0;
}
