import { logDisk, noRoom, refuseLogMount, refuseLogRoom } from './disks.ts';
import type { Refusal } from './plan.ts';
import type { RecoverRequest } from './recover.ts';
import type { Survivors } from './survivors.ts';

interface Grounds extends RecoverRequest {
  left: Survivors;
  /** Hosts that may be acted on, and are there. */
  reachable: readonly string[];
  /** The host whose data are to be the beginning; undefined: the backup. */
  first: string | undefined;
  /** An earlier run has begun with these data. */
  goesOn: boolean;
}

/** What speaks against making a new cluster of what is left. */
export function refuseRecover(request: Grounds): Refusal[] {
  const { quorumBy, goesOn, reachable, allHosts } = request;
  if (quorumBy !== undefined) return [hasQuorum(request, quorumBy)];
  const asleep = goesOn ? [] : mayComeBack(request);
  if (asleep.length > 0) return asleep;
  if (reachable.length === 0) {
    const next = 'Bring one back, or put a new host into the inventory.';
    return [{ reason: `none of the hosts can be reached (${allHosts.join(', ')})`, next }];
  }
  return [...refuseLimit(request), ...refuseFirst(request), ...refuseComplaints(request), ...refuseRoom(request)];
}

function hasQuorum({ left, sight }: Grounds, by: string): Refusal {
  const dead = left.voters.filter(({ seen }) => !seen?.api);
  const stopped = dead.filter(({ standing }) => standing === 'stopped').map(({ name }) => name);
  const replaced = dead.filter(({ standing }) => standing !== 'stopped').map(({ host, name }) => host ?? name);
  const serving = sight.hosts.filter(({ api }) => api).length;
  const next = [
    ...(stopped.length > 0 ? [`Start what is stopped: ${starting(stopped)}`] : []),
    ...(replaced.length > 0
      ? [`Replace what is dead: ${replaced.map((host) => `play replace_etcd -l ${host}`).join(', ')}`]
      : []),
  ];
  return {
    reason: `the cluster has its quorum: ${by} takes reads and writes (${serving} of ${left.voters.length} members serve)`,
    next: next.join('. ') || 'There is nothing to recover. To go back to a backup: play restore_etcd',
  };
}

function starting(hosts: readonly string[]): string {
  return `play exec ${hosts.join(',')} -i … -b -- systemctl start --no-block etcd`;
}

/** A quorum that only has to be started, or to find itself, loses nothing: no recovery is as good. */
function mayComeBack({ left, backup }: Grounds): Refusal[] {
  const { voters, quorum, possible } = left;
  if (possible < quorum) return [];
  const of = (wanted: string) => voters.filter(({ standing }) => standing === wanted).map(({ name }) => name);
  const [stopped, runs] = [of('stopped'), of('runs')];
  const back = backup?.isNamed ? ' To go back to the backup all the same: play restore_etcd' : '';
  if (stopped.length === 0) {
    return [
      {
        reason: `${runs.join(', ')} run, have their data and are enough for a quorum (${quorum} of ${voters.length}), but find no leader`,
        next: `Wait for an election; look at the network between them (peer port) and at their logs: journalctl -u etcd.${back}`,
      },
    ];
  }
  return [
    {
      reason: `${stopped.join(', ')} ${stopped.length === 1 ? 'is' : 'are'} stopped and ${stopped.length === 1 ? 'has its' : 'have their'} data: once started there is a quorum (${quorum} of ${voters.length}), and nothing is lost`,
      next: `Start what is stopped: ${starting(stopped)}. If one does not come up: run this again.${back}`,
    },
  ];
}

/** Who is left out must not go on with the old data beside the new cluster. */
function refuseLimit({ sight, limited }: Grounds): Refusal[] {
  return sight.hosts
    .filter(
      ({ host, facts }) => !limited.includes(host) && ['active', 'activating'].includes(facts.service.activeState),
    )
    .map(({ host }) => ({
      host,
      reason: 'it is left out by -l, and etcd runs there with the old data',
      next: `Stop it for good: play exec ${host} -i … -b -- systemctl disable --now etcd. Or run without -l.`,
    }));
}

function refuseFirst(request: Grounds): Refusal[] {
  const { first, from, left, backup, limited, sight, version } = request;
  if (first === undefined) {
    if (backup) return [];
    return [
      {
        reason: 'no host has data that etcd could start on, and there is no verified backup',
        next: 'Name a backup: -e snapshot=FILE (also a copied member/snap/db, with its directory lost). Without one the data are gone; for a new and empty cluster give it an ETCD_CLUSTER_TOKEN of its own.',
      },
    ];
  }
  const choice = left.choices.find(({ host }) => host === first);
  const named = from === undefined ? [] : [...sight.lost.filter(({ host }) => host === from)];
  if (!choice || named.length > 0) {
    const has = left.choices.map(({ name }) => name).join(', ') || 'none';
    return [{ reason: `no data can be taken from ${first}`, next: `Hosts with data that can be reached: ${has}.` }];
  }
  if (choice.standing === 'damaged') {
    return [{ host: first, reason: choice.data!.fault!, next: 'Choose another: -e from=HOST or -e snapshot=FILE.' }];
  }
  if (!limited.includes(first)) {
    return [
      {
        host: first,
        reason: 'its data are the best, and -l leaves it out',
        next: 'Add it to -l, or name another: -e from=HOST',
      },
    ];
  }
  const installed = /\/v(\d+\.\d+\.\d+)\/etcd$/.exec(choice.seen!.facts.binaryTarget)?.[1];
  if (installed !== undefined && installed !== version) {
    const next = `Recover with the version it has: -e ETCD_VERSION=${installed}. Another one is brought by upgrade_etcd.`;
    return [{ host: first, reason: `etcd ${installed} is installed, and ETCD_VERSION is ${version}`, next }];
  }
  return [];
}

/** What is in the way of the old member is not in the way of the new one. */
function refuseComplaints({ complaints, reachable, first, goesOn }: Grounds): Refusal[] {
  return complaints.filter(({ host, reason }) => {
    if (host !== undefined && !reachable.includes(host)) return false;
    // What an earlier run has started there is ended first.
    if (goesOn && host === first && /^port \d+ is taken/.test(reason)) return false;
    return !reason.includes('is not empty');
  });
}

function refuseRoom({ first, goesOn, data, freeBytes, reachable, backup, sight }: Grounds): Refusal[] {
  const reserve = 200 * 1024 * 1024;
  if (first !== undefined) {
    if (goesOn) return [];
    const { sizeBytes = 0, logBytes = 0 } = data.get(first) ?? {};
    const seen = sight.hosts.filter(({ host }) => host === first);
    const needed = sizeBytes + (seen.some(logDisk) ? 0 : logBytes) + reserve;
    const free = freeBytes.get(first) ?? 0;
    const short = free < needed ? [noRoom(first, 'data lie', free, needed, 'a copy of them, which is kept')] : [];
    return [...short, ...refuseLogRoom(seen, logBytes)];
  }
  if (!backup) return [];
  const seen = sight.hosts.filter(({ host }) => reachable.includes(host));
  const needed = 3 * backup.sizeBytes + reserve;
  return [
    ...refuseLogMount(seen),
    ...reachable.flatMap((host) => {
      const free = freeBytes.get(host) ?? 0;
      return free >= needed ? [] : [noRoom(host, 'data lie', free, needed, 'the snapshot and the restored copy')];
    }),
    ...refuseLogRoom(seen),
  ];
}
