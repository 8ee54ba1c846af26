import { isPublished, type Member, type MemberStatus } from './cluster.ts';

export interface Answer {
  host: string;
  status: MemberStatus;
  members: readonly Member[];
}

/**
 * What is still missing before the members are one cluster: the same cluster ID, one leader, one raft term, every
 * member started and none too many. Empty when they agree. Pure.
 */
export function disagreements(answers: readonly Answer[], expectedMembers: number): string[] {
  const found: string[] = [];
  const differ = (what: string, of: (answer: Answer) => string) => {
    const values = new Map<string, string[]>();
    for (const answer of answers) values.set(of(answer), [...(values.get(of(answer)) ?? []), answer.host]);
    if (values.size > 1) {
      const words = [...values].map(([value, hosts]) => `${hosts.join(' ')}: ${value}`).join('; ');
      found.push(`the members differ in their ${what} (${words})`);
    }
  };
  for (const { host, status } of answers) if (!status.leaderId) found.push(`${host} knows of no leader`);
  differ('cluster ID', ({ status }) => status.clusterId);
  if (found.length === 0) differ('leader', ({ status }) => status.leaderId ?? 'none');
  differ('raft term', ({ status }) => String(status.raftTerm));
  for (const { host, members } of answers) {
    if (members.length !== expectedMembers) {
      found.push(`${host} lists ${members.length} members, ${expectedMembers} are expected`);
    }
    const unstarted = members.filter((one) => !isPublished(one)).map((member) => member.peerUrls.join(','));
    if (unstarted.length > 0) found.push(`${host} sees as not yet started: ${unstarted.join(', ')}`);
  }
  return [...new Set(found)];
}
