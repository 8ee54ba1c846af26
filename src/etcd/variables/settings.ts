import { InputError, ManyErrors } from '../../errors.ts';
import { placeOf, quoted } from '../../variables/read-value.ts';
import { bracketed, canonicalAddress, isWildcard } from './addresses.ts';
import { type Complain, checkCluster, checkSettings } from './checks.ts';
import { declared, type VariableDeclaration } from './declarations.ts';
import type { KeyAlgorithm, LogLevel, SelinuxMode } from './kinds.ts';
import { type Declared, type Places, readValues } from './reading.ts';
import { settle } from './settle.ts';

/** A variable as the inventory has it for one host, precedence already resolved. */
export interface GivenVariable {
  name: string;
  /** As Ansible types it. */
  value: unknown;
  raw: string;
  origin: { file: string; line: number; scope: string };
}

export interface VariableWarning {
  message: string;
  file?: string;
  line?: number;
}

/** What the variables of one host come to: checked, with every default filled in. */
export interface EtcdSettings {
  /** The host as the inventory names it. */
  host: string;
  /** Where SSH goes: `ansible_host`, or the inventory name. */
  address: string;

  version: string;
  /** Absolute, on the control machine. */
  releaseDir: string;
  /** Without a slash at its end. */
  releaseUrl: string;
  name: string;
  clusterToken: string;
  user: string;

  peerPort: number;
  clientPort: number;
  listenPeerUrls: string[];
  listenClientUrls: string[];
  advertisePeerUrl: string;
  advertiseClientUrls: string[];
  metricsUrls?: string[];
  /** What the server and peer certificates must be valid for, besides the host name that the host itself reports. */
  certificateNames: string[];

  dataDir: string;
  /** The log directory that etcd is told; undefined: `member/wal` in the data directory. */
  walDir?: string;
  /** Directories that must be there with mode 0700 and belong to {@link user} before etcd starts: data first. */
  ownedDirs: string[];
  certDir: string;
  confDir: string;
  installDir: string;
  binDir: string;

  certExpiryMs: number;
  /** Absolute, on the control machine. */
  certLocalDir: string;
  keyAlgorithm: KeyAlgorithm;

  heartbeatMs: number;
  electionTimeoutMs: number;
  snapshotCount?: number;
  quotaBytes: number;
  autoCompactionMode: 'periodic' | 'revision';
  /** `'0'`: off. */
  autoCompactionRetention: string;
  maxRequestBytes?: number;
  logLevel: LogLevel;
  initialCorruptCheck: boolean;
  enableV2?: boolean;
  /** Further environment of etcd, by name. */
  extra: Record<string, string>;

  /** `/etc/hosts` lists the hosts of the inventory. */
  manageHosts: boolean;
  /** The ports are opened in the firewall that is active. */
  openFirewall: boolean;
  selinux: SelinuxMode;

  tmpBackupDir?: string;
  /** Absolute, on the control machine. */
  localBackupDir?: string;
}

export interface HostVariables {
  host: string;
  vars: Iterable<GivenVariable>;
}

export interface SettingsReading {
  /** Missing if there are errors. */
  settings?: EtcdSettings;
  errors: InputError[];
  warnings: VariableWarning[];
}

/**
 * The settings of one host, from the variables that hold for it. Variables that do not begin as etcd's do are left
 * alone. Complaints are collected, not thrown; each names file and line.
 */
export function readSettings(input: HostVariables & { inventoryDir: string }): SettingsReading {
  const { settings, errors, warnings } = readHost(input);
  return settings && errors.length === 0 ? { settings, errors, warnings } : { errors, warnings };
}

/**
 * The settings of all hosts of a cluster, by host.
 * @throws ManyErrors with every complaint about every host, each once.
 */
export function readClusterSettings(
  hosts: readonly HostVariables[],
  inventoryDir: string,
  onWarning: (warning: VariableWarning) => void = () => {},
): Map<string, EtcdSettings> {
  const readings = hosts.map(({ host, vars }) => ({ host, ...readHost({ host, vars, inventoryDir }) }));
  const errors = readings.flatMap((r) => r.errors);
  const complete = readings.flatMap((r) =>
    r.settings ? [{ settings: r.settings, places: r.places, login: r.login }] : [],
  );
  errors.push(...checkCluster(complete, Object.entries(declared) as [keyof Declared, VariableDeclaration][]));
  const distinct = [...new Map(errors.map((e) => [`${e.host}\0${e.file}\0${e.line}\0${e.message}`, e])).values()];
  if (distinct.length > 0) throw new ManyErrors('The variables of the cluster are not in order:', distinct);
  const warnings = readings.flatMap((r) => r.warnings);
  for (const w of new Map(warnings.map((w) => [`${w.file}\0${w.line}\0${w.message}`, w])).values()) onWarning(w);
  return new Map(complete.map(({ settings }) => [settings.host, settings]));
}

function readHost(
  input: HostVariables & { inventoryDir: string },
): SettingsReading & { places: Places; login: string } {
  const vars = new Map([...input.vars].map((v) => [v.name, v]));
  const { values, places, errors, warnings } = readValues(vars);
  const writtenAt = (keys: readonly (keyof Places)[]) => keys.map((key) => places[key]).find((at) => at !== undefined);
  const complain: Complain = (message, keys, next) => {
    const at = writtenAt(keys);
    errors.push(new InputError(message, { ...(at ? placeOf(at) : { host: input.host }), ...(next && { next }) }));
  };
  const ansibleHost = vars.get('ansible_host') ?? vars.get('ansible_ssh_host');
  const given = ansibleHost ? String(ansibleHost.value).trim() : input.host;
  const address = canonicalAddress(given);
  if (address === undefined || isWildcard(address)) {
    const message = `${ansibleHost?.name ?? 'the name of the host'} must be an IP address or a host name, not ${quoted(given)}`;
    const next = ansibleHost ? undefined : 'Give its address beside the name: ansible_host=192.0.2.11';
    const place = ansibleHost ? placeOf(ansibleHost) : { host: input.host };
    errors.push(new InputError(message, { ...place, ...(next && { next }) }));
    return { errors, warnings, places, login: given };
  }
  if (errors.length > 0) return { errors, warnings, places, login: given };
  const settings = settle(input, address, values, places);
  checkSettings(settings, complain, (message, keys) => {
    const at = writtenAt(keys);
    warnings.push({ message, ...(at && placeOf(at)) });
  });
  const login = `${bracketed(address)}:${vars.get('ansible_port')?.value ?? 22}`;
  return { settings, errors, warnings, places, login };
}
