import { isPublished, type Member, type MemberStatus } from '../cluster.ts';
import { parseEnvironmentFile } from '../configuration.ts';
import type { HostFacts } from '../observe.ts';
import type { EtcdSettings } from '../variables.ts';

/** One host of the inventory: what is wanted, what lies there, and what its member says (if it says anything). */
export interface SeenHost {
  host: string;
  settings: EtcdSettings;
  facts: HostFacts;
  /** The etcd.conf that is wanted once the cluster has formed. */
  wanted: string;
  /** The client API answered. */
  api?: { status: MemberStatus; members: Member[] } | undefined;
  /** What the member says of itself, also without a quorum. */
  status?: MemberStatus | undefined;
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

/** One that ends again and again, waiting for systemd to try it once more, does not run: it is started anew. */
export function isRunning({ facts: { service } }: SeenHost): boolean {
  return ['active', 'activating'].includes(service.activeState) && service.subState !== 'auto-restart';
}

export const names = (hosts: readonly SeenHost[]) => hosts.map(({ host }) => host);
export const hasData = ({ facts }: SeenHost) => facts.data.walFiles > 0;
export const plural = (hosts: readonly unknown[], one: string, many: string) => (hosts.length === 1 ? one : many);

export function isInstalled({ facts }: SeenHost): boolean {
  return facts.releaseSum !== '' && facts.binaryInUse;
}

export function configurationOf({ facts }: SeenHost): Map<string, string> | undefined {
  return facts.configuration === undefined ? undefined : parseEnvironmentFile(facts.configuration);
}

export function stateOf(seen: SeenHost): string | undefined {
  return configurationOf(seen)?.get('ETCD_INITIAL_CLUSTER_STATE');
}

/** Its etcd.conf knows of a formed cluster; one that speaks of another cluster, and has no data of it, tells nothing. */
export function saysExisting(seen: SeenHost): boolean {
  if (stateOf(seen) !== 'existing') return false;
  return hasData(seen) || configurationOf(seen)?.get('ETCD_INITIAL_CLUSTER_TOKEN') === seen.settings.clusterToken;
}

/** Whether any member, be it behind the others, knows of a start of this one. */
export function hasEverStarted(seen: SeenHost, hosts: readonly SeenHost[]): boolean {
  const lists = hosts.flatMap(({ api, peers }) => [api?.members ?? [], peers ?? []]);
  return lists.some((list) => {
    const member = memberOf(list, seen);
    return member !== undefined && isPublished(member);
  });
}

/** Members that serve, and so speak for the cluster, know neither its address nor its name. */
export function wasRemoved(seen: SeenHost, hosts: readonly SeenHost[]): boolean {
  const lists = hosts.flatMap(({ api }) => (api ? [api.members] : []));
  const knows = (list: Member[]) => memberOf(list, seen) ?? list.find(({ name }) => name === seen.settings.name);
  return lists.length > 0 && !lists.some(knows);
}

/** What the members say: the list of one that answers with a quorum, else the one that knows most. */
export function memberList(hosts: readonly SeenHost[]): Member[] | undefined {
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
