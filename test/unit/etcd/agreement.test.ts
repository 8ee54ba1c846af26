import { describe, expect, it } from 'vitest';
import { type Answer, disagreements } from '../../../src/etcd/agreement.ts';
import type { MemberStatus } from '../../../src/etcd/cluster.ts';
import { status, Wanted } from './plan/observed.ts';

const wanted = new Wanted(3);
const answer = (host: string, rest: Partial<MemberStatus> = {}, published = wanted.hosts): Answer => ({
  host,
  status: { ...status(host), ...rest },
  members: wanted.members(published),
});
const all = (rest: Partial<Record<string, Partial<MemberStatus>>> = {}) =>
  wanted.hosts.map((host) => answer(host, rest[host]));

describe('members', () => {
  it('agree where cluster, leader and term are one and all have started', () => {
    expect(disagreements(all(), 3)).toEqual([]);
  });

  it('agree whatever their raft index is: it runs on while they are asked', () => {
    expect(disagreements(all({ h2: { raftIndex: 900n } }), 3)).toEqual([]);
  });

  it.each<[string, Answer[], string[]]>([
    ['know of no leader', all({ h2: { leaderId: undefined } }), ['h2 knows of no leader']],
    [
      'are of two clusters',
      all({ h3: { clusterId: 'c2' } }),
      ['the members differ in their cluster ID (h1 h2: c1; h3: c2)'],
    ],
    ['have two leaders', all({ h3: { leaderId: 'h3' } }), ['the members differ in their leader (h1 h2: h1; h3: h3)']],
    ['are in two terms', all({ h1: { raftTerm: 3n } }), ['the members differ in their raft term (h1: 3; h2 h3: 2)']],
    [
      'have not all started',
      wanted.hosts.map((host) => answer(host, {}, ['h1', 'h2'])),
      wanted.hosts.map((host) => `${host} sees as not yet started: https://10.0.0.13:2380`),
    ],
  ])('that %s do not agree', (_, answers, found) => {
    expect(disagreements(answers, 3)).toEqual(found);
  });

  it('that are more or fewer than expected do not agree', () => {
    expect(disagreements(all().slice(0, 1), 4)).toEqual(['h1 lists 3 members, 4 are expected']);
    expect(disagreements(all().slice(0, 1), 2)).toEqual(['h1 lists 3 members, 2 are expected']);
  });

  it('of which none was asked have nothing to disagree about', () => {
    expect(disagreements([], 3)).toEqual([]);
  });
});
