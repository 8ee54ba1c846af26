import { ManyErrors, PlayError } from '../errors.ts';
import type { HostFacts } from './observe.ts';
import type { EtcdSettings } from './variables.ts';

export interface Complaint {
  message: string;
  next: string;
}

const MIB = 1024 * 1024;
/** Unpacked, with room for the archive's way there. */
export const RELEASE_BYTES = 200 * MIB;
/** Two preallocated log files of 64 MiB and a young database (server/storage/wal). */
export const DATA_BYTES = 400 * MIB;
/** Above one second etcd itself warns of its peers' clocks; far beyond it certificates and leases suffer. */
export const CLOCK_WARN_SECONDS = 1;
export const CLOCK_LIMIT_SECONDS = 30;

export const ARCHITECTURES: Record<string, 'amd64' | 'arm64'> = { x86_64: 'amd64', aarch64: 'arm64' };

/** Whether a host is fit to carry a member: everything that is wrong with it, at once. Pure. */
export function hostComplaints(facts: HostFacts, settings: EtcdSettings): Complaint[] {
  const complaints: Complaint[] = [];
  const complain = (message: string, next: string) => complaints.push({ message, next });
  if (facts.uid !== 0) {
    complain(`the shell there is not root (uid ${facts.uid})`, 'Remove ansible_become=false and ansible_become_user.');
  }
  if (facts.init !== 'systemd') {
    complain(`process 1 is ${facts.init || 'unknown'}, not systemd`, 'Use a host that is run by systemd.');
  }
  if (!ARCHITECTURES[facts.machine]) {
    const known = Object.keys(ARCHITECTURES).join(', ');
    complain(`etcd has no supported release for ${facts.machine || 'this machine'}`, `Use a host of ${known}.`);
  }
  if (facts.enforces && settings.selinux === 'refuse') {
    complain(
      'SELinux enforces on this host, and may keep systemd from starting etcd',
      'Set ETCD_SELINUX=context (the binaries become bin_t), or ETCD_SELINUX=ignore where its policy allows it already.',
    );
  }
  for (const port of [settings.peerPort, settings.clientPort]) {
    if (facts.listeners.some((one) => one.port === port && !one.ours)) {
      const name = port === settings.peerPort ? 'ETCD_PEER_PORT' : 'ETCD_CLIENT_PORT';
      complain(`port ${port} is taken by another program`, `Stop it there (ss -ltnp), or choose another ${name}.`);
    }
  }
  for (const address of missingAddresses(facts, settings)) {
    complain(
      `etcd is to listen on ${address}, which this host does not have (it has ${shown(facts.localAddresses)})`,
      'Set ETCD_LISTEN_ADDRESS (behind NAT: 0.0.0.0), or correct ansible_host.',
    );
  }
  for (const need of spaceNeeded(facts, settings)) {
    const free = Math.floor(need.freeBytes / MIB);
    complain(
      `${free} MiB are free for ${need.paths.join(' and ')}, ${Math.ceil(need.bytes / MIB)} MiB are needed`,
      'Make room there, or put the directory on another disk.',
    );
  }
  for (const path of facts.strayBinaries) {
    complain(
      `${path} is a file that etcd-play did not put there`,
      'Move it aside if it is not needed, then run again.',
    );
  }
  const { data } = facts;
  if (data.logIsMount && data.walFiles === 0) {
    complain(
      `its log directory ${settings.walDir ?? `${settings.dataDir}/member/wal`} is a mount point, and etcd makes it by a rename`,
      'Mount that disk outside the data directory, and set ETCD_WAL_DIR to where: etcd gets a directory within.',
    );
  }
  if (data.kind === 'foreign' && data.walFiles === 0) {
    const some = data.entries.slice(0, 3).join(', ');
    complain(
      `${settings.dataDir} is not empty and not etcd's (${some})`,
      'Nothing was deleted. Choose another ETCD_DATA_DIR, or move these files aside.',
    );
  }
  return complaints;
}

/** Listen addresses, given as numbers, that the host does not have; nothing is said where its addresses are unknown. */
function missingAddresses(facts: HostFacts, settings: EtcdSettings): string[] {
  if (facts.localAddresses.length === 0) return [];
  const own = new Set(facts.localAddresses.map(canonical));
  const wanted = [...settings.listenPeerUrls, ...settings.listenClientUrls].map((url) =>
    new URL(url).hostname.replace(/^\[|\]$/g, ''),
  );
  return [...new Set(wanted)].filter((address) => {
    if (!/^[\d.]+$|:/.test(address) || /^(0\.0\.0\.0|::|127\.|::1$)/.test(address)) return false;
    return !own.has(canonical(address));
  });
}

/** One spelling for each address: IPv6 is written in many. */
function canonical(address: string): string {
  if (!address.includes(':')) return address;
  return new URL(`http://[${address}]`).hostname;
}

/** What each disk still has to take, disks that hold several directories counted once. */
function spaceNeeded(
  facts: HostFacts,
  settings: EtcdSettings,
): { paths: string[]; bytes: number; freeBytes: number }[] {
  const needs = new Map<string, { paths: string[]; bytes: number; freeBytes: number }>();
  const need = (path: string, bytes: number) => {
    const disk = facts.disks.find((one) => one.path === path);
    if (!disk) return;
    const entry = needs.get(disk.device) ?? { paths: [], bytes: 0, freeBytes: disk.freeBytes };
    entry.paths.push(path);
    entry.bytes += bytes;
    needs.set(disk.device, entry);
  };
  if (!facts.releaseSum) {
    for (const { path } of facts.disks) if (path.startsWith(`${settings.installDir}/`)) need(path, RELEASE_BYTES);
  }
  if (facts.data.walFiles === 0) {
    const wal = settings.walDir;
    need(settings.dataDir, wal ? DATA_BYTES / 4 : DATA_BYTES);
    if (wal) need(wal, (DATA_BYTES / 4) * 3);
  }
  return [...needs.values()].filter((entry) => entry.freeBytes < entry.bytes);
}

export interface ClockReading {
  host: string;
  /** Host clock minus control clock at the same moment, as an interval that surely holds it. Seconds. */
  earliest: number;
  latest: number;
}

/** Differences between the clocks of the hosts that are certain, given when they were read. */
export function clockComplaints(readings: readonly ClockReading[]): { errors: Complaint[]; warnings: string[] } {
  const errors: Complaint[] = [];
  const warnings: string[] = [];
  const slow = readings.reduce((a, b) => (b.latest < a.latest ? b : a), readings[0]!);
  const fast = readings.reduce((a, b) => (b.earliest > a.earliest ? b : a), readings[0]!);
  const seconds = slow && fast ? fast.earliest - slow.latest : 0;
  if (seconds <= CLOCK_WARN_SECONDS) return { errors, warnings };
  const words = `the clock of ${fast.host} is at least ${seconds.toFixed(1)} s ahead of that of ${slow.host}`;
  if (seconds > CLOCK_LIMIT_SECONDS) {
    errors.push({ message: words, next: 'Set the clocks right (chrony, systemd-timesyncd) and run again.' });
  } else warnings.push(`${words}: set the clocks right (chrony, systemd-timesyncd)`);
  return { errors, warnings };
}

/** Hosts that are one machine under several names. */
export function sameMachines(machines: readonly { host: string; machineId: string }[]): Complaint[] {
  const byId = new Map<string, string[]>();
  for (const { host, machineId } of machines) {
    if (machineId) byId.set(machineId, [...(byId.get(machineId) ?? []), host]);
  }
  return [...byId.values()]
    .filter((hosts) => hosts.length > 1)
    .map((hosts) => ({
      message: `${hosts.join(' and ')} have the same machine-id: one machine, or copies of one`,
      next: 'Name each machine once; on a copy run: rm /etc/machine-id && systemd-machine-id-setup',
    }));
}

function shown(addresses: readonly string[]): string {
  return (
    addresses
      .filter((address) => !address.startsWith('127.'))
      .slice(0, 4)
      .join(', ') || 'none'
  );
}

/** All complaints about a host as one error. */
export function complaintsError(host: string | undefined, complaints: readonly Complaint[]): PlayError {
  const errors = complaints.map(({ message, next }) => new PlayError(message, { next }));
  const whole =
    errors.length === 1 ? errors[0]! : new ManyErrors(`${errors.length} things must be put right first:`, errors);
  whole.host = host;
  return whole;
}
