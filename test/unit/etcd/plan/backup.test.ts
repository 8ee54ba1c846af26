import { describe, expect, it } from 'vitest';
import type { MemberStatus } from '../../../../src/etcd/cluster.ts';
import { type BackupCandidate, type BackupRequest, planBackup } from '../../../../src/etcd/plan/backup.ts';

const GIB = 1024 ** 3;

/** A member in a few words: `null` for one that says nothing. */
type Sketch = Partial<MemberStatus> | null;

function candidates(sketches: Record<string, Sketch>): BackupCandidate[] {
  return Object.entries(sketches).map(([host, sketch]) => ({
    host,
    silence: sketch ? '' : 'connection refused',
    status: sketch
      ? {
          clusterId: 'c',
          memberId: host,
          revision: 10n,
          version: '3.5.16',
          dbSizeBytes: GIB,
          dbInUseBytes: GIB,
          leaderId: 'h1',
          raftIndex: 20n,
          raftTerm: 2n,
          appliedIndex: 20n,
          errors: [],
          isLearner: false,
          ...sketch,
        }
      : undefined,
  }));
}

const plan = (sketches: Record<string, Sketch>, given: Partial<BackupRequest> = {}) =>
  planBackup({
    candidates: candidates(sketches),
    from: 'leader',
    folder: '/backups',
    freeBytes: 100 * GIB,
    copies: 2,
    steps: [],
    ...given,
  });

const three = { h1: {}, h2: {}, h3: {} };
/** The alarm names its member in decimal, and its ID is written in hexadecimal. */
const corrupt = (id: string) => ({ errors: [`memberID:${BigInt(`0x${id}`)} alarm:CORRUPT `] });

describe('from which member a backup is taken', () => {
  it.each<[string, Record<string, Sketch>, string, string[]]>([
    ['the leader first', { ...three, h3: { leaderId: 'h1', appliedIndex: 99n } }, 'leader', ['h1', 'h3', 'h2']],
    ['the furthest follower first', { ...three, h3: { appliedIndex: 21n } }, 'follower', ['h3', 'h2', 'h1']],
    ['the leader, where there is no follower', { h1: {} }, 'follower', ['h1']],
    ['the one that is named, and no other', three, 'h2', ['h2']],
    ['those that answer', { h1: null, h2: {}, h3: {} }, 'leader', ['h2', 'h3']],
    [
      'the furthest, where there is no quorum: by term, then by index',
      {
        h1: { leaderId: undefined, raftTerm: 2n, appliedIndex: 50n },
        h2: { leaderId: undefined, raftTerm: 3n, appliedIndex: 30n },
        h3: null,
      },
      'leader',
      ['h2', 'h1'],
    ],
    ['no learner', { ...three, h2: { isLearner: true } }, 'follower', ['h3', 'h1']],
    [
      'none with the alarm CORRUPT, whoever tells of it',
      {
        h1: { memberId: 'a1', leaderId: 'a1' },
        h2: { memberId: 'b2', leaderId: 'a1' },
        h3: { ...corrupt('a1'), leaderId: 'a1' },
      },
      'leader',
      ['h2', 'h3'],
    ],
  ])('%s', (_, sketches, from, sources) => {
    expect(plan(sketches, { from })).toMatchObject({ kind: 'backup', sources });
  });

  it('says who does not answer, and that there is no leader', () => {
    const made = plan({ h1: null, h2: { leaderId: undefined } });
    expect(made).toMatchObject({
      warnings: ['h1 does not answer: connection refused', expect.stringContaining('there is no leader')],
    });
  });
});

describe('a backup is refused', () => {
  it.each<[string, Record<string, Sketch>, Partial<BackupRequest>, string]>([
    [
      'no member answers',
      { h1: null, h2: null },
      {},
      'no member answers (h1: connection refused; h2: connection refused)',
    ],
    ['two clusters', { h1: {}, h2: { clusterId: 'd' } }, {}, 'these hosts are not of one cluster (h1: c, h2: d)'],
    ['a host that is none', three, { from: 'h9' }, 'there is no host h9 in this cluster'],
    [
      'the one that is named is down',
      { ...three, h2: null },
      { from: 'h2' },
      'no snapshot can be taken from h2: connection refused',
    ],
    ['learners only', { h1: { isLearner: true } }, {}, 'no member is fit to give a snapshot'],
    ['no room', three, { freeBytes: 2 * GIB }, '2048 MiB are free for /backups, 2198 MiB are needed'],
  ])('%s', (_, sketches, given, reason) => {
    const made = plan(sketches, given);
    expect(made.kind).toBe('refused');
    if (made.kind === 'refused') expect(made.refusals[0]!.reason).toContain(reason);
  });
});
