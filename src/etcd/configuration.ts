import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { packageTemplates, renderTemplate } from '../template/template.ts';
import { quoteEnvironmentValue } from './environment-file.ts';
import type { LogLevel } from './variables/kinds.ts';
import type { EtcdSettings } from './variables.ts';
import { compareVersions, knowsSetting } from './versions.ts';

export { parseEnvironmentFile } from './environment-file.ts';

export interface ConfigurationInput {
  settings: EtcdSettings;
  initialCluster: readonly { name: string; peerUrl: string }[];
  /** `new` until the cluster has formed, `existing` ever after. */
  state: 'new' | 'existing';
  /** Of the host: 3.3 and 3.4 run on arm64 only when told so. */
  arch?: 'amd64' | 'arm64';
  /** The token of a cluster that was formed with another than the settings have now. */
  clusterToken?: string;
  /** The certificates that it trusts. etcd reads them at its start only: by their sum a process tells which it has read. */
  trustedCa?: string | undefined;
  /** The user's own templates, which come before the package's. */
  templateDirs?: readonly string[];
}

/** Where certificates and keys lie on the host. */
export interface CertificateFiles {
  ca: string;
  serverCert: string;
  serverKey: string;
  peerCert: string;
  peerKey: string;
  clientCert: string;
  clientKey: string;
}

/** Absolute paths; the names begin with `etcd-`, since the directory may be one that others use too. */
export function certificateFiles(settings: Pick<EtcdSettings, 'certDir'>): CertificateFiles {
  const file = (name: string) => posix.join(settings.certDir, `etcd-${name}.pem`);
  return {
    ca: file('ca'),
    serverCert: file('server'),
    serverKey: file('server-key'),
    peerCert: file('peer'),
    peerKey: file('peer-key'),
    clientCert: file('client'),
    clientKey: file('client-key'),
  };
}

/** Where the environment file lies on the host: what the unit reads. */
export function configurationFile(settings: Pick<EtcdSettings, 'confDir'>): string {
  return posix.join(settings.confDir, 'etcd.conf');
}

/** The versioned directory that the release is unpacked to. */
export function releaseDirectory({ installDir, version }: Pick<EtcdSettings, 'installDir' | 'version'>): string {
  return `${installDir}/v${version}`;
}

/**
 * The text of `etcd.conf`: every setting of the member as an environment file of systemd, in the words of its version.
 * Nothing is left to flags, since a flag beside the same variable ends etcd from 3.4 on.
 */
export function renderConfiguration(input: ConfigurationInput): string {
  const { settings } = input;
  const sections = configurationSections(input)
    .map(({ title, values }) => ({
      title,
      settings: Object.entries(values).flatMap(([name, value]) =>
        value === undefined ? [] : [{ name, value: quoteEnvironmentValue(value) }],
      ),
    }))
    .filter((section) => section.settings.length > 0);
  const env = Object.fromEntries(sections.flatMap((s) => s.settings.map(({ name, value }) => [name, value])));
  const context = { name: settings.name, version: settings.version, state: input.state, sections, env };
  return renderTemplate('etcd.conf.hbs', context, [...(input.templateDirs ?? []), packageTemplates()]);
}

interface Section {
  title: string;
  values: Record<string, string | undefined>;
}

/** All settings by their names in etcd's environment; undefined is left to etcd's own default. */
function configurationSections(input: ConfigurationInput): Section[] {
  const { settings: s } = input;
  const files = certificateFiles(s);
  const number = (value: number | undefined) => (value === undefined ? undefined : String(value));
  const compaction = s.autoCompactionRetention === '0' ? undefined : s.autoCompactionRetention;
  const { ETCD_FEATURE_GATES: gates, ...extra } = s.extra;
  return [
    {
      title: 'Member',
      values: {
        ETCD_NAME: s.name,
        ETCD_DATA_DIR: s.dataDir,
        ETCD_WAL_DIR: s.walDir,
        ETCD_LISTEN_PEER_URLS: s.listenPeerUrls.join(','),
        ETCD_LISTEN_CLIENT_URLS: s.listenClientUrls.join(','),
        ETCD_LISTEN_METRICS_URLS: s.metricsUrls?.join(','),
        ETCD_ADVERTISE_CLIENT_URLS: s.advertiseClientUrls.join(','),
      },
    },
    {
      title: "Cluster: read at the member's very first start only",
      values: {
        ETCD_INITIAL_ADVERTISE_PEER_URLS: s.advertisePeerUrl,
        ETCD_INITIAL_CLUSTER: input.initialCluster.map((m) => `${m.name}=${m.peerUrl}`).join(','),
        ETCD_INITIAL_CLUSTER_STATE: input.state,
        ETCD_INITIAL_CLUSTER_TOKEN: input.clusterToken ?? s.clusterToken,
      },
    },
    {
      title: 'Certificates',
      values: {
        ETCD_CERT_FILE: files.serverCert,
        ETCD_KEY_FILE: files.serverKey,
        ETCD_TRUSTED_CA_FILE: files.ca,
        ETCD_CLIENT_CERT_AUTH: 'true',
        ETCD_PEER_CERT_FILE: files.peerCert,
        ETCD_PEER_KEY_FILE: files.peerKey,
        ETCD_PEER_TRUSTED_CA_FILE: files.ca,
        ETCD_PEER_CLIENT_CERT_AUTH: 'true',
        PLAY_TRUSTED_CA: input.trustedCa === undefined ? undefined : trustedCaSum(input.trustedCa),
      },
    },
    {
      title: 'Behaviour',
      values: {
        ETCD_HEARTBEAT_INTERVAL: number(s.heartbeatMs),
        ETCD_ELECTION_TIMEOUT: number(s.electionTimeoutMs),
        ETCD_SNAPSHOT_COUNT: number(s.snapshotCount),
        ETCD_QUOTA_BACKEND_BYTES: number(s.quotaBytes),
        ETCD_AUTO_COMPACTION_MODE: compaction && s.autoCompactionMode,
        ETCD_AUTO_COMPACTION_RETENTION: compaction,
        ETCD_MAX_REQUEST_BYTES: number(s.maxRequestBytes),
        ETCD_ENABLE_V2: s.enableV2 === undefined ? undefined : String(s.enableV2),
        ...corruptCheck(s, gates),
        ...logging(s.version, s.logLevel),
        ETCD_UNSUPPORTED_ARCH: unsupportedArch(s.version, input.arch),
      },
    },
    { title: 'Further settings', values: extra },
  ];
}

/** sha256 of what the file of trusted certificates holds. */
export function trustedCaSum(pem: string): string {
  return createHash('sha256').update(pem).digest('hex');
}

/** The check has been a feature gate from 3.6 on; 3.7 has dropped its old name. */
function corruptCheck(s: EtcdSettings, gates: string | undefined): Record<string, string | undefined> {
  if (!knowsSetting(s.version, 'ETCD_FEATURE_GATES')) {
    return { ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK: s.initialCorruptCheck ? 'true' : undefined };
  }
  const own =
    s.initialCorruptCheck && !gates?.includes('InitialCorruptCheck=') ? 'InitialCorruptCheck=true' : undefined;
  return { ETCD_FEATURE_GATES: [own, gates].filter((gate) => gate !== undefined).join(',') || undefined };
}

/** 3.3's logger has levels by package and no ETCD_LOG_LEVEL; zap, from 3.4 on, is the only one left in 3.5. */
const packageLevels: Record<LogLevel, string | undefined> = {
  debug: undefined,
  info: undefined,
  warn: '*=WARNING',
  error: '*=ERROR',
  panic: '*=CRITICAL',
  fatal: '*=CRITICAL',
};

function logging(version: string, level: LogLevel): Record<string, string | undefined> {
  if (knowsSetting(version, 'ETCD_LOG_LEVEL')) return { ETCD_LOGGER: 'zap', ETCD_LOG_LEVEL: level };
  return { ETCD_DEBUG: level === 'debug' ? 'true' : undefined, ETCD_LOG_PACKAGE_LEVELS: packageLevels[level] };
}

/** Up to 3.4 etcd ends at once on arm64 unless it is told (E/etcdmain/etcd.go, checkSupportArch); elsewhere it is odd. */
function unsupportedArch(version: string, arch: string | undefined): string | undefined {
  return arch === 'arm64' && compareVersions(version, '3.5.0') < 0 ? arch : undefined;
}

/** The text of `etcd.service`. Works with systemd 247 and later. */
export function renderUnit(input: { settings: EtcdSettings; templateDirs?: readonly string[] }): string {
  const { settings: s } = input;
  const dirs = [...new Set(s.ownedDirs)];
  const read = [...dirs, s.certDir];
  const under = (top: RegExp, paths: readonly string[]) => paths.some((path) => top.test(`${path}/`));
  const context = {
    user: s.user,
    environmentFile: configurationFile(s),
    binary: posix.join(s.binDir, 'etcd'),
    writablePaths: dirs.join(' '),
    mountedPaths: [...new Set(read)].join(' '),
    privateTmp: !under(/^\/(var\/)?tmp\//, read),
    protectHome: under(/^\/(home|root|run\/user)\//, read) ? 'read-only' : 'true',
    lowPort: Math.min(s.peerPort, s.clientPort) < 1024,
  };
  return renderTemplate('etcd.service.hbs', context, [...(input.templateDirs ?? []), packageTemplates()]);
}
