import type { DowngradeRequest } from '../../../../src/etcd/plan/downgrade.ts';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import type { UpgradeRequest } from '../../../../src/etcd/plan/upgrade.ts';
import type { HostVersions, VersionSight } from '../../../../src/etcd/plan/version-sight.ts';
import { type Minor, minorOf } from '../../../../src/etcd/versions.ts';
import { ACTIVE, CA, status, Wanted, withFacts } from './observed.ts';

export const LAB = ['3.3.25', '3.4.23', '3.5.16', '3.5.30', '3.5.35', '3.6.16', '3.7.3'];

/** A host of a cluster: what it runs, and, where they differ from that, its link and what was kept. */
export interface Host {
  runs?: string | undefined;
  linked?: string;
  kept?: string;
  installed?: readonly string[];
  reachable?: boolean;
  errors?: string[];
}

export interface World {
  hosts: readonly Host[];
  leader?: string;
  /** Default: the oldest minor version that runs. */
  cluster?: Minor;
  downgrade?: string;
  storage?: string;
  auth?: boolean;
  v2?: VersionSight['v2'];
  v2Left?: Readonly<Record<string, string>>;
}

const clusters = new Map([1, 2, 3, 5].map((size) => [size, new Wanted(size)] as const));

/** All members run one release. */
export const all = (version: string, size = 3): World => ({
  hosts: Array.from({ length: size }, () => ({ runs: version })),
});

export function sightOf(world: World): { sight: UpgradeRequest['sight']; versions: VersionSight } {
  const { hosts, leader = 'h1' } = world;
  const wanted = clusters.get(hosts.length)!;
  const up = hosts.filter(({ runs, reachable = true }) => runs !== undefined && reachable);
  const hasQuorum = up.length > hosts.length / 2;
  const names = wanted.hosts;
  const seen = hosts.flatMap((host, at): SeenHost[] => {
    const name = names[at]!;
    if (host.reachable === false) return [];
    const stopped = withFacts(wanted.stopped(name), { disks: DISKS });
    if (host.runs === undefined) return [stopped];
    const own = {
      ...status(name),
      version: host.runs,
      leaderId: hasQuorum ? leader : undefined,
      errors: host.errors ?? [],
    };
    const running = { ...withFacts(stopped, ACTIVE), status: own };
    const members = wanted.members(names);
    return [hasQuorum ? { ...running, api: { status: own, members } } : { ...running, peers: members }];
  });
  const lost = hosts.flatMap(({ reachable = true }, at) =>
    reachable ? [] : [{ host: names[at]!, settings: wanted.settings[at]!, reason: 'no route' }],
  );
  const versionsOf = ({ runs, linked = runs, kept, installed = LAB }: Host): HostVersions => ({
    runs,
    linked,
    configured: linked,
    kept,
    installed,
  });
  const running = up.map(({ runs }) => runs!).sort();
  const { storage } = world;
  return {
    sight: { hosts: seen, lost },
    versions: {
      hosts: new Map(
        hosts.flatMap((host, at) => (host.reachable === false ? [] : [[names[at]!, versionsOf(host)] as const])),
      ),
      cluster: world.cluster ?? (running[0] === undefined ? undefined : minorOf(running[0])),
      storage: new Map(storage === undefined ? [] : names.map((name) => [name, storage])),
      downgrade: world.downgrade,
      auth: world.auth ?? false,
      v2: world.v2 ?? 'off',
      v2Left: new Map(Object.entries(world.v2Left ?? {})),
    },
  };
}

const DISKS = ['/var/lib/etcd', '/opt/etcd/v3.5.16'].map((path) => ({
  path,
  freeBytes: 10 ** 10,
  device: '/dev/vda1',
}));

export function upgrade(world: World, to: string, how: Partial<UpgradeRequest> = {}): UpgradeRequest {
  return {
    ...sightOf(world),
    limited: clusters.get(world.hosts.length)!.hosts,
    to,
    via: [],
    atHand: LAB,
    back: false,
    begun: false,
    backedUp: new Set(),
    settingsFaults: () => [],
    servesV2: () => false,
    drift: new Map(),
    frozen: new Map(),
    backupFreeBytes: 10 ** 10,
    ca: CA,
    certLocalDir: '/inv/pki',
    ...how,
  };
}

export function downgrade(world: World, to: string, how: Partial<DowngradeRequest> = {}): DowngradeRequest {
  return {
    ...sightOf(world),
    limited: clusters.get(world.hosts.length)!.hosts,
    to,
    back: false,
    begun: false,
    backedUp: new Set(),
    backupsOf: () => [],
    settingsFaults: () => [],
    ca: CA,
    certLocalDir: '/inv/pki',
    ...how,
  };
}
