/** A member as the cluster lists it. IDs are lower-case hexadecimal, as etcdctl prints them. */
export interface Member {
  id: string;
  /** Empty until the member has started for the first time and made itself known. */
  name: string;
  peerUrls: string[];
  clientUrls: string[];
  isLearner: boolean;
}

/** What a member says of itself. */
export interface MemberStatus {
  memberId: string;
  clusterId: string;
  leaderId: string | undefined;
  version: string;
  raftTerm: bigint;
  raftIndex: bigint;
  dbSizeBytes: number;
  errors: string[];
}
