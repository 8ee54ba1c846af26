/** A release of etcd: `3.5.30`. */
export interface EtcdVersion {
  readonly text: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** The minor versions that etcd-play knows, oldest first. */
export const minors = ['3.3', '3.4', '3.5', '3.6', '3.7'] as const;
export type Minor = (typeof minors)[number];

/**
 * The version that is installed unless ETCD_VERSION says another: the newest that Debian has packages of, so that the lab's
 * tests prove it on every machine. Newer ones are proven only where there is Go to build them with.
 */
export const defaultVersion = '3.5.30';

/** A release as people write it (`3.5.30`, `v3.5.30`); undefined for anything else, pre-releases among it. */
export function parseVersion(text: string): EtcdVersion | undefined {
  const [, major, minor, patch] = /^v?(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text.trim()) ?? [];
  if (major === undefined) return undefined;
  const version = { major: Number(major), minor: Number(minor), patch: Number(patch) };
  return { text: `${version.major}.${version.minor}.${version.patch}`, ...version };
}

/** Below zero if `a` is older than `b`. Both must be releases. */
export function compareVersions(a: string, b: string): number {
  const left = parseVersion(a);
  const right = parseVersion(b);
  if (!left || !right) throw new TypeError(`not versions of etcd: ${a}, ${b}`);
  return left.major - right.major || left.minor - right.minor || left.patch - right.patch;
}

/** `3.5` of `3.5.30`; undefined for a version that is none or not supported. */
export function minorOf(version: string): Minor | undefined {
  const parsed = parseVersion(version);
  return parsed && minors.find((m) => m === `${parsed.major}.${parsed.minor}`);
}

const banned: { from: string; to: string; why: string }[] = [
  {
    from: '3.5.0',
    to: '3.5.2',
    // E/Documentation/postmortems/v3.5-data-inconsistency.md
    why: 'a member of 3.5.0 to 3.5.2 that is killed under load may come back with other data than its peers',
  },
  { from: '3.3.21', to: '3.3.21', why: 'a member of 3.3.21 may crash when it is restarted' },
];

/** Why this version may not be installed, as the end of "etcd 3.5.1 …", and what to take; undefined if it may. */
export function versionProblem(text: string): { problem: string; next: string } | undefined {
  const version = parseVersion(text);
  const next = `Choose a release from ${minors[0]} to ${minors.at(-1)}, for example ${defaultVersion}.`;
  if (!version) return { problem: 'must be a release of etcd such as 3.5.30', next };
  if (!minorOf(version.text)) return { problem: `is not supported: ${minors[0]} to ${minors.at(-1)} are`, next };
  const ban = banned.find(
    (b) => compareVersions(version.text, b.from) >= 0 && compareVersions(version.text, b.to) <= 0,
  );
  return ban && { problem: `is refused: ${ban.why}`, next: `Choose a later release of ${minorOf(version.text)}.` };
}

/** True for versions that get no fixes any more (etcd maintains its last three minor versions). */
export function isEndOfLife(version: string): boolean {
  return ['3.3', '3.4'].includes(minorOf(version) ?? '');
}

/**
 * etcd's settings by their environment names, by the first and the last minor version that knows them. Read off the
 * servers themselves, 3.3.25, 3.4.23, 3.5.16, 3.5.30, 3.6.14 and 3.7.1, and held against 3.5.35, 3.6.16 and 3.7.3: a name not
 * in the table is one that they call an "unrecognized environment variable" (a mere warning, so a setting that was dropped
 * would vanish unnoticed).
 */
const known: readonly (readonly [since: Minor, until: Minor, names: string])[] = [
  [
    '3.3',
    '3.7',
    `ADVERTISE_CLIENT_URLS AUTH_TOKEN AUTH_TOKEN_TTL AUTO_COMPACTION_MODE AUTO_COMPACTION_RETENTION AUTO_TLS CERT_FILE
     CIPHER_SUITES CLIENT_CERT_AUTH CLIENT_CRL_FILE CONFIG_FILE CORS DATA_DIR DISCOVERY_FALLBACK DISCOVERY_SRV
     ELECTION_TIMEOUT ENABLE_PPROF FORCE_NEW_CLUSTER GRPC_KEEPALIVE_INTERVAL GRPC_KEEPALIVE_MIN_TIME
     GRPC_KEEPALIVE_TIMEOUT HEARTBEAT_INTERVAL INITIAL_ADVERTISE_PEER_URLS INITIAL_CLUSTER INITIAL_CLUSTER_STATE
     INITIAL_CLUSTER_TOKEN INITIAL_ELECTION_TICK_ADVANCE KEY_FILE LISTEN_CLIENT_URLS LISTEN_METRICS_URLS
     LISTEN_PEER_URLS MAX_REQUEST_BYTES MAX_SNAPSHOTS MAX_TXN_OPS MAX_WALS METRICS NAME PEER_AUTO_TLS
     PEER_CERT_ALLOWED_CN PEER_CERT_FILE PEER_CLIENT_CERT_AUTH PEER_CRL_FILE PEER_KEY_FILE PEER_TRUSTED_CA_FILE
     QUOTA_BACKEND_BYTES SNAPSHOT_COUNT STRICT_RECONFIG_CHECK TRUSTED_CA_FILE WAL_DIR`,
  ],
  [
    '3.3',
    '3.6',
    `DISCOVERY DISCOVERY_PROXY EXPERIMENTAL_CORRUPT_CHECK_TIME EXPERIMENTAL_INITIAL_CORRUPT_CHECK
     EXPERIMENTAL_PEER_SKIP_CLIENT_SAN_VERIFICATION`,
  ],
  [
    '3.3',
    '3.5',
    `ENABLE_V2 EXPERIMENTAL_ENABLE_V2V3 PROXY PROXY_DIAL_TIMEOUT PROXY_FAILURE_WAIT PROXY_READ_TIMEOUT
     PROXY_REFRESH_INTERVAL PROXY_WRITE_TIMEOUT`,
  ],
  ['3.3', '3.4', 'DEBUG LOG_OUTPUT LOG_PACKAGE_LEVELS'],
  ['3.3', '3.3', 'CA_FILE PEER_CA_FILE'],
  [
    '3.4',
    '3.7',
    `BACKEND_BATCH_INTERVAL BACKEND_BATCH_LIMIT BCRYPT_COST CLIENT_CERT_ALLOWED_HOSTNAME DISCOVERY_SRV_NAME
     ENABLE_GRPC_GATEWAY HOST_WHITELIST LOGGER LOG_LEVEL LOG_OUTPUTS MAX_CONCURRENT_STREAMS
     PEER_CERT_ALLOWED_HOSTNAME PRE_VOTE UNSAFE_NO_FSYNC`,
  ],
  [
    '3.4',
    '3.6',
    `EXPERIMENTAL_COMPACTION_BATCH_LIMIT EXPERIMENTAL_ENABLE_LEASE_CHECKPOINT
     EXPERIMENTAL_ENABLE_LEASE_CHECKPOINT_PERSIST EXPERIMENTAL_WARNING_APPLY_DURATION
     EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL`,
  ],
  ['3.4', '3.4', 'EXPERIMENTAL_BACKEND_BBOLT_FREELIST_TYPE'],
  [
    '3.5',
    '3.7',
    `BACKEND_BBOLT_FREELIST_TYPE CLIENT_CERT_FILE CLIENT_KEY_FILE ENABLE_LOG_ROTATION LISTEN_CLIENT_HTTP_URLS
     LOG_ROTATION_CONFIG_JSON PEER_CLIENT_CERT_FILE PEER_CLIENT_KEY_FILE RAFT_READ_TIMEOUT RAFT_WRITE_TIMEOUT
     SELF_SIGNED_CERT_VALIDITY SOCKET_REUSE_ADDRESS SOCKET_REUSE_PORT TLS_MAX_VERSION TLS_MIN_VERSION V2_DEPRECATION`,
  ],
  [
    '3.5',
    '3.6',
    `EXPERIMENTAL_BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES EXPERIMENTAL_COMPACTION_SLEEP_INTERVAL
     EXPERIMENTAL_COMPACT_HASH_CHECK_ENABLED EXPERIMENTAL_COMPACT_HASH_CHECK_TIME
     EXPERIMENTAL_DISTRIBUTED_TRACING_ADDRESS EXPERIMENTAL_DISTRIBUTED_TRACING_INSTANCE_ID
     EXPERIMENTAL_DISTRIBUTED_TRACING_SAMPLING_RATE EXPERIMENTAL_DISTRIBUTED_TRACING_SERVICE_NAME
     EXPERIMENTAL_DOWNGRADE_CHECK_TIME EXPERIMENTAL_ENABLE_DISTRIBUTED_TRACING EXPERIMENTAL_MEMORY_MLOCK
     EXPERIMENTAL_SNAPSHOT_CATCHUP_ENTRIES EXPERIMENTAL_STOP_GRPC_SERVICE_ON_DEFRAG
     EXPERIMENTAL_TXN_MODE_WRITE_WITH_SHARED_BUFFER`,
  ],
  ['3.6', '3.6', 'EXPERIMENTAL_WARNING_UNARY_REQUEST_DURATION'],
  [
    '3.6',
    '3.7',
    `BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES COMPACTION_BATCH_LIMIT COMPACTION_SLEEP_INTERVAL COMPACT_HASH_CHECK_TIME
     CORRUPT_CHECK_TIME DISCOVERY_CACERT DISCOVERY_CERT DISCOVERY_DIAL_TIMEOUT DISCOVERY_ENDPOINTS
     DISCOVERY_INSECURE_SKIP_TLS_VERIFY DISCOVERY_INSECURE_TRANSPORT DISCOVERY_KEEPALIVE_TIME
     DISCOVERY_KEEPALIVE_TIMEOUT DISCOVERY_KEY DISCOVERY_PASSWORD DISCOVERY_REQUEST_TIMEOUT DISCOVERY_TOKEN
     DISCOVERY_USER DISTRIBUTED_TRACING_ADDRESS DISTRIBUTED_TRACING_INSTANCE_ID DISTRIBUTED_TRACING_SAMPLING_RATE
     DISTRIBUTED_TRACING_SERVICE_NAME DOWNGRADE_CHECK_TIME ENABLE_DISTRIBUTED_TRACING FEATURE_GATES LOG_FORMAT
     MAX_LEARNERS MEMORY_MLOCK PEER_SKIP_CLIENT_SAN_VERIFICATION SNAPSHOT_CATCHUP_ENTRIES WARNING_APPLY_DURATION
     WARNING_UNARY_REQUEST_DURATION WATCH_PROGRESS_NOTIFY_INTERVAL`,
  ],
];

let spans: Map<string, { since: Minor; until: Minor }> | undefined;

/** From which minor version to which etcd itself knows an environment name such as `ETCD_LOG_LEVEL`. */
export function etcdSetting(name: string): { since: Minor; until: Minor } | undefined {
  spans ??= new Map(
    known.flatMap(([since, until, names]) =>
      names.split(/\s+/).map((short) => [`ETCD_${short}`, { since, until }] as const),
    ),
  );
  return spans.get(name);
}

/** True if a server of this version takes the environment name for a setting. */
export function knowsSetting(version: string, name: string): boolean {
  const span = etcdSetting(name);
  const at = minors.indexOf(minorOf(version) ?? ('' as Minor));
  return span !== undefined && at >= minors.indexOf(span.since) && at <= minors.indexOf(span.until);
}

/** `3.4 and later`, `up to 3.5`, `3.5 to 3.6`, `all`: for messages and for the documentation. */
export function spanText(span: { since: Minor; until: Minor }): string {
  const first = span.since === minors[0];
  const last = span.until === minors.at(-1);
  if (first && last) return 'all';
  if (last) return `${span.since} and later`;
  if (first) return `up to ${span.until}`;
  return span.since === span.until ? span.since : `${span.since} to ${span.until}`;
}
