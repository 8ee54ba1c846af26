import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { InputError, ManyErrors } from '../../errors.ts';
import { isEndOfLife, knowsSetting } from '../versions.ts';
import { bracketed, canonicalAddress, canonicalIp, isWildcard } from './addresses.ts';
import { type Complain, checkCluster, checkSettings } from './checks.ts';
import { declared, type VariableDeclaration, versionsText } from './declarations.ts';
import type { KeyAlgorithm, LogLevel } from './kinds.ts';
import { unknownVariable } from './unknown.ts';

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

type Declared = typeof declared;
type Values = { [K in keyof Declared]?: Declared[K] extends VariableDeclaration<infer T> ? T : never };
/** Where each value was written, by the same keys. */
export type Places = Partial<Record<keyof Declared, GivenVariable>>;

interface Read {
  values: Values;
  places: Places;
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
  const complete = readings.flatMap((r) => (r.settings ? [{ settings: r.settings, places: r.places }] : []));
  errors.push(...checkCluster(complete, Object.entries(declared) as [keyof Declared, VariableDeclaration][]));
  const distinct = [...new Map(errors.map((e) => [`${e.host}\0${e.file}\0${e.line}\0${e.message}`, e])).values()];
  if (distinct.length > 0) throw new ManyErrors('The variables of the cluster are not in order:', distinct);
  const warnings = readings.flatMap((r) => r.warnings);
  for (const w of new Map(warnings.map((w) => [`${w.file}\0${w.line}\0${w.message}`, w])).values()) onWarning(w);
  return new Map(complete.map(({ settings }) => [settings.host, settings]));
}

function readHost(input: HostVariables & { inventoryDir: string }): SettingsReading & { places: Places } {
  const vars = new Map([...input.vars].map((v) => [v.name, v]));
  const { values, places, errors, warnings } = readValues(vars);
  const complain: Complain = (message, key, next) => {
    const at = key && places[key];
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
    return { errors, warnings, places };
  }
  if (errors.length > 0) return { errors, warnings, places };
  const settings = settle(input, address, values, places);
  checkSettings(settings, complain, (message, key) => {
    const at = key && places[key];
    warnings.push({ message, ...(at && placeOf(at)) });
  });
  return { settings, errors, warnings, places };
}

/** Each variable by itself: known, written once, of the right kind, known to the version. */
function readValues(vars: Map<string, GivenVariable>): Read {
  const read: Read = { values: {}, places: {}, errors: [], warnings: [] };
  for (const variable of vars.values()) {
    const found = unknownVariable(variable.name);
    if (found?.error) read.errors.push(new InputError(found.message, { ...placeOf(variable), next: found.next }));
    else if (found) read.warnings.push({ message: `${found.message}. ${found.next}`, ...placeOf(variable) });
  }
  for (const [key, declaration] of Object.entries(declared) as [keyof Declared, VariableDeclaration][]) {
    const given = [declaration.name, ...(declaration.aliases ?? [])].flatMap((name) => vars.get(name) ?? []);
    const [variable, other] = given;
    if (variable === undefined) continue;
    read.places[key] = variable;
    const reading = readOne(variable, declaration);
    if (reading instanceof InputError) {
      read.errors.push(reading);
      continue;
    }
    (read.values as Record<string, unknown>)[key] = reading.value;
    const second = other && readOne(other, declaration);
    if (other && (second instanceof InputError || String(second?.value) !== String(reading.value))) {
      read.errors.push(
        new InputError(
          `${variable.name} and ${other.name} mean the same but differ: ${quoted(variable.value)} (${variable.origin.file}:${variable.origin.line}) and ${quoted(other.value)}`,
          { ...placeOf(other), next: `Keep ${declaration.name}, delete the other.` },
        ),
      );
    }
  }
  const version = read.values.version ?? declared.version.default!;
  for (const [key, declaration] of Object.entries(declared) as [keyof Declared, VariableDeclaration][]) {
    const { setting, translated } = declaration;
    const variable = read.places[key];
    if (!variable || setting === undefined || translated !== undefined || knowsSetting(version, setting)) continue;
    const message = `etcd ${version} does not know ${variable.name}; these versions do: ${versionsText(declaration)}`;
    read.errors.push(new InputError(message, { ...placeOf(variable), next: 'Delete it, or choose another version.' }));
  }
  return read;
}

function readOne(variable: GivenVariable, declaration: VariableDeclaration): { value: unknown } | InputError {
  const place = placeOf(variable);
  if (variable.value === null || (typeof variable.value === 'string' && variable.value.trim() === '')) {
    return new InputError(`${variable.name} has no value`, {
      ...place,
      next: `Give it one, such as ${declaration.example}, or delete the line to have the default.`,
    });
  }
  const reading = declaration.kind.read(variable.value);
  if (reading.ok) return { value: reading.value };
  const shown = quoted(variable.value);
  const message = reading.problem.startsWith('must')
    ? `${variable.name} ${reading.problem}, not ${shown}`
    : `${variable.name} ${shown} ${reading.problem}`;
  const comment = typeof variable.value === 'string' && /\s[#;]/.test(variable.value);
  const next = comment
    ? 'In [group:vars] a "#" after a value is part of the value: give the comment a line of its own.'
    : reading.next;
  return new InputError(message, { ...place, ...(next && { next }) });
}

/** Puts the values together, with the defaults. */
function settle(
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
    extra: value('extra'),
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

function placeOf(variable: GivenVariable): { file: string; line: number } {
  return { file: variable.origin.file, line: variable.origin.line };
}

function quoted(value: unknown): string {
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
