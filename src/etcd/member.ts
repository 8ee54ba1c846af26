import { isIP } from 'node:net';
import { posix } from 'node:path';
import type { KeyPair } from '../pki/store.ts';
import { systemUser } from '../resource/account.ts';
import { archive } from '../resource/archive.ts';
import { directory } from '../resource/directory.ts';
import { file } from '../resource/file.ts';
import { firewall } from '../resource/firewall.ts';
import { hostEntries } from '../resource/host-entries.ts';
import { link } from '../resource/link.ts';
import { pending } from '../resource/pending.ts';
import type { Resource } from '../resource/resource.ts';
import { script } from '../resource/script.ts';
import { enabled, unit } from '../resource/service.ts';
import { certificateFiles, configurationFile, releaseDirectory, renderUnit } from './configuration.ts';
import type { Release } from './releases.ts';
import type { EtcdSettings } from './variables.ts';
import { compareVersions } from './versions.ts';

/** What a member is made of on its host, as resources: each function is one task of a playbook. */

/** The release in its own directory. `undefined`: it is not at hand here, since a host has it or this is check mode. */
export function releaseResources(
  settings: EtcdSettings,
  release: Release | undefined,
  installed: boolean,
  onProgress: (done: number, total: number) => void,
): Resource[] {
  const dest = releaseDirectory(settings);
  const parent = directory({ path: settings.installDir, mode: 0o755 });
  if (installed) return [];
  if (!release) return [parent, pending('archive', dest, `etcd ${settings.version} is to be sent and unpacked`)];
  const { archivePath: source, sizeBytes, sha256 } = release;
  return [parent, archive({ source, sizeBytes, sha256, dest, onProgress: (done) => onProgress(done, sizeBytes) })];
}

/** One link is switched to change all binaries at once; the others lead through it. */
export function binaryResources(settings: EtcdSettings): Resource[] {
  const { installDir, binDir, version } = settings;
  const current = posix.join(installDir, 'current');
  const tools = compareVersions(version, '3.5.0') < 0 ? ['etcd', 'etcdctl'] : ['etcd', 'etcdctl', 'etcdutl'];
  return [
    link({ path: current, target: releaseDirectory(settings) }),
    directory({ path: binDir, mode: 0o755, onlyCreate: true }),
    ...tools.map((tool) => link({ path: posix.join(binDir, tool), target: posix.join(current, tool) })),
  ];
}

export function accountResources({ user, dataDir }: EtcdSettings): Resource[] {
  return user === 'root' ? [] : [systemUser({ name: user, home: dataDir, comment: 'etcd' })];
}

export function directoryResources({ confDir, certDir, ownedDirs, user }: EtcdSettings): Resource[] {
  return [
    directory({ path: confDir, mode: 0o755, onlyCreate: true }),
    directory({ path: certDir, mode: 0o755, onlyCreate: true }),
    ...ownedDirs.map((path) => directory({ path, owner: user, mode: 0o700 })),
  ];
}

export interface MemberCertificates {
  caPem: string;
  server: KeyPair;
  peer: KeyPair;
  client: KeyPair;
}

/** Keys are for their reader alone: the member's for etcd, the client's for root. `undefined`: still to be issued. */
export function certificateResources(settings: EtcdSettings, certificates: MemberCertificates | undefined): Resource[] {
  const files = certificateFiles(settings);
  const { user: owner } = settings;
  if (!certificates) {
    return Object.values(files).map((path) => pending('file', path, 'a certificate or key is to be issued'));
  }
  const { caPem, server, peer, client } = certificates;
  const open = (path: string, content: string) => file({ path, content, owner, mode: 0o644 });
  const closed = (path: string, content: string, reader: string) =>
    file({ path, content, owner: reader, mode: 0o600, secret: true });
  return [
    open(files.ca, caPem),
    closed(files.serverKey, server.keyPem, owner),
    open(files.serverCert, server.certPem),
    closed(files.peerKey, peer.keyPem, owner),
    open(files.peerCert, peer.certPem),
    closed(files.clientKey, client.keyPem, 'root'),
    file({ path: files.clientCert, content: client.certPem, mode: 0o644 }),
  ];
}

export function configurationResource(settings: EtcdSettings, content: string): Resource {
  return file({ path: configurationFile(settings), content, mode: 0o644, keepForeign: 'written by etcd-play' });
}

export function unitResources(settings: EtcdSettings, templateDirs: readonly string[]): Resource[] {
  const content = renderUnit({ settings, templateDirs });
  return [unit({ name: 'etcd.service', content, keepForeign: 'Written by etcd-play' }), enabled('etcd.service')];
}

/** What lies around etcd on a host, where it is asked for: names of the others, open ports, the context of the binaries. */
export function surroundingsResources(settings: EtcdSettings, all: readonly EtcdSettings[]): Resource[] {
  const { manageHosts, openFirewall, selinux, clientPort, peerPort } = settings;
  return [
    ...(manageHosts ? [hostEntries({ name: 'etcd', entries: entriesOf(all) })] : []),
    ...(openFirewall ? [firewall({ ports: [`${clientPort}/tcp`, `${peerPort}/tcp`] })] : []),
    ...(selinux === 'context' ? [binariesContext(settings)] : []),
  ];
}

/** Whether any of that is asked for: where it is not, a run does not speak of it. */
export function wantsSurroundings(all: readonly EtcdSettings[]): boolean {
  return all.some(({ manageHosts, openFirewall, selinux }) => manageHosts || openFirewall || selinux === 'context');
}

/** A host is listed by its inventory name and its member's, at the address that the others reach it at. */
export function entriesOf(all: readonly EtcdSettings[]): { address: string; names: string[] }[] {
  return all.flatMap(({ host, name, advertisePeerUrl }) => {
    const address = new URL(advertisePeerUrl).hostname.replace(/^\[|\]$/g, '');
    const names = [...new Set([host, name])].filter((one) => isIP(one) === 0);
    return isIP(address) !== 0 && names.length > 0 ? [{ address, names }] : [];
  });
}

/** systemd may start what is `bin_t`; files in /opt are not that by themselves. */
function binariesContext(settings: EtcdSettings): Resource {
  const dir = releaseDirectory(settings);
  const text = [
    'set -e',
    `if command -v semanage >/dev/null; then semanage fcontext -a -t bin_t '${settings.installDir}/v[^/]+/etcd.*' 2>/dev/null || :; fi`,
    `chcon -t bin_t -- '${dir}'/etcd*`,
  ].join('\n');
  const isDone = `! [ -e /sys/fs/selinux/enforce ] || [ "$(stat -c %C '${dir}/etcd' | cut -d: -f3)" = bin_t ]`;
  return script({ text, unless: isDone });
}
