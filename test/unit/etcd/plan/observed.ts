import type { Member } from '../../../../src/etcd/cluster.ts';
import { renderConfiguration } from '../../../../src/etcd/configuration.ts';
import type { HostFacts } from '../../../../src/etcd/observe.ts';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import { type EtcdSettings, readClusterSettings } from '../../../../src/etcd/variables.ts';
import { given } from '../given.ts';

export const CA = '-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n';

/** A cluster as an inventory asks for it: what is wanted on each host, and what may be seen there. */
export class Wanted {
  readonly settings: readonly EtcdSettings[];
  readonly hosts: readonly string[];
  readonly #initialCluster: { name: string; peerUrl: string }[];
  /** Rendering is slow where it is done thousands of times. */
  readonly #rendered = new Map<string, string>();

  constructor(size: number, vars: Record<string, unknown> = {}) {
    this.hosts = Array.from({ length: size }, (_, n) => `h${n + 1}`);
    const own = (n: number) => given({ ansible_host: `10.0.0.${11 + n}`, ETCD_VERSION: '3.5.16', ...vars });
    this.settings = [
      ...readClusterSettings(
        this.hosts.map((host, n) => ({ host, vars: own(n) })),
        '/inv',
      ).values(),
    ];
    this.#initialCluster = this.settings.map(({ name, advertisePeerUrl }) => ({ name, peerUrl: advertisePeerUrl }));
  }

  configuration(host: string, state: 'new' | 'existing'): string {
    const key = `${host} ${state}`;
    const settings = this.settings[this.hosts.indexOf(host)]!;
    const made =
      this.#rendered.get(key) ?? renderConfiguration({ settings, state, initialCluster: this.#initialCluster });
    this.#rendered.set(key, made);
    return made;
  }

  /** The list of all members, of whom these have made themselves known. */
  members(published: readonly string[]): Member[] {
    return this.settings.map(({ host, name, advertisePeerUrl, advertiseClientUrls }) => ({
      id: host,
      name,
      peerUrls: [advertisePeerUrl],
      clientUrls: published.includes(host) ? advertiseClientUrls : [],
      isLearner: false,
    }));
  }

  /** A host on which nothing has been done. */
  untouched(host: string): SeenHost {
    return {
      host,
      settings: this.settings[this.hosts.indexOf(host)]!,
      facts: UNTOUCHED,
      wanted: this.configuration(host, 'existing'),
    };
  }

  /** A host where all is in place and nothing was started. */
  prepared(host: string, state: 'new' | 'existing' = 'new'): SeenHost {
    return withFacts(this.untouched(host), {
      configuration: this.configuration(host, state),
      ca: CA,
      releaseSum: 'sum',
      binaryTarget: '/opt/etcd/v3.5.16/etcd',
      binaryInUse: true,
    });
  }

  /** A member that has started once and is stopped now. */
  stopped(host: string, state: 'new' | 'existing' = 'existing'): SeenHost {
    return withFacts(this.prepared(host, state), DATA);
  }

  /** A member that serves, in a cluster in which these have made themselves known. */
  serving(host: string, published: readonly string[] = this.hosts, state: 'new' | 'existing' = 'existing'): SeenHost {
    const running = withFacts(this.stopped(host, state), ACTIVE);
    return { ...running, api: { status: status(host), members: this.members(published) } };
  }
}

export const status = (host: string, clusterId = 'c1') => ({
  memberId: host,
  clusterId,
  leaderId: 'h1',
  version: '3.5.16',
  revision: 100n,
  raftTerm: 2n,
  raftIndex: 9n,
  appliedIndex: 9n,
  dbSizeBytes: 0,
  dbInUseBytes: 0,
  isLearner: false,
  errors: [],
});

export const withFacts = (seen: SeenHost, facts: Partial<HostFacts>): SeenHost => ({
  ...seen,
  facts: { ...seen.facts, ...facts },
});

const service = { activeState: 'inactive', subState: 'dead', result: 'success', restarts: 0, fragment: '' };
export const ACTIVE: Partial<HostFacts> = { service: { ...service, activeState: 'active', subState: 'running' } };
export const ACTIVATING: Partial<HostFacts> = { service: { ...service, activeState: 'activating', subState: 'start' } };
export const DATA: Partial<HostFacts> = { data: { kind: 'etcd', walFiles: 1, database: true, entries: ['member'] } };

/** etcd was ended between making its log and the first record in it. */
export const BLANK: Partial<HostFacts> = {
  data: { kind: 'etcd', walFiles: 0, isBlank: true, database: true, entries: ['member'] },
};

export const UNTOUCHED: HostFacts = {
  uid: 0,
  init: 'systemd',
  machine: 'x86_64',
  os: 'Debian GNU/Linux 12 (bookworm)',
  hostName: 'h',
  machineId: 'm',
  clockSeconds: 0,
  localAddresses: [],
  listeners: [],
  service,
  configuration: undefined,
  ca: undefined,
  data: { kind: 'none', walFiles: 0, database: false, entries: [] },
  releaseSum: '',
  binaryTarget: '',
  binaryInUse: false,
  strayBinaries: [],
  disks: [],
};
