/** How many members must agree before anything is written. */
export function quorumOf(members: number): number {
  return Math.floor(members / 2) + 1;
}

/** What speaks against a cluster of this size; undefined where nothing does (etcd-io/website faq, "odd number"). */
export function sizeWarning(members: number): string | undefined {
  if (members % 2 === 1 || members === 0) return undefined;
  const quorum = quorumOf(members);
  const bears = members - quorum || 'none';
  const than = `no more than ${members - 1} would`;
  return `${members} is an even number of members: with a quorum of ${quorum} they bear the loss of ${bears}, ${than}; 3 or 5 are advised`;
}
