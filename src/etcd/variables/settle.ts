import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { translateSettings } from '../setting-changes.ts';
import { isEndOfLife } from '../versions.ts';
import { bracketed, canonicalAddress, canonicalIp, isWildcard } from './addresses.ts';
import { declared } from './declarations.ts';
import type { Declared, Places, Values } from './reading.ts';
import type { EtcdSettings, GivenVariable } from './settings.ts';

/** Puts the values together, with the defaults. */
export function settle(
  input: { host: string; inventoryDir: string },
  address: string,
  values: Values,
  places: Places,
): EtcdSettings {
  const value = <K extends keyof Declared>(key: K) => (values[key] ?? declared[key].default) as NonNullable<Values[K]>;
  const local = (key: keyof Declared, path: string) => localPathOf(path, places[key], input.inventoryDir);
  const version = value('version');
  const advertise = values.advertiseAddress ?? address;
  const advertisePeer = values.advertisePeerAddress ?? advertise;
  const advertiseClient = values.advertiseClientAddress ?? advertise;
  const listen = (own: string[] | undefined, advertised: string) =>
    own ?? values.listenAddress ?? [canonicalIp(advertised) ?? '0.0.0.0'];
  const listenPeer = listen(values.listenPeerAddress, advertisePeer);
  const listenClient = withLoopback(listen(values.listenClientAddress, advertiseClient));
  const url = (port: number) => (host: string) => `https://${bracketed(host)}:${port}`;
  const peerUrl = url(value('peerPort'));
  const clientUrl = url(value('clientPort'));
  const name = values.name ?? `etcd-${input.host.replace(/[^A-Za-z0-9._-]/g, '-')}`;
  const own = [address, advertisePeer, advertiseClient, ...listenPeer, ...listenClient, ...(values.certNames ?? [])];
  const asNames = [name, input.host].flatMap((n) => canonicalAddress(n) ?? []);
  const dataDir = value('dataDir');
  const wal = walDirs(dataDir, values.walDir);
  return {
    host: input.host,
    address,
    version,
    releaseDir: local('releaseDir', value('releaseDir')),
    releaseUrl: value('releaseUrl'),
    name,
    clusterToken: value('clusterToken'),
    user: value('user'),
    peerPort: value('peerPort'),
    clientPort: value('clientPort'),
    listenPeerUrls: listenPeer.map(peerUrl),
    listenClientUrls: listenClient.map(clientUrl),
    advertisePeerUrl: peerUrl(advertisePeer),
    advertiseClientUrls: [clientUrl(advertiseClient)],
    ...(values.metricsUrls && { metricsUrls: values.metricsUrls }),
    certificateNames: [...new Set([...own.filter((a) => !isWildcard(a)), ...asNames, 'localhost', '127.0.0.1', '::1'])],
    dataDir,
    ...(wal.walDir !== undefined && { walDir: wal.walDir }),
    ownedDirs: wal.ownedDirs,
    certDir: value('certDir'),
    confDir: '/etc/etcd',
    installDir: '/opt/etcd',
    binDir: '/usr/local/bin',
    certExpiryMs: value('certExpiryMs'),
    certLocalDir: local('certLocalDir', values.certLocalDir ?? resolve(input.inventoryDir, 'pki')),
    keyAlgorithm: value('keyAlgorithm'),
    heartbeatMs: value('heartbeatMs'),
    electionTimeoutMs: value('electionTimeoutMs'),
    ...(values.snapshotCount !== undefined && { snapshotCount: values.snapshotCount }),
    quotaBytes: value('quotaBytes'),
    autoCompactionMode: value('autoCompactionMode'),
    autoCompactionRetention: value('autoCompactionRetention'),
    ...(values.maxRequestBytes !== undefined && { maxRequestBytes: values.maxRequestBytes }),
    logLevel: value('logLevel'),
    initialCorruptCheck: values.initialCorruptCheck ?? !isEndOfLife(version),
    ...(values.enableV2 !== undefined && { enableV2: values.enableV2 }),
    extra: translateSettings(value('extra'), version).settings,
    manageHosts: value('manageHosts'),
    openFirewall: value('openFirewall'),
    selinux: value('selinux'),
    ...(values.tmpBackupDir !== undefined && { tmpBackupDir: values.tmpBackupDir }),
    ...(values.localBackupDir !== undefined && { localBackupDir: local('localBackupDir', values.localBackupDir) }),
  };
}

/** The tunnel and the tools on the host come by 127.0.0.1, so clients are always served there. */
function withLoopback(ips: string[]): string[] {
  return ips.some((ip) => isWildcard(ip) || ip === '127.0.0.1') ? ips : [...ips, '127.0.0.1'];
}

/**
 * etcd makes its log directory under another name and renames it (`wal.Create`), so it must be able to write in the
 * directory above, and the log directory can be no mount point. In the data directory that holds; anywhere else etcd
 * gets a directory within the one that was asked for, which belongs to it.
 */
function walDirs(dataDir: string, asked: string | undefined): { walDir?: string; ownedDirs: string[] } {
  if (asked === undefined || asked === `${dataDir}/member/wal`) return { ownedDirs: [dataDir] };
  if (asked.startsWith(`${dataDir}/`)) return { walDir: asked, ownedDirs: [dataDir] };
  return { walDir: `${asked}/wal`, ownedDirs: [dataDir, asked] };
}

/** `~` is the home of who runs this; a relative path starts at the file that sets it (given by hand: where one stands). */
function localPathOf(path: string, variable: GivenVariable | undefined, inventoryDir: string): string {
  if (path === '~' || path.startsWith('~/')) return resolve(homedir(), path.slice(2));
  if (variable === undefined) return resolve(inventoryDir, path);
  const fromFile = variable.origin.line > 0;
  return resolve(fromFile ? dirname(variable.origin.file) : process.cwd(), path);
}
