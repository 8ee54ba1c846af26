import { describe, expect, it } from 'vitest';
import { planRecover, type RecoverPlan, type RecoverRequest } from '../../../../src/etcd/plan/recover.ts';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import type { HostData } from '../../../../src/etcd/plan/survivors.ts';
import { ACTIVE, CA, DATA, status, Wanted, withFacts } from './observed.ts';

const GIB = 1024 ** 3;
const worlds = new Map([3, 5].map((size) => [size, new Wanted(size)]));

/** How it stands with a host: its member runs, only its process is gone, its disk is lost, the host is gone for good. */
type Fate = 'U' | 'O' | 'D' | 'G';

const backup = {
  file: '/backups/etcd_r90.db',
  name: 'etcd_r90.db',
  revision: 90n,
  takenAt: '2026-11-01T03:00:00Z',
  sizeBytes: GIB,
  clusterId: 'c1',
  isNamed: false,
};

function dataOf(n: number, change: Partial<HostData> = {}): HostData {
  const committed = 100n + BigInt(n);
  return {
    memberId: `h${n}`,
    clusterId: 'c1',
    term: 4n,
    index: committed,
    committed,
    fault: undefined,
    revision: committed,
    sizeBytes: GIB,
    begun: undefined,
    restored: undefined,
    ...change,
  };
}

/** What is seen of a cluster with such hosts, and what is asked for. */
function request(fates: string, given: Partial<RecoverRequest> = {}): RecoverRequest {
  const wanted = worlds.get(fates.length)!;
  const all = wanted.hosts;
  const quorum = [...fates].filter((fate) => fate === 'U').length > fates.length / 2;
  const seen = (host: string, fate: Fate): SeenHost => {
    if (fate === 'D') return wanted.prepared(host, 'existing');
    if (fate === 'O') return wanted.stopped(host);
    if (quorum) return wanted.serving(host);
    const alone = { ...status(host), leaderId: undefined };
    return { ...withFacts(wanted.stopped(host), ACTIVE), status: alone, peers: wanted.members(all) };
  };
  const fateOf = (host: string) => fates[all.indexOf(host)] as Fate;
  const settings = (host: string) => wanted.untouched(host).settings;
  return {
    sight: {
      hosts: all.filter((host) => fateOf(host) !== 'G').map((host) => seen(host, fateOf(host))),
      lost: all
        .filter((host) => fateOf(host) === 'G')
        .map((host) => ({ host, settings: settings(host), reason: 'no route to host' })),
    },
    allHosts: all,
    limited: all,
    data: new Map(all.flatMap((host, n) => ('UO'.includes(fateOf(host)) ? [[host, dataOf(n + 1)] as const] : []))),
    quorumBy: quorum ? all.find((host) => fateOf(host) === 'U') : undefined,
    from: undefined,
    backup: undefined,
    complaints: [],
    ca: CA,
    certLocalDir: '/pki',
    freeBytes: new Map(all.map((host) => [host, 10 * GIB])),
    version: '3.5.16',
    clusterToken: 'orders',
    ...given,
  };
}

function wordOf(plan: RecoverPlan): string {
  if (plan.kind === 'rebuild') return plan.way.by;
  if (plan.kind !== 'refused') return plan.kind;
  const [{ reason = '' } = {}] = plan.refusals;
  if (reason.startsWith('the cluster has its quorum')) return 'quorum';
  if (/once started there is a quorum|find no leader/.test(reason)) return 'start';
  if (reason.startsWith('none of the hosts')) return 'nobody';
  if (reason.startsWith('no host has data')) return 'nothing';
  return reason;
}

/**
 * What becomes of a cluster, by the fates of its hosts in any order: refused since it has its quorum, or since it only has to be started;
 * recovered from the data that are left; from a backup, or not at all where there is none; nobody is there.
 */
const DISASTERS: Record<number, Record<string, string>> = {
  3: {
    quorum: 'UUU UUO UUD UUG',
    start: 'UOO UOD UOG OOO OOD OOG',
    data: 'UDD UDG UGG ODD ODG OGG',
    backup: 'DDD DDG DGG',
    nobody: 'GGG',
  },
  5: {
    quorum: 'UUUUU UUUUO UUUUD UUUUG UUUOO UUUOD UUUOG UUUDD UUUDG UUUGG',
    start:
      'UUOOO UUOOD UUOOG UUODD UUODG UUOGG UOOOO UOOOD UOOOG UOODD UOODG UOOGG OOOOO OOOOD OOOOG OOODD OOODG OOOGG',
    data: 'UUDDD UUDDG UUDGG UUGGG UODDD UODDG UODGG UOGGG UDDDD UDDDG UDDGG UDGGG UGGGG OODDD OODDG OODGG OOGGG ODDDD ODDDG ODDGG ODGGG OGGGG',
    backup: 'DDDDD DDDDG DDDGG DDGGG DGGGG',
    nobody: 'GGGGG',
  },
};

const ORDER = 'UODG';
const sorted = (fates: string) => [...fates].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b)).join('');
const allFates = (size: number): string[] =>
  size === 0 ? [''] : allFates(size - 1).flatMap((rest) => [...ORDER].map((fate) => rest + fate));

describe.each([3, 5])('every disaster of a cluster of %i', (size) => {
  const wanted = new Map(
    Object.entries(DISASTERS[size]!).flatMap(([word, kinds]) => kinds.split(' ').map((kind) => [kind, word] as const)),
  );
  const cases = allFates(size);

  it('is in the table', () => {
    expect(new Set(cases.map(sorted))).toEqual(new Set(wanted.keys()));
  });

  it('comes to what the table says, with a backup and without', () => {
    for (const fates of cases) {
      const word = wanted.get(sorted(fates))!;
      expect(wordOf(planRecover(request(fates, { backup }))), fates).toBe(word);
      expect(wordOf(planRecover(request(fates))), fates).toBe(word === 'backup' ? 'nothing' : word);
    }
  });

  it('keeps the best that is left, and puts no host to use that is not there', () => {
    for (const fates of cases) {
      const plan = planRecover(request(fates, { backup }));
      if (plan.kind !== 'rebuild') continue;
      const hosts = [...fates].flatMap((fate, n) => (fate === 'G' ? [] : [`h${n + 1}`]));
      const withData = [...fates].flatMap((fate, n) => ('UO'.includes(fate) ? [`h${n + 1}`] : []));
      if (plan.way.by === 'data') expect(plan.way.host, fates).toBe(withData.at(-1));
      expect(plan.members.toSorted(), fates).toEqual(hosts);
      const gone = [...fates].flatMap((fate, n) => (fate === 'G' ? [`h${n + 1}`] : []));
      for (const host of gone) expect(plan.warnings.join('\n'), fates).toContain(`${host} cannot be reached`);
      expect(plan.confirm.question).toContain('Type orders to go on');
    }
  });

  it('is never recovered where votes enough could be had', () => {
    for (const fates of cases) {
      const votes = [...fates].filter((fate) => 'UO'.includes(fate)).length;
      for (const given of [{}, { backup: { ...backup, isNamed: true } }, { from: 'h1' }]) {
        const plan = planRecover(request(fates, given));
        if (votes > size / 2) expect(plan.kind, fates).toBe('refused');
        if (plan.kind === 'refused') for (const { next } of plan.refusals) expect(next, fates).not.toBe('');
      }
    }
  });
});

const refusalsOf = (given: RecoverRequest) => {
  const plan = planRecover(given);
  return plan.kind === 'refused'
    ? plan.refusals.map(({ host, reason, next }) => `${host ?? ''}: ${reason} → ${next}`)
    : [];
};
/** The data of some hosts, otherwise. */
function withData(given: RecoverRequest, change: Record<string, Partial<HostData>>): RecoverRequest {
  const data = new Map([...given.data].map(([host, found]) => [host, { ...found, ...change[host] }]));
  return { ...given, data };
}
const but = (given: RecoverRequest, host: string, change: (seen: SeenHost) => SeenHost): RecoverRequest => ({
  ...given,
  sight: { ...given.sight, hosts: given.sight.hosts.map((seen) => (seen.host === host ? change(seen) : seen)) },
});
const crashing = (seen: SeenHost) =>
  withFacts(seen, {
    service: { ...seen.facts.service, activeState: 'activating', subState: 'auto-restart', restarts: 7 },
  });

it('where there is a quorum, says how each of the others comes back', () => {
  const [said] = refusalsOf(request('UUUOD'));
  expect(said).toMatch(
    /→ Start what is stopped: play exec h4 -i … -b -- systemctl start --no-block etcd\. Replace what is dead: play replace_etcd -l h5$/,
  );
  expect(refusalsOf(request('UUO'))[0]).not.toContain('replace_etcd');
  expect(refusalsOf(request('UUG'))[0]).toMatch(/→ Replace what is dead: play replace_etcd -l h3$/);
});

describe('which data are the beginning', () => {
  it.each<[string, RecoverRequest, string]>([
    ['what is committed comes first', withData(request('UUDDD'), { h1: { committed: 500n } }), 'h1'],
    [
      'then the term of the last entry, then its index',
      withData(request('UUDDD'), { h1: { committed: 50n, term: 5n }, h2: { committed: 50n, index: 99n } }),
      'h1',
    ],
    ['a member that ends again and again is the last choice', but(request('UUDDD'), 'h2', crashing), 'h1'],
    ['unless there is no other', but(request('DUDDD'), 'h2', crashing), 'h2'],
    ['damaged ones never', withData(request('UUDDD'), { h2: { fault: 'its log is damaged' } }), 'h1'],
    ['who is named', request('UUDDD', { from: 'h1' }), 'h1'],
  ])('%s', (_, given, host) => {
    expect(planRecover(given)).toMatchObject({ kind: 'rebuild', way: { by: 'data', host } });
  });

  it('a backup that is named comes before all of them', () => {
    const plan = planRecover(request('UDD', { backup: { ...backup, isNamed: true } }));
    expect(plan).toMatchObject({ kind: 'rebuild', way: { by: 'backup', file: backup.file, bump: true } });
  });

  it('counts members that end again and again as lost, and the data of another cluster as no vote', () => {
    expect(planRecover(but(request('UUD'), 'h2', crashing)).kind).toBe('refused');
    const left = but(request('UOD'), 'h2', crashing);
    expect(planRecover(left)).toMatchObject({ kind: 'rebuild', way: { host: 'h1' } });
    expect(planRecover(withData(request('UOD'), { h2: { clusterId: 'c9' } })).kind).toBe('rebuild');
  });

  it('members at other addresses are no votes: they would look for each other in vain', () => {
    const moved = request('OOO');
    const at = (host: string) => worlds.get(3)!.hosts.indexOf(host) + 51;
    const hosts = moved.sight.hosts.map((seen) => {
      const advertisePeerUrl = `https://10.9.9.${at(seen.host)}:2380`;
      return { ...seen, settings: { ...seen.settings, advertisePeerUrl } };
    });
    const plan = planRecover({ ...moved, sight: { hosts, lost: [] } });
    expect(plan).toMatchObject({ kind: 'rebuild', way: { by: 'data', host: 'h3' } });
    expect(plan.kind === 'rebuild' && plan.warnings.join()).not.toContain('cannot be reached');
  });

  it('a member that the inventory does not have is one that may come back', () => {
    const given = request('UDG');
    const plan = planRecover({ ...given, allHosts: ['h1', 'h2'], sight: { ...given.sight, lost: [] } });
    expect(plan.kind === 'rebuild' && plan.warnings[0]).toMatch(/^etcd-h3 is not in the inventory: make sure/);
  });

  it('a backup of another cluster of that name is told as such', () => {
    const plan = planRecover(request('UDD', { backup: { ...backup, clusterId: 'c7' } }));
    expect(plan.kind === 'rebuild' && plan.choices).toContain('all of cluster c1: it was taken from cluster c7');
  });

  it('says what each would lose', () => {
    const plan = planRecover(withData(request('UUDDG', { backup }), { h1: { index: 104n } }));
    const rows = plan.kind === 'rebuild' ? plan.choices.split('\n').map((row) => row.replaceAll(/ +/g, ' ')) : [];
    const lost = 'what only h3, h4, h5 had';
    expect(rows).toContain(
      `| h1 | runs | 4 | 104 | 101 | 101 | 1 entry of the log that h2 has, 3 entries not known to be committed, ${lost} |`,
    );
    expect(rows).toContain(`| h2 | runs | 4 | 102 | 102 | 102 | ${lost} |`);
    expect(rows).toContain('| h3 | no data | | | | | cannot be chosen |');
    expect(rows).toContain('| h5 | unreachable | | | | | cannot be chosen |');
    expect(rows).toContain(
      '| etcd_r90.db | backup of 2026-11-01T03:00:00Z | | | | 90 | the last 12 changes that h2 has |',
    );
  });
});

/** All logs of 512 MiB lie on a disk of their own, with so much room. */
function logApart(fates: string, gib: number, logMib: number, given: Partial<RecoverRequest> = {}): RecoverRequest {
  const made = request(fates, given);
  const [walDir, dataDir] = ['/fast/wal', '/var/lib/etcd'];
  const disks = [
    { path: dataDir, freeBytes: gib * GIB, device: '/dev/data' },
    { path: walDir, freeBytes: logMib * 1024 ** 2, device: '/dev/fast' },
  ];
  const hosts = made.sight.hosts.map((seen) => ({
    ...withFacts(seen, { disks }),
    settings: { ...seen.settings, walDir },
  }));
  const data = new Map([...made.data].map(([host, one]) => [host, { ...one, logBytes: GIB / 2 }]));
  return { ...made, data, sight: { ...made.sight, hosts } };
}

describe('a recovery goes on', () => {
  it('where the log has room enough on its disk, and the data on theirs', () => {
    const ways = [logApart('UDD', 10, 700), logApart('DDD', 10, 300, { backup })].map(planRecover);
    expect(ways.map((plan) => plan.kind === 'rebuild' && plan.way.by)).toEqual(['data', 'backup']);
  });

  it('where data are a mount point, and says where the old ones will lie', () => {
    const plan = planRecover(
      but(request('DDD', { backup }), 'h2', (seen) =>
        withFacts(seen, { data: { ...DATA.data!, walFiles: 0, kind: 'none', isMount: true } }),
      ),
    );
    expect(plan.kind === 'rebuild' && plan.steps.map(({ does }) => does).join()).toContain(
      'move old data aside as .bak-<time> (on h2 within: bak-<time>), put',
    );
  });
});

describe('a recovery is refused', () => {
  it.each<[string, RecoverRequest, string]>([
    ['quorum: names who is to be replaced', request('UUG'), 'play replace_etcd -l h3'],
    ['a start is enough: says how', request('UOG'), 'systemctl start --no-block etcd'],
    [
      'no leader yet',
      { ...request('UUG'), quorumBy: undefined },
      'h1, h2 run, have their data and are enough for a quorum',
    ],
    ['data of a host without any', request('UDD', { from: 'h2' }), 'no data can be taken from h2'],
    ['data of a host that is lost', request('UGG', { from: 'h2' }), 'no data can be taken from h2'],
    [
      'damaged data that are named',
      withData(request('UUDDD', { from: 'h1' }), { h1: { fault: 'its log is damaged' } }),
      'h1: its log is damaged',
    ],
    [
      'the best data are left out',
      request('UDD', { limited: ['h2', 'h3'] }),
      'h1: it is left out by -l, and etcd runs',
    ],
    ['the best data are left out, stopped', request('ODD', { limited: ['h2', 'h3'] }), 'h1: its data are the best'],
    ['no room for a copy', request('UDD', { freeBytes: new Map([['h1', GIB]]) }), 'h1: 1024 MiB are free'],
    ['no room for the backup', request('DDD', { backup, freeBytes: new Map() }), 'h1: 0 MiB are free'],
    [
      'another version',
      request('UDD', { version: '3.5.30' }),
      'h1: etcd 3.5.16 is installed, and ETCD_VERSION is 3.5.30',
    ],
    ['another CA', request('UDD', { ca: CA.replace('ours', 'other') }), 'another CA'],
    [
      'a log directory that is a mount point, by a backup',
      but(request('DDD', { backup }), 'h2', (seen) =>
        withFacts(seen, { data: { ...DATA.data!, walFiles: 0, kind: 'none', logIsMount: true } }),
      ),
      'h2: its log directory /var/lib/etcd/member/wal is a mount point itself',
    ],
    ['no room for a copy of the log', logApart('UDD', 10, 400), 'h1: 400 MiB are free where its log lies, 612 MiB are'],
    ['no room for a new log', logApart('DDD', 10, 100, { backup }), 'h3: 100 MiB are free where its log lies'],
    [
      'a host that is not fit',
      request('UDD', { complaints: [{ host: 'h2', reason: 'port 2380 is taken', next: 'Stop it' }] }),
      'h2: port 2380 is taken',
    ],
  ])('%s', (_, given, words) => {
    expect(refusalsOf(given).join('\n')).toContain(words);
  });

  it('not for old data in the way, nor for a host that is lost', () => {
    const complaints = [{ host: 'h2', reason: 'its directory is not empty', next: '' }];
    expect(planRecover(request('UDG', { complaints })).kind).toBe('rebuild');
  });
});

describe('an earlier run was cut off', () => {
  const begun = (formed: boolean) => ({ h1: { begun: { stamp: '20261121T101500Z', formed }, committed: 200n } });
  it('before the new cluster had formed: it goes on with the same data, and keeps no second copy', () => {
    const given = withData(request('OOD'), begun(false));
    const plan = planRecover(given);
    expect(plan).toMatchObject({ kind: 'rebuild', way: { by: 'data', host: 'h1', stamp: '20261121T101500Z' } });
    expect(plan.kind === 'rebuild' && plan.steps.map(({ does }) => does).join()).not.toContain('keep a copy');
    expect(
      planRecover({ ...given, complaints: [{ host: 'h1', reason: 'port 2379 is taken by another', next: '' }] }).kind,
    ).toBe('rebuild');
  });

  it('other data are named: it begins anew with these', () => {
    const given = withData(request('UUDDD', { from: 'h2' }), begun(false));
    expect(planRecover(given)).toMatchObject({ kind: 'rebuild', way: { by: 'data', host: 'h2', stamp: undefined } });
  });

  it('after it: who is missing joins', () => {
    const alone = {
      ...worlds.get(3)!.serving('h1'),
      api: { status: status('h1'), members: worlds.get(3)!.members(['h1']).slice(0, 1) },
    };
    const given = { ...but(withData(request('UOD'), begun(true)), 'h1', () => alone), quorumBy: 'h1' };
    expect(planRecover(given)).toMatchObject({ kind: 'rejoin', host: 'h1', joining: ['h2', 'h3'] });
    const finished = withData(given, { h1: { begun: undefined } });
    expect(refusalsOf(finished).join()).toContain('has its quorum');
  });

  const mark = { stamp: '20261121T101500Z', members: 3, revision: 90n, file: 'etcd_r90.db' };
  const fresh = { restored: mark, index: 3n, committed: 3n, clusterId: 'c2' };
  it.each<[string, RecoverRequest, string]>([
    ['behind the swap: all are started', withData(request('OOO'), { h1: fresh, h2: fresh, h3: fresh }), 'finish'],
    ['when some ran', withData(request('UOO'), { h1: fresh, h2: fresh, h3: fresh }), 'finish'],
    ['when they had a quorum', withData(request('UUO'), { h1: fresh, h2: fresh, h3: { restored: mark } }), 'finish'],
    [
      'when all ran, and nobody had proven it',
      withData(request('UUU'), { h1: { restored: mark }, h2: { restored: mark }, h3: { restored: mark } }),
      'finish',
    ],
    [
      'the same backup is named',
      withData(request('OOO', { backup: { ...backup, isNamed: true } }), { h1: fresh, h2: fresh, h3: fresh }),
      'finish',
    ],
    [
      'another one is named',
      withData(request('OOO', { backup: { ...backup, name: 'other.db', isNamed: true } }), {
        h1: fresh,
        h2: fresh,
        h3: fresh,
      }),
      'backup',
    ],
    ['in the middle of the swap', withData(request('OOD', { backup }), { h1: fresh, h2: fresh }), 'backup'],
    ['in the middle, with data of the old cluster', withData(request('OOD', { backup }), { h1: fresh }), 'data'],
    ['in the middle, and the backup is gone', withData(request('OOD'), { h1: fresh, h2: fresh }), 'nothing'],
    [
      'behind the swap, and a host is lost since',
      withData(request('OOG', { backup }), { h1: fresh, h2: fresh }),
      'backup',
    ],
    [
      'it serves, and a host is lost since',
      withData(request('UUG'), { h1: { restored: mark }, h2: { restored: mark } }),
      'quorum',
    ],
    [
      'long ago: its cluster has written since, and lost its quorum',
      withData(request('UDD', { backup }), { h1: { restored: mark } }),
      'data',
    ],
  ])('while a backup was restored, %s', (_, given, word) => {
    expect(wordOf(planRecover(given))).toBe(word);
  });

  it('and its cluster has lost its quorum since: a new copy is kept', () => {
    const given = withData(request('UDD'), begun(true));
    expect(planRecover(given)).toMatchObject({ kind: 'rebuild', way: { by: 'data', host: 'h1', stamp: undefined } });
  });
});
