import type { VariableDeclaration as Declaration } from '../../variables/declaration.ts';
import {
  bytes,
  duration,
  environment,
  flag,
  hostPath,
  integer,
  localPath,
  milliseconds,
  name,
  oneOf,
  port,
  userName,
  webAddress,
} from '../../variables/kinds.ts';
import { defaultVersion, etcdSetting, spanText } from '../versions.ts';
import { address, addresses, ipAddresses, listenUrls } from './addresses.ts';
import { keyAlgorithms, logLevels, retention, selinuxModes, version } from './kinds.ts';

export const sections = [
  'Cluster',
  'Addresses and ports',
  'Directories',
  'Certificates',
  'Behaviour',
  'Surroundings',
  'Backup',
] as const;

/** All that is to be said of one variable: what is read, checked and documented comes from here. */
export interface VariableDeclaration<T = unknown> extends Declaration<T> {
  readonly name: string;
  readonly section: (typeof sections)[number];
  /** Must all hosts of a cluster agree on it (`cluster`), or may each have its own (`host`)? */
  readonly scope: 'cluster' | 'host';
  readonly example: string;
  /** The setting of etcd that it becomes, by etcd's own name, where versions differ in knowing it. */
  readonly setting?: string;
  /** What becomes of it on versions that do not know the setting; without it they refuse the variable. */
  readonly translated?: string;
}

const declare = <T>(declaration: VariableDeclaration<T>): VariableDeclaration<T> => declaration;

/** The variables by the names that `settings.ts` uses for them, in the order of the documentation. */
export const declared = {
  version: declare({
    name: 'ETCD_VERSION',
    section: 'Cluster',
    kind: version,
    scope: 'cluster',
    default: defaultVersion,
    description: 'The release of etcd that is installed.',
    example: '3.5.30',
  }),
  releaseDir: declare({
    name: 'ETCD_RELEASE_DIR',
    section: 'Cluster',
    kind: localPath,
    scope: 'cluster',
    default: '~/.cache/etcd-play/releases',
    description:
      'Where releases lie on the control machine: `v3.5.30/etcd-v3.5.30-linux-amd64.tar.gz` beside `SHA256SUMS`, or both right in this directory. What is missing is downloaded into it.',
    example: '/srv/etcd-releases',
  }),
  releaseUrl: declare({
    name: 'ETCD_RELEASE_URL',
    section: 'Cluster',
    kind: webAddress,
    scope: 'cluster',
    default: 'https://github.com/etcd-io/etcd/releases/download',
    description: 'Where releases are downloaded from: `<this>/v3.5.30/etcd-v3.5.30-linux-amd64.tar.gz`.',
    example: 'https://mirror.example.com/etcd',
  }),
  name: declare({
    name: 'ETCD_NAME',
    section: 'Cluster',
    kind: name,
    scope: 'host',
    otherwise: '`etcd-<host>`, the host as the inventory names it',
    description: 'The name of the member. Each has its own.',
    example: 'etcd-1',
  }),
  clusterToken: declare({
    name: 'ETCD_CLUSTER_TOKEN',
    aliases: ['ETCD_INITIAL_CLUSTER_TOKEN'],
    section: 'Cluster',
    kind: name,
    scope: 'cluster',
    default: 'etcd-cluster',
    description:
      'What tells a new cluster from another that once had the same members: give each cluster its own. It matters only when a cluster is formed.',
    example: 'orders-production',
  }),
  user: declare({
    name: 'ETCD_USER',
    section: 'Cluster',
    kind: userName,
    scope: 'host',
    default: 'etcd',
    description: 'The system user that etcd runs as and that owns its data.',
    example: 'etcd',
  }),

  peerPort: declare({
    name: 'ETCD_PEER_PORT',
    section: 'Addresses and ports',
    kind: port,
    scope: 'host',
    default: 2380,
    description: 'The port for traffic between members. It cannot be changed once the cluster is formed.',
    example: '2380',
  }),
  clientPort: declare({
    name: 'ETCD_CLIENT_PORT',
    section: 'Addresses and ports',
    kind: port,
    scope: 'host',
    default: 2379,
    description: 'The port for clients.',
    example: '2379',
  }),
  advertiseAddress: declare({
    name: 'ETCD_ADVERTISE_ADDRESS',
    section: 'Addresses and ports',
    kind: address,
    scope: 'host',
    otherwise: '`ansible_host`, else the host as the inventory names it',
    description:
      'The address at which other members and clients reach this one, where it is not the one that SSH takes (a second network, a public address for SSH).',
    example: '10.0.0.11',
  }),
  advertisePeerAddress: declare({
    name: 'ETCD_ADVERTISE_PEER_ADDRESS',
    section: 'Addresses and ports',
    kind: address,
    scope: 'host',
    otherwise: 'ETCD_ADVERTISE_ADDRESS',
    description: 'The same for other members only, where they have a network of their own.',
    example: '10.1.0.11',
  }),
  advertiseClientAddress: declare({
    name: 'ETCD_ADVERTISE_CLIENT_ADDRESS',
    section: 'Addresses and ports',
    kind: address,
    scope: 'host',
    otherwise: 'ETCD_ADVERTISE_ADDRESS',
    description: 'The same for clients only.',
    example: 'etcd-1.example.com',
  }),
  listenAddress: declare({
    name: 'ETCD_LISTEN_ADDRESS',
    section: 'Addresses and ports',
    kind: ipAddresses,
    scope: 'host',
    otherwise: 'the advertised address if it is an IP address, else `0.0.0.0`',
    description:
      'The addresses of the host on which etcd listens; `0.0.0.0` or `::` for all of them. 127.0.0.1 is added for clients.',
    example: '10.0.0.11,10.1.0.11',
  }),
  listenPeerAddress: declare({
    name: 'ETCD_LISTEN_PEER_ADDRESS',
    section: 'Addresses and ports',
    kind: ipAddresses,
    scope: 'host',
    otherwise: 'ETCD_LISTEN_ADDRESS',
    description: 'The same for other members only.',
    example: '10.1.0.11',
  }),
  listenClientAddress: declare({
    name: 'ETCD_LISTEN_CLIENT_ADDRESS',
    section: 'Addresses and ports',
    kind: ipAddresses,
    scope: 'host',
    otherwise: 'ETCD_LISTEN_ADDRESS',
    description: 'The same for clients only.',
    example: '0.0.0.0',
  }),
  metricsUrls: declare({
    name: 'ETCD_LISTEN_METRICS_URLS',
    section: 'Addresses and ports',
    kind: listenUrls,
    scope: 'host',
    otherwise: 'metrics at the client port only',
    description: 'Where `/metrics` and `/health` are served as well, without a client certificate if it is `http`.',
    example: 'http://127.0.0.1:2381',
  }),

  dataDir: declare({
    name: 'ETCD_DATA_DIR',
    section: 'Directories',
    kind: hostPath,
    scope: 'host',
    default: '/var/lib/etcd',
    description: 'Where the member keeps its data. Mode 0700.',
    example: '/var/lib/etcd',
  }),
  walDir: declare({
    name: 'ETCD_WAL_DIR',
    section: 'Directories',
    kind: hostPath,
    scope: 'host',
    otherwise: '`member/wal` in the data directory',
    description:
      'A place of its own for the write-ahead log, on a disk of its own best. Outside the data directory etcd gets the directory `wal` in it, since it must be able to rename its log directory.',
    example: '/var/lib/etcd/wal',
  }),

  certExpiryMs: declare({
    name: 'CERT_EXPIRY',
    section: 'Certificates',
    kind: duration('1m', '876000h'),
    scope: 'cluster',
    default: 87_600 * 3_600_000,
    otherwise: '`87600h` (ten years)',
    description: 'How long new certificates are valid.',
    example: '8760h',
  }),
  certLocalDir: declare({
    name: 'CERT_LOCAL_DIR',
    section: 'Certificates',
    kind: localPath,
    scope: 'cluster',
    otherwise: '`pki` beside the first inventory',
    description:
      'Where the CA and the certificates lie on the control machine. The key of the CA never leaves it. `~` is your home; a relative path starts at the file that sets it.',
    example: '/etc/ssl/etcd',
  }),
  certDir: declare({
    name: 'ETCD_CERT_DIR',
    aliases: ['ECTD_CERT_DIR'],
    section: 'Certificates',
    kind: hostPath,
    scope: 'host',
    default: '/etc/etcd/cert',
    description:
      'Where certificates and keys lie on the hosts. Their names begin with `etcd-`, so it may be a shared directory.',
    example: '/etc/ssl/certs',
  }),
  certNames: declare({
    name: 'ETCD_CERT_NAMES',
    section: 'Certificates',
    kind: addresses,
    scope: 'host',
    otherwise: 'none but those that a member has anyway',
    description: 'Further names and addresses for the server certificate: of a load balancer, for example.',
    example: 'etcd.example.com,10.0.0.10',
  }),
  keyAlgorithm: declare({
    name: 'CERT_KEY_ALGORITHM',
    section: 'Certificates',
    kind: oneOf(keyAlgorithms),
    scope: 'cluster',
    default: 'ecdsa-p256',
    description: 'The kind of new keys.',
    example: 'rsa-2048',
  }),

  heartbeatMs: declare({
    name: 'ETCD_HEARTBEAT_INTERVAL',
    section: 'Behaviour',
    kind: milliseconds(5, 10_000),
    scope: 'cluster',
    default: 100,
    description: 'How often the leader calls. About the longest round trip between two members.',
    example: '100',
  }),
  electionTimeoutMs: declare({
    name: 'ETCD_ELECTION_TIMEOUT',
    section: 'Behaviour',
    kind: milliseconds(10, 50_000),
    scope: 'cluster',
    default: 1000,
    description:
      'How long a member waits for the leader before it asks for an election. At least 5 times the heartbeat and 10 times the longest round trip, at most 50000.',
    example: '1000',
  }),
  snapshotCount: declare({
    name: 'ETCD_SNAPSHOT_COUNT',
    section: 'Behaviour',
    kind: integer('number of changes', 10, 100_000_000),
    scope: 'host',
    otherwise: "etcd's own: 100000, from 3.6 on 10000",
    description: 'After how many changes the log is cut by a snapshot on disk.',
    example: '50000',
  }),
  quotaBytes: declare({
    name: 'ETCD_QUOTA_BACKEND_BYTES',
    section: 'Behaviour',
    kind: bytes(1024 ** 2, 1024 ** 4),
    scope: 'cluster',
    default: 2 * 1024 ** 3,
    otherwise: '`2GiB`',
    description: 'How large the database may grow before writes are refused. More than 8 GiB is not advised.',
    example: '8GiB',
  }),
  autoCompactionMode: declare({
    name: 'ETCD_AUTO_COMPACTION_MODE',
    section: 'Behaviour',
    kind: oneOf(['periodic', 'revision']),
    scope: 'cluster',
    default: 'periodic',
    description: 'Whether ETCD_AUTO_COMPACTION_RETENTION is a time or a number of revisions.',
    example: 'periodic',
  }),
  autoCompactionRetention: declare({
    name: 'ETCD_AUTO_COMPACTION_RETENTION',
    section: 'Behaviour',
    kind: retention,
    scope: 'cluster',
    default: '0',
    description:
      'How much history is kept: a duration (a bare number is hours) or a number of revisions. `0`: all of it, until somebody compacts (Kubernetes does so itself).',
    example: '1h',
  }),
  maxRequestBytes: declare({
    name: 'ETCD_MAX_REQUEST_BYTES',
    section: 'Behaviour',
    kind: bytes(1024, 512 * 1024 ** 2),
    scope: 'cluster',
    otherwise: "etcd's own: 1.5 MiB",
    description: 'The largest request that is taken. More than 10 MiB is not advised.',
    example: '10MiB',
  }),
  logLevel: declare({
    name: 'ETCD_LOG_LEVEL',
    section: 'Behaviour',
    kind: oneOf(logLevels),
    scope: 'host',
    default: 'info',
    description: 'How much etcd says in its log.',
    example: 'warn',
    setting: 'ETCD_LOG_LEVEL',
    translated: 'ETCD_DEBUG and ETCD_LOG_PACKAGE_LEVELS',
  }),
  initialCorruptCheck: declare({
    name: 'ETCD_INITIAL_CORRUPT_CHECK',
    aliases: ['ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK'],
    section: 'Behaviour',
    kind: flag,
    scope: 'cluster',
    otherwise: '`true` from 3.5 on, `false` before',
    description: 'Whether a member compares its data with its peers before it serves, and stays down if they differ.',
    example: 'true',
    setting: 'ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK',
    translated: 'the feature gate InitialCorruptCheck',
  }),
  enableV2: declare({
    name: 'ETCD_ENABLE_V2',
    section: 'Behaviour',
    kind: flag,
    scope: 'cluster',
    otherwise: "etcd's own: `true` on 3.3, `false` from 3.4 on",
    description: 'Whether the v2 API is served.',
    example: 'true',
    setting: 'ETCD_ENABLE_V2',
  }),
  extra: declare({
    name: 'ETCD_EXTRA',
    section: 'Behaviour',
    kind: environment,
    scope: 'host',
    default: {},
    otherwise: 'nothing',
    description:
      "Further settings of etcd by its own environment names, and GOGC, GOMAXPROCS, GOMEMLIMIT, GODEBUG for Go's runtime. Those that have a variable here, or that etcd-play sets itself, are refused, and so are those that the version knows under no name; a name that is another in the version (`ETCD_EXPERIMENTAL_…`, a feature gate) is put as it is there.",
    example: 'ETCD_MAX_TXN_OPS=512,GOMAXPROCS=4',
  }),

  manageHosts: declare({
    name: 'ETCD_MANAGE_HOSTS',
    section: 'Surroundings',
    kind: flag,
    scope: 'cluster',
    default: false,
    description: 'Whether `/etc/hosts` of each host lists the hosts of the inventory, in a block of its own.',
    example: 'true',
  }),
  openFirewall: declare({
    name: 'ETCD_OPEN_FIREWALL',
    section: 'Surroundings',
    kind: flag,
    scope: 'host',
    default: false,
    description:
      'Whether the peer and client ports are opened in firewalld or ufw, where one of them is active. Nothing is closed, and no firewall is switched off.',
    example: 'true',
  }),
  selinux: declare({
    name: 'ETCD_SELINUX',
    section: 'Surroundings',
    kind: oneOf(selinuxModes),
    scope: 'host',
    default: 'refuse',
    description:
      'What is done where SELinux enforces: `refuse` says so and changes nothing; `context` gives the binaries the type that systemd may start (`bin_t`), by `semanage fcontext` where it is there, and by `chcon`; `ignore` is for hosts whose policy allows it already.',
    example: 'context',
  }),

  tmpBackupDir: declare({
    name: 'ETCD_TMP_BACKUP_DIR',
    section: 'Backup',
    kind: hostPath,
    scope: 'host',
    otherwise: 'chosen by the playbook that takes the backup',
    description: 'Where a snapshot lies on the host while it is taken.',
    example: '/var/tmp/etcd-backup',
  }),
  localBackupDir: declare({
    name: 'LOCAL_ETCD_BACKUP_DIR',
    section: 'Backup',
    kind: localPath,
    scope: 'cluster',
    otherwise: 'chosen by the playbook that takes the backup',
    description: 'Where backups lie on the control machine.',
    example: '~/etcd-backups',
  }),
} as const;

/** Every variable of an etcd cluster: the one declaration. */
export const etcdVariables: readonly VariableDeclaration[] = Object.values(declared);

/** Which versions of etcd know a variable, in words; `all` where the setting is as old as what we support. */
export function versionsText(declaration: VariableDeclaration): string {
  const span = declaration.setting === undefined ? undefined : etcdSetting(declaration.setting);
  if (!span) return 'all';
  return declaration.translated ? `${spanText(span)}; else ${declaration.translated}` : spanText(span);
}
