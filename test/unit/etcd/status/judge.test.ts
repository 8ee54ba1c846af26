import { describe, expect, it } from 'vitest';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import { notWell } from '../../../../src/etcd/status/error.ts';
import { judgeStatus } from '../../../../src/etcd/status/judge.ts';
import type { StatusSight } from '../../../../src/etcd/status/sight.ts';
import { withFacts } from '../plan/observed.ts';
import { all, certificate, issued, lost, member, NOW, sightOf, telling, wanted } from './sight.ts';

const kinds = (sight: StatusSight) =>
  judgeStatus(sight).map(({ kind, severity, host }) => `${severity} ${kind}${host === undefined ? '' : ` ${host}`}`);

/** All as it should be, but for one host. */
const with1 = (change: (seen: SeenHost) => SeenHost) =>
  sightOf(all().map((seen) => (seen.host === 'h2' ? change(seen) : seen)));

const edited = (from: string | RegExp, to: string) => (seen: SeenHost) =>
  withFacts(seen, { configuration: seen.facts.configuration!.replace(from, to) });
const running = (name: string, value: string) => (seen: SeenHost) => {
  const environment = new Map(seen.facts.running!.environment).set(name, value);
  return withFacts(seen, { running: { ...seen.facts.running!, environment } });
};
const stopped = (host: string) => wanted.stopped(host);
const unlistedMember = {
  id: 'x',
  name: 'etcd-x',
  peerUrls: ['https://10.0.0.99:2380'],
  clientUrls: ['u'],
  isLearner: false,
};
const listing = (
  change: (members: NonNullable<SeenHost['api']>['members']) => NonNullable<SeenHost['api']>['members'],
) => all().map((seen) => ({ ...seen, api: { ...seen.api!, members: change(seen.api!.members) } }));
const down = (hosts: SeenHost[], ...names: string[]) =>
  hosts.map((seen) => (names.includes(seen.host) ? stopped(seen.host) : seen));

/** It answers for itself, and lists the members only at its peer address. */
const leaderless = (seen: SeenHost): SeenHost => ({
  ...seen,
  api: undefined,
  status: { ...seen.api!.status, leaderId: undefined },
  peers: seen.api!.members,
});

describe('what is not well with a cluster', () => {
  const cases: [string, () => StatusSight, string[]][] = [
    ['nothing', () => sightOf(all()), []],
    ['a member is stopped', () => sightOf(down(all(), 'h2')), ['critical down h2']],
    [
      'a member has lost its data',
      () =>
        with1((seen) =>
          withFacts(stopped(seen.host), { data: { kind: 'none', walFiles: 0, database: false, entries: [] } }),
        ),
      ['critical data-lost h2'],
    ],
    ['a host cannot be reached', () => sightOf(all().slice(0, 2), { lost: [lost('h3')] }), ['critical unreachable h3']],
    [
      'the quorum is lost',
      () => sightOf(down(all(), 'h2', 'h3').map((seen) => (seen.host === 'h1' ? leaderless(seen) : seen))),
      ['critical no-quorum', 'critical down h1', 'critical down h2', 'critical down h3'],
    ],
    ['no member answers', () => sightOf(wanted.hosts.map(stopped)), ['critical no-member']],
    [
      'no host can be reached',
      () => sightOf([], { lost: wanted.hosts.map(lost) }),
      ['critical no-member', 'critical unreachable h1', 'critical unreachable h2', 'critical unreachable h3'],
    ],
    [
      'a host cannot be looked at',
      () =>
        sightOf(all().slice(0, 2), {
          lost: [lost('h3')],
          unseen: new Map([['h3', { message: 'no rights', next: 'Say -K.' }]]),
        }),
      ['critical not-seen h3'],
    ],
    ['an alarm', () => sightOf(all(), { alarms: [{ memberId: 'h2', kind: 'NOSPACE' }] }), ['critical alarm h2']],
    [
      'two clusters',
      () => sightOf(all().map((seen) => (seen.host === 'h3' ? telling(seen, { clusterId: 'c2' }) : seen))),
      ['critical clusters'],
    ],
    ['two versions', () => with1((seen) => telling(seen, { version: '3.5.30' })), ['warning versions']],
    ['another version is wanted', () => sightOf(all(), { wantedVersion: '3.5.30' }), ['warning version']],
    [
      'a member does not answer a read',
      () => {
        const sight = sightOf(all());
        const health = new Map(sight.health).set('h2', {
          endpoint: '',
          healthy: false,
          tookMs: 3000,
          error: 'etcd does not answer within 3 s',
        });
        return { ...sight, health };
      },
      ['critical unhealthy h2'],
    ],
    [
      'a member that the inventory does not have',
      () => sightOf(listing((list) => [...list, unlistedMember])),
      ['warning unlisted', 'warning list h1', 'warning list h2', 'warning list h3'],
    ],
    [
      'a host that the cluster does not have',
      () =>
        sightOf(
          listing((list) => list.filter(({ id }) => id !== 'h3')).map((seen) =>
            seen.host === 'h3' ? wanted.untouched('h3') : seen,
          ),
        ),
      ['warning list h1', 'warning list h2', 'warning no-member-here h3'],
    ],
    [
      'a member that was removed and still has its data',
      () =>
        sightOf(
          listing((list) => list.filter(({ id }) => id !== 'h3')).map((seen) =>
            seen.host === 'h3' ? stopped('h3') : seen,
          ),
        ),
      ['warning list h1', 'warning list h2', 'warning no-member-here h3'],
    ],
    [
      'a learner',
      () => sightOf(listing((list) => list.map((one) => (one.id === 'h2' ? { ...one, isLearner: true } : one)))),
      ['warning learner h2'],
    ],
    [
      'a member that was added and has not started',
      () =>
        sightOf(
          down(
            listing((list) => list.map((one) => (one.id === 'h2' ? { ...one, name: '', clientUrls: [] } : one))),
            'h2',
          ),
        ),
      ['warning unstarted h2'],
    ],
    [
      'a member far behind',
      () =>
        sightOf(
          all().map((seen) => telling(seen, seen.host === 'h2' ? {} : { raftIndex: 9000n, appliedIndex: 9000n })),
        ),
      ['warning behind h2'],
    ],
    [
      'a member that is a little behind',
      () =>
        sightOf(
          all().map((seen) => telling(seen, seen.host === 'h2' ? {} : { raftIndex: 4000n, appliedIndex: 4000n })),
        ),
      [],
    ],
    [
      'a database near its quota',
      () => with1((seen) => telling(seen, { dbSizeBytes: 0.85 * 2 * 1024 ** 3 })),
      ['warning space h2'],
    ],
    ['another raft term', () => with1((seen) => telling(seen, { raftTerm: 1n })), ['warning term h2']],
    [
      'etcd.conf is not as wanted',
      () => with1((seen) => running('ETCD_SNAPSHOT_COUNT', '5')(edited(/$/, 'ETCD_SNAPSHOT_COUNT="5"\n')(seen))),
      ['warning configuration h2'],
    ],
    ['etcd.conf lists other members', () => with1(edited(/,etcd-h3=[^"]*/, '')), ['warning list h2']],
    ['etcd.conf still says new', () => with1(edited('"existing"', '"new"')), ['warning formed h2']],
    [
      'there is no etcd.conf',
      () => with1((seen) => withFacts(seen, { configuration: undefined })),
      ['warning configuration h2'],
    ],
    ['the process has other settings', () => with1(running('ETCD_ELECTION_TIMEOUT', '5000')), ['warning process h2']],
    ['the process has read another CA', () => with1(running('PLAY_TRUSTED_CA', 'other')), ['warning process h2']],
    [
      'another binary runs',
      () =>
        with1((seen) =>
          withFacts(seen, { running: { ...seen.facts.running!, binary: '/opt/etcd/v3.5.16/etcd (deleted)' } }),
        ),
      ['warning process h2'],
    ],
    ['the host trusts another CA', () => with1((seen) => withFacts(seen, { ca: 'another' })), ['warning ca h2']],
    [
      'the service is not started at boot',
      () => with1((seen) => withFacts(seen, { service: { ...seen.facts.service, enabled: false } })),
      ['warning not-enabled h2'],
    ],
    [
      'names and addresses differ',
      () =>
        sightOf(
          listing((list) =>
            list.map((one) => (one.id === 'h2' ? { ...one, name: 'other', clientUrls: ['https://10.0.0.12:9'] } : one)),
          ),
        ),
      ['warning identity h2', 'warning identity h2', 'warning list h1', 'warning list h2', 'warning list h3'],
    ],
    [
      'clocks differ',
      () => sightOf(all(), { clocks: [{ reason: 'the clock of h2 is ahead', next: 'Set it.' }] }),
      ['warning clocks'],
    ],
  ];

  it.each(cases)('%s', (_, sight, expected) => {
    expect(kinds(sight())).toEqual(expected);
  });

  it('names host, cause and next step, and exits with 4 where a host cannot be reached', () => {
    const error = notWell(judgeStatus(sightOf(down(all().slice(0, 2), 'h2'), { lost: [lost('h3')] })));
    expect(error.exitCode).toBe(4);
    for (const one of error.errors) expect([one.host, one.next?.includes('play ')]).toEqual([one.host, true]);
    expect(notWell(judgeStatus(sightOf(down(all(), 'h2')))).exitCode).toBe(2);
  });
});

describe('what is not well with certificates', () => {
  it.each<[days: number, lifetime: number, warnDays: number | undefined, expected: string[]]>([
    [31, 3650, undefined, []],
    [29, 3650, undefined, ['warning certificate-expires h1']],
    [29, 60, undefined, []],
    [19, 60, undefined, ['warning certificate-expires h1']],
    [50, 3650, 60, ['warning certificate-expires h1']],
    [-1, 3650, undefined, ['critical certificate-expired h1']],
  ])('ends in %s days of %s, warned of %s days before', async (days, lifetime, warnDays, expected) => {
    const { ca, leaf } = await issued(days, lifetime);
    const sight = sightOf(all(), { certificates: [certificate(leaf)], authorities: [ca], warnDays });
    expect(kinds(sight).filter((kind) => kind.includes('certificate'))).toEqual(expected);
  });

  it('tells the CA that ends, and the playbook that changes it', async () => {
    const { ca } = await issued(10);
    const [problem] = judgeStatus(sightOf(all(), { authorities: [ca] }));
    expect(problem).toMatchObject({ kind: 'ca-expires', severity: 'warning' });
    expect(problem!.message).toBe('the CA ends in 10 days, on 2030-06-11');
    expect(problem!.next).toContain('rotate_certs_etcd -e ca=true');
  });

  it('tells the CA that has ended, and what is left then', async () => {
    const { ca } = await issued(-1);
    const [problem] = judgeStatus(sightOf(all(), { authorities: [ca] }));
    expect(problem).toMatchObject({ kind: 'ca-expired', severity: 'critical' });
    expect(problem!.next).toContain('-e ca=true -e outage=accept');
  });

  it('compares what is served, on disk and here, and who issued it', async () => {
    const [ours, other] = [await issued(300), await issued(300)];
    const of = (more: Parameters<typeof certificate>[1], due: [string, string][] = []) =>
      kinds(
        sightOf([member('h1'), member('h2'), member('h3')], {
          certificates: [certificate(ours.leaf, more)],
          authorities: [ours.ca],
          due: new Map(due),
          now: NOW,
        }),
      );
    expect(of({})).toEqual([]);
    expect(of({ served: undefined })).toEqual([]);
    expect(of({ served: other.leaf })).toEqual(['critical certificate-issuer h1', 'warning certificate-served h1']);
    expect(of({ here: other.leaf })).toEqual(['warning certificate-differs h1']);
    expect(of({}, [['h1 server', 'its names differ: +h9']])).toEqual(['warning certificate-due h1']);
    expect(of({}, [['h1 peer', 'its names differ: +h9']])).toEqual([]);
  });
});

it('an etcd.conf of another version is a matter for later: the version comes first', () => {
  const heartbeat = edited(/HEARTBEAT_INTERVAL="?\d+"?/, 'HEARTBEAT_INTERVAL="7"');
  const older = (seen: SeenHost): SeenHost => ({
    ...heartbeat(seen),
    status: { ...seen.api!.status, version: '3.4.23' },
    api: { ...seen.api!, status: { ...seen.api!.status, version: '3.4.23' } },
  });
  const nextOf = (sight: StatusSight) => judgeStatus(sight).find(({ kind }) => kind === 'configuration')?.next;
  expect(nextOf(with1(heartbeat))).toBe('See how: play reload_etcd -C -D. Put it right: play reload_etcd');
  expect(nextOf(with1(older))).toMatch(/^Once the version is right: See how/);
});
