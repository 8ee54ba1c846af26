import { describe, expect, it } from 'vitest';
import { canBump, lossText, planRestore, type RestoreRequest } from '../../../../src/etcd/plan/restore.ts';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import { ACTIVE, CA, DATA, status, Wanted, withFacts } from './observed.ts';

const GIB = 1024 ** 3;
const wanted = new Wanted(3);
const all = wanted.hosts;
const serving = () => all.map((host) => wanted.serving(host));
const stopped = () => all.map((host) => wanted.stopped(host));
const untouched = () => all.map((host) => wanted.untouched(host));
const lost = (host: string) => ({ host, settings: wanted.untouched(host).settings, reason: 'no route to host' });
const but = (hosts: SeenHost[], host: string, change: (seen: SeenHost) => SeenHost) =>
  hosts.map((seen) => (seen.host === host ? change(seen) : seen));

/** The log lies on a disk of its own, or, with no name, on that of the data. */
const onDisks = (seen: SeenHost, freeMib: number, device = '/dev/fast') => ({
  ...withFacts(seen, {
    disks: [
      { path: '/var/lib/etcd', freeBytes: 10 * GIB, device: '/dev/data' },
      { path: '/fast/wal', freeBytes: freeMib * 1024 ** 2, device },
    ],
  }),
  settings: { ...seen.settings, walDir: '/fast/wal' },
});

const backup = {
  file: '/backups/etcd_snapshot.db',
  revision: 100n,
  keyCount: 7n,
  sizeBytes: GIB,
  takenAt: '2026-11-01T03:00:00Z',
  cluster: { name: 'etcd', id: 'c1' },
};

function plan(hosts: SeenHost[], given: Partial<RestoreRequest> = {}) {
  return planRestore({
    sight: { hosts, lost: [] },
    allHosts: all,
    limited: all,
    backup,
    version: '3.5.16',
    clusterToken: wanted.settings[0]!.clusterToken,
    revisionNow: undefined,
    complaints: [],
    ca: CA,
    certLocalDir: '/pki',
    freeBytes: new Map(all.map((host) => [host, 10 * GIB])),
    safety: true,
    ...given,
  });
}

const madeOf = (hosts: SeenHost[], given: Partial<RestoreRequest> = {}) => {
  const made = plan(hosts, given);
  if (made.kind !== 'restore') throw new Error(made.refusals.map(({ reason }) => reason).join('; '));
  return made;
};

describe('a restore', () => {
  it.each<[string, SeenHost[], Partial<RestoreRequest>, string[]]>([
    [
      'of a cluster that runs',
      serving(),
      { revisionNow: 130n },
      [
        'take a safety backup',
        'etcd 3.5.16',
        'send the snapshot (1024 MiB)',
        'stop etcd',
        'move the data aside',
        'start',
      ],
    ],
    [
      'without a safety backup',
      serving(),
      { revisionNow: 130n, safety: false },
      ['etcd 3.5.16', 'send the snapshot', 'stop etcd', 'move the data aside', 'start'],
    ],
    ['of one that is stopped', stopped(), {}, ['etcd 3.5.16', 'send the snapshot', 'move the data aside', 'start']],
    ['on new hosts', untouched(), {}, ['etcd 3.5.16', 'send the snapshot', 'put the restored', 'start']],
    [
      'where one member is left and cannot speak for the cluster: there is no leader, and no safety backup by it',
      but(stopped(), 'h1', (seen) => withFacts(seen, ACTIVE)),
      {},
      ['etcd 3.5.16', 'send the snapshot', 'stop etcd', 'move the data aside', 'start'],
    ],
  ])('%s', (_, hosts, given, steps) => {
    const made = madeOf(hosts, given);
    expect(made.steps.map(({ does }) => does)).toEqual(steps.map((words) => expect.stringContaining(words)));
  });

  it('takes the safety backup from the leader, else from one that serves', () => {
    expect(madeOf(serving()).source).toBe('h1');
    expect(madeOf(serving(), { safety: false }).source).toBeUndefined();
    expect(madeOf(stopped()).source).toBeUndefined();
  });

  it('stops only what runs, and stops nothing before all is restored beside', () => {
    const made = madeOf(but(serving(), 'h3', (seen) => wanted.stopped(seen.host)));
    const stops = made.steps.findIndex(({ does }) => does.startsWith('stop etcd'));
    expect(made.steps[stops]!.hosts).toEqual(['h1', 'h2']);
    expect(made.steps.slice(0, stops).every(({ quorum }) => quorum === 'untouched')).toBe(true);
  });

  it.each<[string, SeenHost[], Partial<RestoreRequest>, string]>([
    ['changes that are lost', serving(), { revisionNow: 130n }, 'the last 30 changes will be gone'],
    ['what is newer in the backup', serving(), { revisionNow: 60n }, 'what it holds now will be gone'],
    ['data that do not run', stopped(), {}, 'does not run, and is moved aside'],
    ['nothing to lose', untouched(), {}, 'a new cluster is made of /backups/etcd_snapshot.db'],
  ])('has the name of the cluster typed, and says what is at stake: %s', (_, hosts, given, words) => {
    const { confirm } = madeOf(hosts, given);
    expect(confirm.question).toContain(words);
    expect(confirm.question).toContain(`Type ${confirm.word} to go on`);
    expect(confirm.word).toBe(wanted.settings[0]!.clusterToken);
  });

  it.each<[string, Partial<RestoreRequest>, string[]]>([
    ['none', {}, []],
    [
      'another cluster',
      { backup: { ...backup, cluster: { name: 'b', id: 'c9' } } },
      ['the backup is of another cluster'],
    ],
    ['a file without a manifest', { backup: { ...backup, takenAt: undefined, cluster: undefined } }, []],
    ['what is lost', { revisionNow: 101n }, ['the last 1 changes']],
    ['tools that cannot raise the revision', { version: '3.4.23' }, ['etcd 3.4.23 cannot raise the revision']],
  ])('warns: %s', (_, given, words) => {
    expect(madeOf(serving(), given).warnings).toEqual(words.map((one) => expect.stringContaining(one)));
  });

  it.each([
    ['3.3.25', false],
    ['3.4.26', false],
    ['3.4.27', true],
    ['3.5.9', false],
    ['3.5.10', true],
    ['3.5.30', true],
    ['3.6.0', true],
  ])('raises the revision with etcd %s: %s', (version, can) => {
    expect(canBump(version)).toBe(can);
    expect(madeOf(serving(), { version }).bump).toBe(can);
  });

  it('says since when a snapshot is, where that is known', () => {
    expect(lossText({ ...backup, takenAt: undefined }, 100n)).toBe(
      'the snapshot is of revision 100, with 7 keys; the cluster is at revision 100: what it holds now will be gone',
    );
  });
});

describe('a restore is refused', () => {
  const listed = (host: string) => {
    const seen = wanted.serving(host);
    const stranger = { ...wanted.members([])[0]!, id: 'h9', name: 'etcd-h9', peerUrls: ['https://10.0.0.99:2380'] };
    return { ...seen, api: { ...seen.api!, members: [...seen.api!.members, stranger] } };
  };
  it.each<[string, SeenHost[], Partial<RestoreRequest>, string]>([
    ['a part of the hosts', serving(), { limited: ['h1', 'h2'] }, '-l leaves out h3'],
    [
      'a host that is lost',
      serving().slice(0, 2),
      { sight: { hosts: serving().slice(0, 2), lost: [lost('h3')] } },
      'it cannot be reached (no route to host), and might go on running with the old data',
    ],
    [
      'two clusters',
      but(serving(), 'h2', (seen) => ({ ...seen, api: { ...seen.api!, status: status('h2', 'c2') } })),
      {},
      'members of different clusters',
    ],
    ['a member that the inventory does not have', all.map(listed), {}, 'a member that the inventory does not: etcd-h9'],
    ['data of somebody else', but(untouched(), 'h2', (seen) => withFacts(seen, DATA)), {}, 'did not set up'],
    ['another CA', serving(), { ca: CA.replace('ours', 'other') }, 'trust another CA'],
    [
      'a host that is not fit',
      serving(),
      { complaints: [{ host: 'h1', reason: 'no systemd', next: '' }] },
      'no systemd',
    ],
    [
      'a log directory that is a mount point itself',
      but(serving(), 'h2', (seen) => withFacts(seen, { data: { ...DATA.data!, logIsMount: true } })),
      {},
      'its log directory /var/lib/etcd/member/wal is a mount point itself',
    ],
    [
      'no room on the disk of the log',
      serving().map((seen) => onDisks(seen, seen.host === 'h2' ? 150 : 300)),
      {},
      '150 MiB are free where its log lies, 200 MiB are needed for the restored one',
    ],
    [
      'no room for the copy',
      serving(),
      {
        freeBytes: new Map([
          ['h1', 10 * GIB],
          ['h2', 3 * GIB],
        ]),
      },
      '3072 MiB are free where its data lie, 3272 MiB are needed',
    ],
  ])('%s', (_, hosts, given, reason) => {
    const made = plan(hosts, given);
    expect(made.kind).toBe('refused');
    if (made.kind !== 'refused') return;
    expect(made.refusals.map((one) => one.reason)).toEqual([expect.stringContaining(reason)]);
    for (const { next } of made.refusals) expect(next).toBeDefined();
  });

  it('not for a log on the disk of the data', () => {
    expect(plan(serving().map((seen) => onDisks(seen, 1, '/dev/data'))).kind).toBe('restore');
  });

  it.each<[string, readonly string[], string]>([
    ['nowhere', [], 'move the data aside as .bak-<time>, put'],
    ['everywhere', all, 'move the data aside as bak-<time> within, put'],
    ['on some', ['h2', 'h3'], 'move the data aside as .bak-<time> (on h2, h3 within: bak-<time>), put'],
  ])('not for data that are a mount point, %s: it says where the old ones will lie', (_, mounts, words) => {
    const hosts = serving().map((seen) =>
      mounts.includes(seen.host) ? withFacts(seen, { data: { ...DATA.data!, isMount: true } }) : seen,
    );
    expect(
      madeOf(hosts)
        .steps.map(({ does }) => does)
        .join('\n'),
    ).toContain(words);
  });

  it('not for old data in the way: they are moved aside', () => {
    const complaints = [{ host: 'h1', reason: '/var/lib/etcd is not empty', next: '' }];
    expect(plan(stopped(), { complaints }).kind).toBe('restore');
  });
});

describe('what a backup has of the v2 API', () => {
  const v2 = { keys: 3, isServed: true, isWanted: true };
  it('is written anew at the end, after all that is undone where it fails', () => {
    const made = madeOf(untouched(), { v2 });
    expect(made.steps.at(-1)).toMatchObject({ hosts: ['h1'], does: 'write 3 keys of the v2 API anew' });
    expect(made.warnings).toEqual([]);
  });

  it.each<[string, Partial<RestoreRequest>, string[]]>([
    ['what is left out', { v2: { ...v2, isWanted: false } }, ['3 keys of the v2 API in the backup are left out']],
    ['what is there now', { v2, v2Now: ['h2'] }, ['what the v2 API of h2 holds now will be gone']],
    [
      'what nobody can tell',
      { v2Now: ['h1'], v2Untold: ['h2', 'h3'] },
      [
        'what the v2 API of h1 holds now will be gone, and nothing of it is put back',
        'the v2 API of h2, h3 gives no answer: what it may hold will be gone, and nothing of it is put back',
      ],
    ],
    [
      'what is there now, and nothing to put in its place',
      { v2Now: ['h1', 'h2'] },
      ['what the v2 API of h1, h2 holds now will be gone, and nothing of it is put back'],
    ],
  ])('says %s', (_, given, warnings) => {
    const made = madeOf(stopped(), given);
    expect(made.warnings).toEqual(warnings);
    expect(made.steps.some(({ does }) => does.includes('v2 API'))).toBe(given.v2?.isWanted === true);
  });

  it('is refused where it cannot be put back', () => {
    const made = plan(untouched(), { v2: { ...v2, isServed: false }, version: '3.4.23' });
    expect(made.kind === 'refused' && made.refusals.map(({ next }) => next)).toEqual([
      'Set ETCD_ENABLE_V2=true, or leave them out: -e v2=false.',
    ]);
  });
});
