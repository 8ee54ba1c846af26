import { describe, expect, it } from 'vitest';
import { planCreate } from '../../../../src/etcd/plan/create.ts';
import type { CreateObservation, SeenHost } from '../../../../src/etcd/plan/seen.ts';
import { ACTIVATING, ACTIVE, CA, DATA, status, Wanted, withFacts } from './observed.ts';

const wanted = new Wanted(3);
const HOSTS = ['h1', 'h2', 'h3'];

/** What is refused, as `host: reason → next`, of a plan for all hosts and with the right CA unless it is said. */
function refusals(hosts: SeenHost[], rest: Partial<CreateObservation> = {}): string[] {
  const plan = planCreate({ hosts, limited: hosts.map(({ host }) => host), ca: CA, certLocalDir: '/inv/pki', ...rest });
  return plan.kind === 'refused'
    ? plan.refusals.map(({ host, reason, next }) => `${host ?? 'all'}: ${reason} → ${next}`)
    : [];
}

const serving = () => HOSTS.map((host) => wanted.serving(host));
const stopped = () => HOSTS.map((host) => wanted.stopped(host));
const conf = (seen: SeenHost, from: string | RegExp, to: string): SeenHost =>
  withFacts(seen, { configuration: seen.facts.configuration!.replace(from, to) });

describe('hosts of two clusters', () => {
  it('are never taken for one: each is named with its cluster', () => {
    const [h1, h2, h3] = serving() as [SeenHost, SeenHost, SeenHost];
    const other = { ...h3, api: { ...h3.api!, status: status('h3', 'c2') } };
    expect(refusals([h1, h2, other])).toEqual([
      'all: these hosts are members of different clusters: h1, h2 in cluster c1; h3 in cluster c2 → Put each cluster in its own group.',
    ]);
  });

  it('are told by the token that their etcd.conf has', () => {
    const [h1, h2, h3] = stopped() as [SeenHost, SeenHost, SeenHost];
    const found = refusals([h1, h2, conf(h3, /(TOKEN)=.*/, '$1="another"')]);
    expect(found[0]).toContain('h3: this host is a member of another cluster (token another, not etcd-cluster)');
  });
});

describe('a CA that is not the one of the cluster', () => {
  it('which is not on this machine is never made anew', () => {
    expect(refusals(stopped(), { ca: undefined })).toEqual([
      'all: h1, h2, h3 have certificates already, but /inv/pki on this machine holds no CA → Copy CERT_LOCAL_DIR from the machine that made the cluster: a second CA would not be trusted there.',
    ]);
  });

  it('is named with the hosts that trust another', () => {
    const [h1, h2, h3] = serving() as [SeenHost, SeenHost, SeenHost];
    expect(refusals([h1, withFacts(h2, { ca: 'another' }), h3])).toEqual([
      'all: h2 trusts another CA than the one in /inv/pki → Use the CERT_LOCAL_DIR the cluster was made with; to change the CA: play rotate_certs_etcd -e ca=true',
    ]);
  });

  it('does no harm where no member has started: its certificates are written over', () => {
    const left = HOSTS.map((host) => withFacts(wanted.prepared(host), { ca: 'of an earlier try' }));
    expect(refusals(left)).toEqual([]);
    expect(refusals(left, { ca: undefined })).toEqual([]);
  });

  it('is the same whatever blanks stand at its end', () => {
    expect(refusals(serving(), { ca: `${CA}\n\n` })).toEqual([]);
  });
});

describe('a host that is more, or less, than the cluster has', () => {
  const four = new Wanted(4);
  const three = HOSTS.map((host) => wanted.serving(host));

  it('is sent to add_etcd where it has nothing and the cluster does not list it', () => {
    const found = refusals([...three, four.untouched('h4')]);
    expect(found).toEqual([
      'h4: the cluster has formed already and this host is not one of its members → Let it join: play add_etcd -l h4',
    ]);
  });

  it('is sent to add_etcd also where all members are stopped', () => {
    expect(refusals([...stopped(), four.untouched('h4')])).toEqual([
      'h4: the cluster has formed already and this host is not one of its members → Let it join: play add_etcd -l h4',
    ]);
  });

  it('is not told from a member by the beginning of its address', () => {
    const near = four.untouched('h4');
    const settings = { ...near.settings, advertisePeerUrl: 'https://10.0.0.1:2380', name: 'etcd-h' };
    expect(refusals([...three, { ...near, settings }])[0]).toContain('is not one of its members');
  });

  it('is missing from the inventory: the member is named, and both ways out', () => {
    const missing = four.members(['h1', 'h2', 'h3', 'h4']);
    const found = refusals(three.map((seen) => ({ ...seen, api: { ...seen.api!, members: missing } })));
    expect(found).toEqual([
      'all: the cluster has a member that the inventory does not: etcd-h4 (https://10.0.0.14:2380) → Put it into the inventory, or take it out of the cluster: play delete_etcd -e member=etcd-h4',
    ]);
  });

  it('was taken out of the cluster, and its data are still there', () => {
    const two = wanted.members(HOSTS).filter((member) => member.id !== 'h3');
    const [h1, h2] = three.map((seen) => ({ ...seen, api: { ...seen.api!, members: two } }));
    const h3 = wanted.stopped('h3');
    expect(refusals([h1!, h2!, h3])).toEqual([
      'h3: the cluster does not list this host, which has the data of a member of it → It was removed, and such data must not be used again. Move /var/lib/etcd aside, then: play add_etcd -l h3',
    ]);
  });

  it('makes a forming that was begun another one: it must be finished as it was begun', () => {
    const begun = [...HOSTS.map((host) => wanted.stopped(host, 'new')), four.untouched('h4')];
    const asked = begun.map((seen) => ({ ...seen, wanted: four.configuration(seen.host, 'existing') }));
    expect(refusals(asked).map((text) => text.slice(0, 35))).toEqual(
      HOSTS.map((host) => `${host}: a cluster of 3 was begun here (`),
    );
    expect(refusals(asked)[0]).toContain('and 4 are wanted now → Finish it with the hosts it was begun with');
  });

  it('is left out by -l while the cluster forms: it is formed by all, or not at all', () => {
    const none = HOSTS.map((host) => wanted.untouched(host));
    expect(refusals(none, { limited: ['h1'] })).toEqual([
      'all: a cluster is formed by all its hosts together, and -l leaves out h2, h3 → Run without -l; a host joins later by play add_etcd.',
    ]);
  });

  it('may be left out by -l once the cluster has formed', () => {
    const [h1, h2] = serving() as [SeenHost, SeenHost];
    const hosts = [h1, h2, wanted.stopped('h3')];
    const plan = planCreate({ hosts, limited: ['h1'], ca: CA, certLocalDir: '/inv/pki' });
    expect(plan).toMatchObject({ kind: 'nothing', start: [] });
  });
});

describe('data that are not where they should be', () => {
  const replace = 'Started like this it would harm the cluster. Replace it: play replace_etcd -l h2';
  const [h1, , h3] = serving() as [SeenHost, SeenHost, SeenHost];

  it('are lost with the directory: the member is to be replaced', () => {
    expect(refusals([h1, wanted.prepared('h2', 'existing'), h3])).toEqual([
      `h2: the cluster lists this host as a member, but it has lost its data (/var/lib/etcd is empty) → ${replace}`,
    ]);
  });

  it('are lost in part, the log without the database: the member is to be replaced', () => {
    const part = withFacts(wanted.prepared('h2', 'existing'), {
      data: { kind: 'etcd', walFiles: 0, database: true, entries: ['member'] },
    });
    expect(refusals([h1, part, h3])[0]).toContain('has lost its write-ahead log');
  });

  it('are half there on a member that never made itself known: that is not taken for an empty directory', () => {
    const half = withFacts(wanted.prepared('h2'), {
      data: { kind: 'etcd', walFiles: 0, database: true, entries: ['member'] },
    });
    const two = [wanted.serving('h1', ['h1', 'h3']), half, wanted.serving('h3', ['h1', 'h3'])];
    expect(refusals(two)[0]).toContain('has lost its write-ahead log');
  });

  // A member that was just started again may still lack the last entries of the log, and name fewer than have started.
  it('are lost although the first member that answers does not know yet that this one has ever started', () => {
    const behind = wanted.serving('h1', ['h1', 'h3']);
    expect(refusals([behind, wanted.prepared('h2'), h3])[0]).toContain('has lost its data');
  });

  it.each([
    ['ETCD_DATA_DIR', '/var/lib/etcd', { ETCD_DATA_DIR: '/data/etcd' }],
    ['ETCD_WAL_DIR', 'the data directory', { ETCD_WAL_DIR: '/fast' }],
  ])('stand where %s pointed before: that is said, and not that they are lost', (name, from, vars) => {
    const moved = new Wanted(3, vars);
    const hosts = HOSTS.map((host) => ({ ...moved.untouched(host), facts: wanted.prepared(host, 'existing').facts }));
    const found = refusals(hosts);
    expect(found).toHaveLength(3);
    expect(found[0]).toContain(`h1: ${name} is ${from} in its etcd.conf, `);
    expect(found[0]).toContain(`Set ${name} back`);
  });

  it('are gone from all hosts: nothing is left that could be repaired, and an empty cluster is not made unasked', () => {
    expect(refusals(HOSTS.map((host) => wanted.prepared(host, 'existing')))).toEqual([
      'all: a cluster had formed here (etcd.conf of h1, h2, h3 says so), and no host has data any more → Bring its data back: play restore_etcd. For a new and empty cluster give it an ETCD_CLUSTER_TOKEN of its own.',
    ]);
  });

  it('are gone from all hosts, and a new token says that a new cluster is wanted: it is made', () => {
    const anew = new Wanted(3, { ETCD_CLUSTER_TOKEN: 'second' });
    const hosts = HOSTS.map((host) => ({ ...anew.untouched(host), facts: wanted.prepared(host, 'existing').facts }));
    const plan = planCreate({ hosts, limited: HOSTS, ca: CA, certLocalDir: '/inv/pki' });
    expect(plan).toMatchObject({ kind: 'create', state: 'new', start: HOSTS, settle: HOSTS });
  });

  it('of another etcd run by an etcd.service with our own etcd.conf: their place is named', () => {
    const elsewhere = conf(withFacts(wanted.prepared('h2'), ACTIVE), /(ETCD_DATA_DIR)=.*/, '$1="/srv/etcd"');
    expect(refusals([wanted.untouched('h1'), elsewhere, wanted.untouched('h3')])[0]).toContain(
      'h2: an etcd.service runs here already, with its data in /srv/etcd',
    );
  });
});

describe('several things that are wrong', () => {
  it('are all said at once, each with its host', () => {
    const hosts = [
      conf(wanted.serving('h1'), /(HEARTBEAT_INTERVAL)=.*/, '$1="300"'),
      wanted.prepared('h2', 'existing'),
      withFacts(wanted.untouched('h3'), { ...DATA, ...ACTIVATING }),
    ];
    const who = refusals(hosts).map((text) => text.split(':')[0]);
    expect(who).toEqual(['h3', 'h1', 'h2', 'h3']);
  });

  it('name the hosts whose etcd.conf can be shown beside the wanted one', () => {
    const hosts = [conf(wanted.serving('h1'), /(HEARTBEAT_INTERVAL)=.*/, '$1="300"'), ...serving().slice(1)];
    const plan = planCreate({ hosts, limited: HOSTS, ca: CA, certLocalDir: '/inv/pki' });
    expect(plan).toMatchObject({ kind: 'refused', drifted: ['h1'] });
    const left = planCreate({ hosts, limited: ['h2'], ca: CA, certLocalDir: '/inv/pki' });
    expect(left).toMatchObject({ kind: 'refused', drifted: [] });
  });
});
