import { isPublished, type Member, type MemberStatus } from '../cluster.ts';
import { parseEnvironmentFile } from '../configuration.ts';
import type { HostFacts } from '../observe.ts';
import { quorumOf } from '../quorum.ts';
import type { EtcdSettings } from '../variables.ts';
import { compareVersions } from '../versions.ts';
import type { PlanStep, Refusal } from './plan.ts';

/** One host of the inventory: what is wanted, what lies there, and what its member says (if it says anything). */
export interface SeenHost {
  host: string;
  settings: EtcdSettings;
  facts: HostFacts;
  /** The etcd.conf that is wanted once the cluster has formed. */
  wanted: string;
  /** The client API answered. */
  api?: { status: MemberStatus; members: Member[] } | undefined;
  /** The peer address answered: the member's own list, also without a quorum. */
  peers?: Member[] | undefined;
}

export interface CreateObservation {
  /** All hosts of the cluster, also those that the limit leaves out. */
  hosts: readonly SeenHost[];
  /** The hosts that may be acted on. */
  limited: readonly string[];
  /** The CA certificates on the control machine; undefined where there is none yet. */
  ca: string | undefined;
  certLocalDir: string;
}

export type CreatePlan =
  | {
      kind: 'refused';
      refusals: Refusal[];
      /** Hosts of a formed cluster whose etcd.conf is not the wanted one: check mode shows the difference. */
      drifted: string[];
    }
  | {
      kind: 'create' | 'complete' | 'nothing';
      /** Whether the cluster had formed when it was looked at. */
      formed: boolean;
      clusterId: string | undefined;
      /** ETCD_INITIAL_CLUSTER_STATE to write before anything is started. */
      state: 'new' | 'existing';
      install: string[];
      /**
       * Members with data that are silent while another host has none: they are started first and asked whether the
       * cluster had formed. While this is not empty the plan ends here, and is made anew afterwards.
       */
      wake: string[];
      start: string[];
      /** Hosts whose configuration still says `new` although the cluster has formed, or will have. */
      settle: string[];
      steps: PlanStep[];
    };

/**
 * What `create_etcd` has to do, from what is really there; the same for a first run, a run after an interruption and a
 * run on a finished cluster. It never takes an empty directory for a new member once the cluster has formed.
 * Pure. Sources of the rules: etcd-io/website op-guide/clustering and runtime-configuration.
 */
export function planCreate(observation: CreateObservation): CreatePlan {
  const { hosts, limited } = observation;
  const formed = hosts.some((seen) => seen.api || seen.peers?.some(isPublished) || saysExisting(seen));
  const list = memberList(hosts);
  const refusals = [
    ...refuseTwoClusters(hosts),
    ...hosts.flatMap((seen) => refuseStranger(seen)),
    ...refuseOtherCa(observation),
    ...(formed
      ? (refuseAllLost(hosts) ?? hosts.flatMap((seen) => refuseFormed(seen, list, hosts)))
      : hosts.flatMap((s) => refuseForming(s, hosts))),
    ...(formed && list ? refuseUnlisted(hosts, list) : []),
    ...(!formed && limited.length < hosts.length ? [refuseLimit(hosts, limited)] : []),
  ];
  const acted = hosts.filter((seen) => limited.includes(seen.host));
  if (refusals.length > 0) {
    const drifted = formed ? names(acted.filter((seen) => hasData(seen) && drift(seen).length > 0)) : [];
    return { kind: 'refused', refusals, drifted };
  }

  const install = names(acted.filter((seen) => !isInstalled(seen)));
  const start = names(acted.filter((seen) => !isRunning(seen)));
  // A forming writes `new` everywhere, also where an older etcd.conf without data said something else.
  const settle = names(acted.filter((seen) => !formed || stateOf(seen) !== 'existing'));
  const begun = hosts.some(hasData);
  const silent = hosts.filter((seen) => hasData(seen) && !seen.api && !seen.peers);
  const wake = !formed && hosts.some((seen) => !hasData(seen)) ? names(silent) : [];
  const kind =
    formed && start.length + settle.length + install.length === 0 ? 'nothing' : begun ? 'complete' : 'create';
  const state = formed ? 'existing' : 'new';
  const clusterId = hosts.find((seen) => seen.api)?.api?.status.clusterId;
  if (wake.length > 0) {
    return { kind, formed, clusterId, state, install: [], wake, start: [], settle: [], steps: [wakeStep(wake)] };
  }
  const due = { install, start, settle };
  return { kind, formed, clusterId, state, wake, ...due, steps: steps(hosts, { formed, ...due }) };
}

/** One that ends again and again, waiting for systemd to try it once more, does not run: it is started anew. */
function isRunning({ facts: { service } }: SeenHost): boolean {
  return ['active', 'activating'].includes(service.activeState) && service.subState !== 'auto-restart';
}

const names = (hosts: readonly SeenHost[]) => hosts.map(({ host }) => host);
const hasData = ({ facts }: SeenHost) => facts.data.walFiles > 0;
const plural = (hosts: readonly unknown[], one: string, many: string) => (hosts.length === 1 ? one : many);

/** The versioned directory that the release is unpacked to. */
export function releaseDirectory({ installDir, version }: EtcdSettings): string {
  return `${installDir}/v${version}`;
}

function isInstalled({ facts }: SeenHost): boolean {
  return facts.releaseSum !== '' && facts.binaryInUse;
}

function configurationOf({ facts }: SeenHost): Map<string, string> | undefined {
  return facts.configuration === undefined ? undefined : parseEnvironmentFile(facts.configuration);
}

function stateOf(seen: SeenHost): string | undefined {
  return configurationOf(seen)?.get('ETCD_INITIAL_CLUSTER_STATE');
}

/** Its etcd.conf knows of a formed cluster; one that speaks of another cluster, and has no data of it, tells nothing. */
function saysExisting(seen: SeenHost): boolean {
  if (stateOf(seen) !== 'existing') return false;
  return hasData(seen) || configurationOf(seen)?.get('ETCD_INITIAL_CLUSTER_TOKEN') === seen.settings.clusterToken;
}

/** Whether any member, be it behind the others, knows of a start of this one. */
function hasEverStarted(seen: SeenHost, hosts: readonly SeenHost[]): boolean {
  const lists = hosts.flatMap(({ api, peers }) => [api?.members ?? [], peers ?? []]);
  return lists.some((list) => {
    const member = memberOf(list, seen);
    return member !== undefined && isPublished(member);
  });
}

/** Members that serve, and so speak for the cluster, know neither its address nor its name. */
function wasRemoved(seen: SeenHost, hosts: readonly SeenHost[]): boolean {
  const lists = hosts.flatMap(({ api }) => (api ? [api.members] : []));
  const knows = (list: Member[]) => memberOf(list, seen) ?? list.find(({ name }) => name === seen.settings.name);
  return lists.length > 0 && !lists.some(knows);
}

/** What the members say: the list of one that answers with a quorum, else the one that knows most. */
function memberList(hosts: readonly SeenHost[]): Member[] | undefined {
  const answered = hosts.find((seen) => seen.api)?.api?.members;
  if (answered) return answered;
  const published = (members: Member[]) => members.filter(isPublished).length;
  return hosts
    .flatMap((seen) => (seen.peers ? [seen.peers] : []))
    .reduce<Member[] | undefined>((best, one) => (!best || published(one) > published(best) ? one : best), undefined);
}

/** Members are told apart by their exact peer address, never by a part of it. */
export function memberOf(list: readonly Member[], { settings }: SeenHost): Member | undefined {
  return list.find((member) => member.peerUrls.includes(settings.advertisePeerUrl));
}

function refuseTwoClusters(hosts: readonly SeenHost[]): Refusal[] {
  const byCluster = new Map<string, string[]>();
  for (const { host, api } of hosts) {
    if (api) byCluster.set(api.status.clusterId, [...(byCluster.get(api.status.clusterId) ?? []), host]);
  }
  if (byCluster.size < 2) return [];
  const groups = [...byCluster].map(([id, members]) => `${members.join(', ')} in cluster ${id}`).join('; ');
  return [
    { reason: `these hosts are members of different clusters: ${groups}`, next: 'Put each cluster in its own group.' },
  ];
}

/** Others keep their settings in the same place too: the CA file has a name of our own. */
function isOurs(configuration: Map<string, string> | undefined): boolean {
  return configuration?.get('ETCD_TRUSTED_CA_FILE')?.endsWith('/etcd-ca.pem') ?? false;
}

/** Data or a service that etcd-play did not put there are never touched. */
function refuseStranger(seen: SeenHost): Refusal[] {
  const { host, facts, settings } = seen;
  const configuration = configurationOf(seen);
  const { service } = facts;
  const runs = service.activeState === 'active' || service.activeState === 'activating';
  if (!isOurs(configuration) && (hasData(seen) || facts.data.kind === 'etcd')) {
    return [
      {
        host,
        reason: `${settings.dataDir} holds data of an etcd that etcd-play did not set up`,
        next: 'Nothing was touched. Move it aside if it is not needed, or choose another ETCD_DATA_DIR.',
      },
    ];
  }
  if (runs && !isOurs(configuration)) {
    return [
      {
        host,
        reason: `an etcd.service that etcd-play did not set up runs here (${service.fragment})`,
        next: 'Nothing was touched. Stop and disable it if it is not needed, then run again.',
      },
    ];
  }
  if (runs && configuration?.get('ETCD_DATA_DIR') !== settings.dataDir) {
    const where = configuration?.get('ETCD_DATA_DIR') ?? 'a place unknown';
    return [
      {
        host,
        reason: `an etcd.service runs here already, with its data in ${where}`,
        next: 'Nothing was touched. Stop and disable it if it is not needed, or set ETCD_DATA_DIR to its own.',
      },
    ];
  }
  const token = configuration?.get('ETCD_INITIAL_CLUSTER_TOKEN');
  if (hasData(seen) && token !== settings.clusterToken) {
    return [
      {
        host,
        reason: `this host is a member of another cluster (token ${token ?? 'unknown'}, not ${settings.clusterToken})`,
        next: 'Take it out of that cluster first, or correct ETCD_CLUSTER_TOKEN.',
      },
    ];
  }
  return [];
}

/** A cluster whose CA we do not have cannot be joined, and a second CA must not be made for it. */
function refuseOtherCa({ hosts, ca, certLocalDir }: CreateObservation): Refusal[] {
  const begun = hosts.filter((seen) => hasData(seen) && seen.facts.ca !== undefined);
  const other = begun.filter((seen) => ca === undefined || seen.facts.ca!.trim() !== ca.trim());
  if (other.length === 0) return [];
  const who = names(other).join(', ');
  if (ca === undefined) {
    return [
      {
        reason: `${who} ${plural(other, 'has', 'have')} certificates already, but ${certLocalDir} on this machine holds no CA`,
        next: 'Copy CERT_LOCAL_DIR from the machine that made the cluster: a second CA would not be trusted there.',
      },
    ];
  }
  return [
    {
      reason: `${who} ${plural(other, 'trusts', 'trust')} another CA than the one in ${certLocalDir}`,
      next: 'Use the CERT_LOCAL_DIR the cluster was made with; to change the CA: play rotate_certs_etcd -e ca=true',
    },
  ];
}

/** Where a cluster had formed and no host has data any more there is nothing left to repair. */
function refuseAllLost(hosts: readonly SeenHost[]): Refusal[] | undefined {
  if (hosts.some((seen) => hasData(seen) || seen.api || seen.peers || movedFrom(seen))) return undefined;
  const who = names(hosts.filter(saysExisting)).join(', ');
  return [
    {
      reason: `a cluster had formed here (etcd.conf of ${who} says so), and no host has data any more`,
      next: 'Bring its data back: play restore_etcd. For a new and empty cluster give it an ETCD_CLUSTER_TOKEN of its own.',
    },
  ];
}

/** The directory that its etcd.conf names, where another is wanted now in which there is nothing. */
function movedFrom(seen: SeenHost): { name: string; from: string; to: string } | undefined {
  const configuration = configurationOf(seen);
  if (!configuration || hasData(seen) || !saysExisting(seen)) return undefined;
  const wanted = parseEnvironmentFile(seen.wanted);
  const name = ['ETCD_DATA_DIR', 'ETCD_WAL_DIR'].find((key) => configuration.get(key) !== wanted.get(key));
  if (name === undefined) return undefined;
  const shown = (place: string | undefined) => place ?? 'the data directory';
  return { name, from: shown(configuration.get(name)), to: shown(wanted.get(name)) };
}

function refuseFormed(seen: SeenHost, list: Member[] | undefined, hosts: readonly SeenHost[]): Refusal[] {
  const { host, settings, facts } = seen;
  if (!hasData(seen)) {
    const moved = movedFrom(seen);
    if (moved) {
      return [
        {
          host,
          reason: `${moved.name} is ${moved.from} in its etcd.conf, ${moved.to} is wanted now, and there is no data`,
          next: `Set ${moved.name} back: a member's data is not moved by create_etcd.`,
        },
      ];
    }
    const member = list ? memberOf(list, seen) : undefined;
    const listed = list
      ? member !== undefined
      : hosts.some((other) => saysExisting(other) && listedNames(other).has(settings.name));
    if (!listed) {
      return [
        {
          host,
          reason: 'the cluster has formed already and this host is not one of its members',
          next: `Let it join: play add_etcd -l ${host}`,
        },
      ];
    }
    // Listed but never started: the forming was interrupted before it came to this host. It may go on.
    if (member && !hasEverStarted(seen, hosts) && !facts.data.database) return [];
    const what = facts.data.database ? 'has lost its write-ahead log' : 'has lost its data';
    return [
      {
        host,
        reason: `the cluster lists this host as a member, but it ${what} (${settings.walDir ?? settings.dataDir} is empty)`,
        next: `Started like this it would harm the cluster. Replace it: play replace_etcd -l ${host}`,
      },
    ];
  }
  if (wasRemoved(seen, hosts)) {
    return [
      {
        host,
        reason: 'the cluster does not list this host, which has the data of a member of it',
        next: `It was removed, and such data must not be used again. Move ${settings.dataDir} aside, then: play add_etcd -l ${host}`,
      },
    ];
  }
  const version = seen.api?.status.version ?? versionOf(facts.binaryTarget);
  if (version !== undefined && version !== settings.version) {
    const playbook = compareVersions(settings.version, version) > 0 ? 'upgrade_etcd' : 'downgrade_etcd';
    return [
      {
        host,
        reason: `etcd ${version} runs here, and ETCD_VERSION is ${settings.version}`,
        next: `To change the version: play ${playbook} -e ETCD_VERSION=${settings.version}`,
      },
    ];
  }
  const changed = drift(seen);
  if (changed.length === 0) return [];
  return [
    {
      host,
      reason: `etcd.conf differs from what is wanted in ${changed.join(', ')}`,
      next: 'A running cluster is changed one member at a time: play reload_etcd (see the difference with -C -D)',
    },
  ];
}

function versionOf(binaryTarget: string): string | undefined {
  return /\/v(\d+\.\d+\.\d+)\/etcd$/.exec(binaryTarget)?.[1];
}

/** The names that a host's own configuration lists as members. */
function listedNames(seen: SeenHost): Set<string> {
  const text = configurationOf(seen)?.get('ETCD_INITIAL_CLUSTER') ?? '';
  return new Set(text.split(',').map((pair) => pair.split('=')[0]!.trim()));
}

/** Keys whose values differ. What only matters for a member's first start is left out. */
function drift(seen: SeenHost): string[] {
  const actual = configurationOf(seen) ?? new Map<string, string>();
  const wanted = parseEnvironmentFile(seen.wanted);
  const keys = new Set([...actual.keys(), ...wanted.keys()]);
  for (const key of ['ETCD_INITIAL_CLUSTER', 'ETCD_INITIAL_CLUSTER_STATE']) keys.delete(key);
  return [...keys].filter((key) => actual.get(key) !== wanted.get(key)).sort();
}

/** A forming that was begun must be finished with the members it was begun with: they stand in the first log entries. */
function refuseForming(seen: SeenHost, hosts: readonly SeenHost[]): Refusal[] {
  const begun = configurationOf(seen)?.get('ETCD_INITIAL_CLUSTER');
  if (!hasData(seen) || begun === undefined) return [];
  const wanted = parseEnvironmentFile(seen.wanted).get('ETCD_INITIAL_CLUSTER') ?? '';
  const sorted = (text: string) => text.split(',').sort().join(',');
  if (sorted(begun) === sorted(wanted)) return [];
  return [
    {
      host: seen.host,
      reason: `a cluster of ${begun.split(',').length} was begun here (${begun}), and ${hosts.length} are wanted now`,
      next: 'Finish it with the hosts it was begun with, then add or delete members.',
    },
  ];
}

function refuseUnlisted(hosts: readonly SeenHost[], list: readonly Member[]): Refusal[] {
  const ours = new Set(hosts.map(({ settings }) => settings.advertisePeerUrl));
  // A member of ours under another address is no stranger: that its address differs is said of its host.
  const moved = new Set(hosts.filter((seen) => hasData(seen)).map(({ settings }) => settings.name));
  return list
    .filter((member) => !member.peerUrls.some((url) => ours.has(url)) && !moved.has(member.name))
    .map((member) => ({
      reason: `the cluster has a member that the inventory does not: ${member.name || member.id} (${member.peerUrls.join(', ')})`,
      next: `Put it into the inventory, or take it out of the cluster: play delete_etcd -l ${member.name || member.id}`,
    }));
}

function refuseLimit(hosts: readonly SeenHost[], limited: readonly string[]): Refusal {
  const left = names(hosts).filter((host) => !limited.includes(host));
  return {
    reason: `a cluster is formed by all its hosts together, and -l leaves out ${left.join(', ')}`,
    next: 'Run without -l; a host joins later by play add_etcd.',
  };
}

function wakeStep(hosts: string[]): PlanStep {
  const does = 'start these, which have data, and ask them whether the cluster had formed; then plan anew';
  return { hosts, does, quorum: 'none', undo: 'stop them' };
}

function steps(
  hosts: readonly SeenHost[],
  { formed, install, start, settle }: { formed: boolean; install: string[]; start: string[]; settle: string[] },
): PlanStep[] {
  const version = hosts[0]?.settings.version;
  const quorum = quorumOf(hosts.length);
  const all: PlanStep[] = [];
  if (install.length > 0) {
    const undo = 'remove the versioned directory';
    all.push({ hosts: install, does: `install etcd ${version}`, quorum: 'none', undo });
  }
  if (!formed) {
    all.push({
      hosts: names(hosts),
      does: 'user, directories, certificates, etcd.conf (new), etcd.service',
      quorum: 'none',
      undo: 'remove the files',
    });
  }
  if (start.length > 0 && !formed) {
    const effect = `forms: ${quorum} of ${hosts.length}`;
    const undo = 'no: from here on it is a cluster with data';
    all.push({
      hosts: start,
      does: 'start together, wait for one leader, write and read through each',
      quorum: effect,
      undo,
    });
  } else if (start.length > 0) {
    all.push({ hosts: start, does: 'start the stopped members', quorum: `+${start.length}`, undo: 'stop them' });
  }
  if (settle.length > 0) {
    all.push({ hosts: settle, does: 'etcd.conf says existing', quorum: 'none', undo: 'not needed' });
  }
  return all;
}
