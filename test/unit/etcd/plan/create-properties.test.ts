import { describe, expect, it } from 'vitest';
import type { Member } from '../../../../src/etcd/cluster.ts';
import { parseEnvironmentFile } from '../../../../src/etcd/configuration.ts';
import { type CreatePlan, planCreate } from '../../../../src/etcd/plan/create.ts';
import type { CreateObservation, SeenHost } from '../../../../src/etcd/plan/seen.ts';
import { type Chance, chance } from '../../inventory/random.ts';
import { ACTIVATING, ACTIVE, BLANK, CA, DATA, status, Wanted, withFacts } from './observed.ts';

const clusters = [1, 2, 3, 5].map((size) => new Wanted(size));
const SEEDS = 6_000;

type Made = Exclude<CreatePlan, { kind: 'refused' }>;

/** Any state of a host, likely or not; members contradict each other now and then. */
function anyHost(wanted: Wanted, host: string, { percent, pick }: Chance): SeenHost {
  const some = () => wanted.members(wanted.hosts.filter(() => percent(50)));
  const state = pick(['none', 'new', 'existing'] as const);
  let seen = state === 'none' ? wanted.untouched(host) : wanted.prepared(host, state);
  if (state !== 'none' && percent(60)) seen = withFacts(seen, DATA);
  if (percent(5)) seen = withFacts(seen, DATA);
  if (percent(3)) seen = withFacts(seen, { data: { kind: 'etcd', walFiles: 0, database: true, entries: ['member'] } });
  if (percent(4)) seen = withFacts(seen, BLANK);
  if (percent(3)) seen = withFacts(seen, { data: { kind: 'foreign', walFiles: 0, database: false, entries: ['x'] } });
  if (percent(10)) seen = withFacts(seen, { binaryInUse: false });
  if (percent(2)) seen = withFacts(seen, { ca: 'another' });
  if (percent(2)) {
    const configuration = seen.facts.configuration?.replace(/(TOKEN)=.*/, '$1="another"');
    seen = withFacts(seen, { configuration });
  }
  if (percent(35)) seen = withFacts(seen, percent(50) ? ACTIVE : ACTIVATING);
  if (seen.facts.service.activeState !== 'inactive' && seen.facts.data.walFiles > 0) {
    if (percent(40)) seen = { ...seen, api: { status: status(host, percent(2) ? 'c2' : 'c1'), members: some() } };
    else if (percent(60)) seen = { ...seen, peers: some() };
  }
  return seen;
}

/** A run that was interrupted somewhere, members that were stopped, data that were lost: what is likely. */
function likelyHosts(wanted: Wanted, { percent, pick, below }: Chance): SeenHost[] {
  const published = wanted.hosts.slice(0, below(wanted.hosts.length + 1));
  const serves = published.length > wanted.hosts.length / 2;
  return wanted.hosts.map((host) => {
    const state = published.includes(host) && percent(60) ? 'existing' : 'new';
    if (percent(8)) return wanted.prepared(host, state);
    if (!published.includes(host)) return pick([wanted.untouched(host), wanted.prepared(host)]);
    if (percent(20)) return wanted.stopped(host, state);
    if (serves) return wanted.serving(host, published, state);
    return { ...withFacts(wanted.stopped(host, state), ACTIVATING), peers: wanted.members(published) };
  });
}

function anyObservation(seed: number): { wanted: Wanted; observation: CreateObservation } {
  const luck = chance(seed);
  const wanted = luck.pick(clusters);
  const hosts = luck.percent(50) ? wanted.hosts.map((host) => anyHost(wanted, host, luck)) : likelyHosts(wanted, luck);
  const limited = luck.percent(10) ? wanted.hosts.filter(() => luck.percent(60)) : wanted.hosts;
  return { wanted, observation: { hosts, limited, ca: luck.percent(97) ? CA : undefined, certLocalDir: '/inv/pki' } };
}

const all = Array.from({ length: SEEDS }, (_, n) => {
  const { wanted, observation } = anyObservation(n + 1);
  return { seed: n + 1, wanted, observation, plan: planCreate(observation) };
});

/** Runs a check over all generated observations; what it gives is a complaint. */
function always(check: (plan: CreatePlan, observation: CreateObservation, wanted: Wanted) => string | undefined): void {
  const complaints: string[] = [];
  for (const { seed, plan, observation, wanted } of all) {
    const complaint = check(plan, observation, wanted);
    if (complaint !== undefined) complaints.push(`seed ${seed}: ${complaint}`);
    if (complaints.length === 5) break;
  }
  expect(complaints).toEqual([]);
}

const isEmpty = (seen: SeenHost) => seen.facts.data.walFiles === 0;
const lists = (hosts: readonly SeenHost[]): Member[][] =>
  hosts.flatMap(({ api, peers }) => [...(api ? [api.members] : []), ...(peers ? [peers] : [])]);
const configurationOf = ({ facts }: SeenHost) => parseEnvironmentFile(facts.configuration ?? '');

/** What says, in whatever voice, that this host has been a started member of the cluster that is wanted. */
function evidenceOfStart(seen: SeenHost, hosts: readonly SeenHost[]): string | undefined {
  for (const list of lists(hosts)) {
    const own = list.find(({ peerUrls }) => peerUrls.includes(seen.settings.advertisePeerUrl));
    if (own && own.clientUrls.length > 0) return 'a member lists it as started';
  }
  if (lists(hosts).length > 0) return undefined;
  for (const other of hosts) {
    const conf = configurationOf(other);
    const ours = conf.get('ETCD_INITIAL_CLUSTER_TOKEN') === other.settings.clusterToken;
    const named = conf.get('ETCD_INITIAL_CLUSTER')?.includes(`${seen.settings.name}=`);
    if (conf.get('ETCD_INITIAL_CLUSTER_STATE') === 'existing' && ours && named) {
      return `nobody answers, and etcd.conf of ${other.host} knows it as a member of a cluster that had formed`;
    }
  }
  return undefined;
}

const acts = (plan: CreatePlan): plan is Made => plan.kind !== 'refused';

describe('a plan, whatever is seen', () => {
  it('is of every kind among those that are made here, each often enough to prove something', () => {
    const counts = new Map<string, number>();
    for (const { plan } of all) {
      const kind = !acts(plan) ? plan.kind : plan.wake.length > 0 ? 'wake' : `${plan.kind} ${plan.state}`;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    for (const kind of ['refused', 'wake', 'create new', 'complete new', 'complete existing', 'nothing existing']) {
      expect(counts.get(kind), kind).toBeGreaterThan(60);
    }
  });

  it('is the same when it is made again', () => {
    always((plan, observation) => {
      const again = planCreate(observation);
      return JSON.stringify(again) === JSON.stringify(plan) ? undefined : 'made again it is another';
    });
  });

  it('says the same of each host in whichever order they are looked at', () => {
    always((plan, observation) => {
      const turned = planCreate({ ...observation, hosts: [...observation.hosts].reverse() });
      if (turned.kind !== plan.kind) return `${plan.kind}, the other way round ${turned.kind}`;
      if (!acts(plan) || !acts(turned)) return undefined;
      for (const key of ['install', 'wake', 'blank', 'start', 'settle'] as const) {
        if (plan[key].toSorted().join() !== turned[key].toSorted().join()) return `${key} differs`;
      }
      return plan.state === turned.state ? undefined : 'state differs';
    });
  });

  it('that is refused has a reason and a way out, and no steps', () => {
    always((plan) => {
      if (acts(plan)) return undefined;
      if ('steps' in plan || 'start' in plan) return 'it has steps';
      if (plan.refusals.length === 0) return 'it has no reason';
      return plan.refusals.every(({ reason, next }) => reason && next) ? undefined : 'one has no way out';
    });
  });

  it('never starts a host without data of which anything says that it has been a member', () => {
    always((plan, { hosts }) => {
      if (!acts(plan)) return undefined;
      for (const seen of hosts.filter(({ host }) => [...plan.start, ...plan.wake].includes(host))) {
        const evidence = isEmpty(seen) ? evidenceOfStart(seen, hosts) : undefined;
        if (evidence) return `${seen.host} is started without data: ${evidence}`;
      }
      return undefined;
    });
  });

  it('never starts anything as new where anything says that the cluster has formed', () => {
    always((plan, { hosts }) => {
      if (!acts(plan) || plan.state === 'existing') return undefined;
      if (hosts.some(({ api }) => api)) return 'a member serves';
      if (lists(hosts).some((list) => list.some(({ clientUrls }) => clientUrls.length > 0))) return 'one has started';
      const told = hosts.find(
        (seen) => !isEmpty(seen) && configurationOf(seen).get('ETCD_INITIAL_CLUSTER_STATE') === 'existing',
      );
      return told && `${told.host} has data and says existing`;
    });
  });

  it('wakes only hosts that have data and are silent, and does nothing else before they have spoken', () => {
    always((plan, { hosts }) => {
      if (!acts(plan) || plan.wake.length === 0) return undefined;
      if (plan.install.length + plan.blank.length + plan.start.length + plan.settle.length > 0) return 'it does more';
      if (plan.steps.length !== 1) return 'it shows more';
      const wrong = hosts.find((seen) => plan.wake.includes(seen.host) && (isEmpty(seen) || seen.api || seen.peers));
      return wrong && `${wrong.host} is woken`;
    });
  });

  it('puts aside only what has no record, and starts each of these', () => {
    always((plan, { hosts }) => {
      if (!acts(plan)) return undefined;
      const wrong = hosts.find(
        ({ host, facts }) => plan.blank.includes(host) && (!facts.data.isBlank || !plan.start.includes(host)),
      );
      return wrong && `${wrong.host} is put aside`;
    });
    expect(all.filter(({ plan }) => acts(plan) && plan.blank.length > 0).length).toBeGreaterThan(20);
  });

  it('acts on no host that -l leaves out', () => {
    always((plan, { limited }) => {
      if (!acts(plan)) return undefined;
      const touched = [...plan.install, ...plan.wake, ...plan.blank, ...plan.start, ...plan.settle];
      const outside = touched.find((host) => !limited.includes(host));
      return outside && `${outside} is left out by -l`;
    });
  });

  it('is nothing if and only if it has no steps', () => {
    always((plan) => {
      if (!acts(plan)) return undefined;
      return (plan.kind === 'nothing') === (plan.steps.length === 0)
        ? undefined
        : `${plan.kind} with ${plan.steps.length} steps`;
    });
  });
});

/** What is seen once a plan was carried out: everything in its place, those that run known to each other. */
function carriedOut(wanted: Wanted, plan: Made, observation: CreateObservation): CreateObservation {
  const { hosts, limited } = observation;
  const runs = (seen: SeenHost) =>
    plan.start.includes(seen.host) || ['active', 'activating'].includes(seen.facts.service.activeState);
  const known = hosts
    .filter(
      (seen) => runs(seen) || lists(hosts).some((list) => list.some((m) => m.id === seen.host && m.clientUrls[0])),
    )
    .map(({ host }) => host);
  const after = hosts.map((seen) => {
    const done = limited.includes(seen.host) ? withFacts(wanted.prepared(seen.host, plan.state), {}) : seen;
    const settled = plan.settle.includes(seen.host) ? wanted.prepared(seen.host, 'existing') : done;
    const facts = runs(seen) ? { ...DATA, ...ACTIVE } : { data: seen.facts.data, service: seen.facts.service };
    const found = withFacts(settled, facts);
    return runs(seen) ? { ...found, api: { status: status(seen.host), members: wanted.members(known) } } : found;
  });
  return { ...observation, hosts: after, ca: CA };
}

/** Those that were woken answer at their peer address: with nobody known, or with all that were. */
function woken({ hosts, ...rest }: CreateObservation, plan: Made, members: Member[]): CreateObservation {
  return {
    ...rest,
    hosts: hosts.map((seen) =>
      plan.wake.includes(seen.host) ? { ...withFacts(seen, ACTIVATING), peers: members } : seen,
    ),
  };
}

describe('a plan that was carried out', () => {
  it('leaves nothing to do', () => {
    let carried = 0;
    always((first, seen, wanted) => {
      let plan = first;
      let observation = seen;
      if (acts(plan) && plan.wake.length > 0) {
        observation = woken(observation, plan, wanted.members([]));
        plan = planCreate(observation);
        if (acts(plan) && plan.wake.length > 0) return 'those that were woken are to be woken again';
      }
      if (!acts(plan)) return undefined;
      const after = planCreate(carriedOut(wanted, plan, observation));
      carried++;
      return after.kind === 'nothing' ? undefined : JSON.stringify(after);
    });
    expect(carried).toBeGreaterThan(SEEDS / 10);
  });

  it('refuses the empty host when those that were woken know that it had started', () => {
    let refused = 0;
    always((plan, observation, wanted) => {
      if (!acts(plan) || plan.wake.length === 0) return undefined;
      refused++;
      const { kind } = planCreate(woken(observation, plan, wanted.members(wanted.hosts)));
      return kind === 'refused' ? undefined : kind;
    });
    expect(refused).toBeGreaterThan(20);
  });
});
