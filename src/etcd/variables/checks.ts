import { InputError } from '../../errors.ts';
import { goDurationMs, hasControlCharacter } from '../../variables/kinds.ts';
import { placeOf } from '../../variables/read-value.ts';
import { valueProblem } from '../setting-changes.ts';
import { etcdSetting, isEndOfLife, knowsSetting, minorOf, spanText } from '../versions.ts';
import { isLoopback } from './addresses.ts';
import type { VariableDeclaration } from './declarations.ts';
import type { Places } from './reading.ts';
import type { EtcdSettings } from './settings.ts';
import { ownedBy } from './unknown.ts';

type Key = keyof Places;
/** The first of the keys that the inventory sets says where the fault is. */
export type Complain = (message: string, keys: readonly Key[], next?: string) => void;
type Warn = (message: string, keys: readonly Key[]) => void;

/** What the values of one host must be to each other. */
export function checkSettings(s: EtcdSettings, complain: Complain, warn: Warn): void {
  checkTimes(s, complain, warn);
  checkPorts(s, complain);
  checkDirectories(s, complain, warn);
  checkCompaction(s, complain);
  checkExtra(s, complain, warn);
  if (s.quotaBytes > 8 * 1024 ** 3)
    warn('ETCD_QUOTA_BACKEND_BYTES is above 8 GiB, the most that etcd advises', ['quotaBytes']);
  if ((s.maxRequestBytes ?? 0) > 10 * 1024 ** 2) {
    warn('ETCD_MAX_REQUEST_BYTES is above 10 MiB, the most that etcd advises', ['maxRequestBytes']);
  }
  if (isEndOfLife(s.version)) warn(`etcd ${minorOf(s.version)} gets no fixes any more`, ['version']);
}

/** E/server/embed/config.go, Validate: election ≥ 5 × heartbeat, ≤ 50 s. W/tuning.md: 10 × is advised. */
function checkTimes(s: EtcdSettings, complain: Complain, warn: Warn): void {
  const { heartbeatMs, electionTimeoutMs } = s;
  if (electionTimeoutMs < 5 * heartbeatMs) {
    complain(
      `ETCD_ELECTION_TIMEOUT (${electionTimeoutMs} ms) must be at least 5 times ETCD_HEARTBEAT_INTERVAL (${heartbeatMs} ms)`,
      ['electionTimeoutMs', 'heartbeatMs'],
      `Set ETCD_ELECTION_TIMEOUT to ${Math.min(10 * heartbeatMs, 50_000)}.`,
    );
  } else if (electionTimeoutMs < 10 * heartbeatMs) {
    warn(
      `ETCD_ELECTION_TIMEOUT (${electionTimeoutMs} ms) is less than 10 times ETCD_HEARTBEAT_INTERVAL (${heartbeatMs} ms): elections for small delays`,
      ['electionTimeoutMs', 'heartbeatMs'],
    );
  }
}

function checkPorts(s: EtcdSettings, complain: Complain): void {
  if (s.peerPort === s.clientPort) {
    complain(
      `ETCD_PEER_PORT and ETCD_CLIENT_PORT are both ${s.peerPort}`,
      ['clientPort', 'peerPort'],
      'Give each a port of its own.',
    );
  }
  for (const url of s.metricsUrls ?? []) {
    const port = Number(new URL(url).port || (url.startsWith('https') ? 443 : 80));
    if (port !== s.peerPort && port !== s.clientPort) continue;
    complain(`ETCD_LISTEN_METRICS_URLS takes port ${port}, which peers or clients have`, ['metricsUrls']);
  }
}

/** Directories that hold other things too: etcd's would be made private to etcd's user. */
const systemDirs = new Set(
  `/bin /boot /dev /etc /etc/etcd /etc/ssl /home /lib /lib64 /media /mnt /opt /opt/etcd /proc /root /run /sbin /srv /sys /tmp
   /usr /usr/bin /usr/lib /usr/local /usr/local/bin /var /var/cache /var/lib /var/log /var/tmp`.split(/\s+/),
);

function checkDirectories(s: EtcdSettings, complain: Complain, warn: Warn): void {
  const askedWal = s.ownedDirs[1] ?? s.walDir;
  for (const [key, label, path] of [
    ['dataDir', 'ETCD_DATA_DIR', s.dataDir],
    ['walDir', 'ETCD_WAL_DIR', askedWal],
    ['certDir', 'ETCD_CERT_DIR', s.certDir],
  ] as const) {
    if (path === undefined) continue;
    const shared = key === 'certDir' && /^\/etc\/(etcd|ssl)$/.test(path);
    if ((systemDirs.has(path) && !shared) || /^\/(proc|sys|dev)\//.test(path)) {
      complain(
        `${label} must not be ${path}, a directory of the system`,
        [key],
        'Choose a directory of its own in it.',
      );
      return;
    } else if (/^\/(tmp|run|var\/run)\//.test(path)) {
      warn(`${label} ${path} does not outlive a restart of the host on most systems`, [key]);
    }
  }
  if (within(s.certDir, s.dataDir)) {
    complain('ETCD_CERT_DIR must not be in ETCD_DATA_DIR, which is moved as a whole', ['certDir', 'dataDir']);
  }
  if (askedWal === undefined) return;
  if (within(s.dataDir, askedWal)) {
    complain('ETCD_WAL_DIR must not be ETCD_DATA_DIR or a directory above it', ['walDir'], `Use ${s.dataDir}/wal.`);
  } else if (within(askedWal, `${s.dataDir}/member`)) {
    complain(
      `ETCD_WAL_DIR must not be in ${s.dataDir}/member, which is etcd's own`,
      ['walDir'],
      `Use ${s.dataDir}/wal.`,
    );
  } else if (within(s.certDir, askedWal) || within(askedWal, s.certDir)) {
    complain('ETCD_WAL_DIR and ETCD_CERT_DIR must not lie in each other', ['walDir', 'certDir']);
  }
}

function within(path: string, dir: string): boolean {
  return path === dir || path.startsWith(`${dir}/`);
}

function checkCompaction(s: EtcdSettings, complain: Complain): void {
  const kept = s.autoCompactionRetention;
  if (s.autoCompactionMode === 'revision' && !/^\d+$/.test(kept)) {
    const message = `ETCD_AUTO_COMPACTION_RETENTION must be a number of revisions, since ETCD_AUTO_COMPACTION_MODE is revision, not ${kept}`;
    complain(message, ['autoCompactionRetention', 'autoCompactionMode']);
  }
  const hours = /^\d+$/.test(kept) ? Number(kept) : (goDurationMs(kept) ?? 0) / 3_600_000;
  if (s.autoCompactionMode === 'periodic' && hours > 87_600) {
    const message = `ETCD_AUTO_COMPACTION_RETENTION is ${kept} hours, more than ten years, since ETCD_AUTO_COMPACTION_MODE is periodic`;
    complain(
      message,
      ['autoCompactionRetention'],
      'For a number of revisions set ETCD_AUTO_COMPACTION_MODE to revision.',
    );
  }
}

const goRuntime = ['GOGC', 'GOMAXPROCS', 'GOMEMLIMIT', 'GODEBUG'];

function checkExtra(s: EtcdSettings, complain: Complain, warn: Warn): void {
  for (const [name, value] of Object.entries(s.extra)) {
    if (hasControlCharacter(value)) complain(`ETCD_EXTRA: ${name} must be in one line`, ['extra']);
    if (goRuntime.includes(name)) continue;
    const owned = ownedBy(name);
    if (owned) complain(`ETCD_EXTRA: ${owned.message}`, ['extra'], owned.next);
    else if (!knowsSetting(s.version, name)) {
      const span = etcdSetting(name);
      const who = span ? `; these versions do: ${spanText(span)}` : '';
      complain(
        `ETCD_EXTRA: etcd ${s.version} does not know ${name}${who}`,
        ['extra'],
        'Correct the name, or delete it.',
      );
    } else if (valueProblem(s.version, name, value) !== undefined) {
      const why = valueProblem(s.version, name, value);
      complain(`ETCD_EXTRA: ${name} must not be ${value} on etcd ${s.version}: ${why}`, ['extra'], 'Delete it.');
    } else if (name === 'ETCD_UNSAFE_NO_FSYNC' && value !== 'false') {
      warn('ETCD_UNSAFE_NO_FSYNC: data may be lost when a host loses power', ['extra']);
    }
  }
}

/** A host of a cluster as it was read. */
export interface ReadHost {
  settings: EtcdSettings;
  places: Places;
  /** Where SSH goes, with the port. */
  login: string;
}

/** What the settings of all hosts must be to each other. */
export function checkCluster(
  hosts: readonly ReadHost[],
  declarations: readonly [Key, VariableDeclaration][],
): InputError[] {
  return [...disagreements(hosts, declarations), ...duplicates(hosts), ...unreachable(hosts)];
}

function disagreements(hosts: readonly ReadHost[], declarations: readonly [Key, VariableDeclaration][]): InputError[] {
  const [first, ...others] = hosts;
  return declarations.flatMap(([key, { name, scope }]) => {
    const of = (h: ReadHost) => JSON.stringify(h.settings[key as keyof EtcdSettings]);
    const odd = first && scope === 'cluster' ? others.find((h) => of(h) !== of(first)) : undefined;
    if (!first || !odd) return [];
    const at = odd.places[key] ?? first.places[key];
    const said = (h: ReadHost) => `${of(h) ?? 'not set'} on ${h.settings.host}`;
    return new InputError(
      `${name} must be the same on all hosts of the cluster, but is ${said(first)} and ${said(odd)}`,
      { ...(at && placeOf(at)), next: 'Set it in the [group:vars] of the cluster.' },
    );
  });
}

/** What no two hosts may share; of each host the first that is found is enough. */
const unique: readonly { what: string; of: (h: ReadHost) => string; key?: Key; next: string }[] = [
  { what: 'address', of: (h) => h.login, next: 'Each must be a host of its own: correct ansible_host, or delete one.' },
  {
    what: 'member name',
    of: (h) => h.settings.name,
    key: 'name',
    next: 'Delete ETCD_NAME, or give each host its own.',
  },
  {
    what: 'peer address',
    of: (h) => h.settings.advertisePeerUrl,
    key: 'advertiseAddress',
    next: 'Give each host an ETCD_ADVERTISE_ADDRESS of its own.',
  },
  {
    what: 'client address',
    of: (h) => h.settings.advertiseClientUrls.join(','),
    key: 'advertiseClientAddress',
    next: 'Give each host an ETCD_ADVERTISE_CLIENT_ADDRESS of its own.',
  },
];

function duplicates(hosts: readonly ReadHost[]): InputError[] {
  return hosts.flatMap((host, at) => {
    for (const { what, of, key, next } of unique) {
      const other = hosts.slice(0, at).find((h) => of(h) === of(host));
      if (!other) continue;
      const place = key && host.places[key];
      const message = `${host.settings.host} and ${other.settings.host} have the same ${what}: ${of(host)}`;
      return new InputError(message, { ...(place && placeOf(place)), next });
    }
    return [];
  });
}

function unreachable(hosts: readonly ReadHost[]): InputError[] {
  if (hosts.length < 2) return [];
  return hosts.flatMap(({ settings }) => {
    const { hostname } = new URL(settings.advertisePeerUrl);
    if (!isLoopback(hostname.replace(/^\[|\]$/g, ''))) return [];
    const message = `the other members cannot reach it at ${settings.advertisePeerUrl}`;
    return new InputError(message, { host: settings.host, next: 'Set ETCD_ADVERTISE_ADDRESS for this host.' });
  });
}
