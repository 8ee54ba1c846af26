import { certificateBlocks } from '../../pki/certificate.ts';
import type { Member } from '../cluster.ts';
import { parseEnvironmentFile } from '../configuration.ts';
import { compareVersions } from '../versions.ts';
import type { Refusal } from './plan.ts';
import {
  type CreateObservation,
  configurationOf,
  hasData,
  hasEverStarted,
  memberOf,
  names,
  plural,
  type SeenHost,
  saysExisting,
  wasRemoved,
} from './seen.ts';

export function refuseTwoClusters(hosts: readonly SeenHost[]): Refusal[] {
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
export function refuseStranger(seen: SeenHost): Refusal[] {
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

const HALF_ROTATED =
  'Finish it: play rotate_certs_etcd -e ca=true. Or go back: play rotate_certs_etcd -e ca=true -e back=true';

/** A cluster whose CA we do not have cannot be joined, and a second CA must not be made for it. */
export function refuseOtherCa({ hosts, ca, certLocalDir }: CreateObservation): Refusal[] {
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
  // During a change of CA members trust both for a while: what has one in common belongs to that.
  const ours = new Set(certificateBlocks(ca));
  if (other.every((seen) => certificateBlocks(seen.facts.ca!).some((block) => ours.has(block)))) {
    return [
      {
        reason: `a change of CA is half done: ${who} ${plural(other, 'has', 'have')} not all that ${certLocalDir} has, or more`,
        next: HALF_ROTATED,
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
export function refuseAllLost(hosts: readonly SeenHost[]): Refusal[] | undefined {
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

export function refuseFormed(seen: SeenHost, list: Member[] | undefined, hosts: readonly SeenHost[]): Refusal[] {
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
    if (member && !hasEverStarted(seen, hosts) && (!facts.data.database || facts.data.isBlank)) return [];
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
    const isNewer = compareVersions(settings.version, version) > 0;
    const playbook = `play ${isNewer ? 'upgrade_etcd' : 'downgrade_etcd'} -e ETCD_VERSION=${settings.version}`;
    return [
      {
        host,
        reason: `etcd ${version} runs here, and ETCD_VERSION is ${settings.version}`,
        // An inventory that was forgotten after an upgrade is no wish to go back.
        next: isNewer
          ? `To change the version: ${playbook}`
          : `Set ETCD_VERSION=${version} in the inventory. Or, to go back to the older one: ${playbook}`,
      },
    ];
  }
  const changed = drift(seen);
  if (changed.length === 0) return [];
  if (changed.length === 1 && changed[0] === 'PLAY_TRUSTED_CA') {
    return [
      {
        host,
        reason: 'a change of CA is half done: it has not been restarted with what it is to trust',
        next: HALF_ROTATED,
      },
    ];
  }
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
export function drift(seen: SeenHost): string[] {
  const actual = configurationOf(seen) ?? new Map<string, string>();
  const wanted = parseEnvironmentFile(seen.wanted);
  const keys = new Set([...actual.keys(), ...wanted.keys()]);
  for (const key of ['ETCD_INITIAL_CLUSTER', 'ETCD_INITIAL_CLUSTER_STATE']) keys.delete(key);
  return [...keys].filter((key) => actual.get(key) !== wanted.get(key)).sort();
}

/** A forming that was begun must be finished with the members it was begun with: they stand in the first log entries. */
export function refuseForming(seen: SeenHost, hosts: readonly SeenHost[]): Refusal[] {
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

export function refuseUnlisted(hosts: readonly SeenHost[], list: readonly Member[]): Refusal[] {
  const ours = new Set(hosts.map(({ settings }) => settings.advertisePeerUrl));
  // A member of ours under another address is no stranger: that its address differs is said of its host.
  const moved = new Set(hosts.filter((seen) => hasData(seen)).map(({ settings }) => settings.name));
  return list
    .filter((member) => !member.peerUrls.some((url) => ours.has(url)) && !moved.has(member.name))
    .map((member) => ({
      reason: `the cluster has a member that the inventory does not: ${member.name || member.id} (${member.peerUrls.join(', ')})`,
      next: `Put it into the inventory, or take it out of the cluster: play delete_etcd -e member=${member.name || member.id}`,
    }));
}

export function refuseLimit(hosts: readonly SeenHost[], limited: readonly string[]): Refusal {
  const left = names(hosts).filter((host) => !limited.includes(host));
  return {
    reason: `a cluster is formed by all its hosts together, and -l leaves out ${left.join(', ')}`,
    next: 'Run without -l; a host joins later by play add_etcd.',
  };
}
