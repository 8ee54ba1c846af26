import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../errors.ts';
import { revealed, Secret } from '../secret.ts';
import { jumpName, jumpsIn, parseJump } from './jump.ts';
import { type SshOptions, sshArguments } from './ssh-arguments.ts';

export type HostKeyChecking = 'strict' | 'accept-new' | 'off';

/** How the stream to an sshd is made. */
export type Way = { by: 'tcp' } | { by: 'jump'; through: LoginSettings } | { by: 'command'; command: string };

/** How to reach one sshd and to get in: that of a host in the inventory, or of a jump host on the way to it. */
export interface LoginSettings {
  /** The name for messages. */
  host: string;
  /** What ssh was asked for, before its configuration gave the address (`%n`). */
  givenAddress: string;
  address: string;
  port: number;
  user: string;
  password: Secret | undefined;
  keyFiles: readonly string[];
  /** The key file was named for this host: that it is missing or cannot be used is an error. */
  keyFileNamed: boolean;
  /** Of the keys in the agent, only those of the key files are tried (`IdentitiesOnly`). */
  identitiesOnly: boolean;
  /** The socket of the agent. */
  agent: string | undefined;
  /** The name in known_hosts in place of address and port. */
  hostKeyAlias: string | undefined;
  /** The first is the one to which a new key is added. */
  knownHostsFiles: readonly string[];
  hostKeyChecking: HostKeyChecking;
  hashKnownHosts: boolean;
  connectTimeoutMs: number;
  keepAliveMs: number;
  way: Way;
}

/** Where a host is and how to get in, read from Ansible's own connection variables. */
export interface ConnectionSettings extends LoginSettings {
  become: boolean;
  becomeUser: string;
  becomePassword: Secret | undefined;
  local: boolean;
}

type Variables = ReadonlyMap<string, { value: unknown; origin: { file: string; line: number } }>;

/** What holds where the inventory says nothing, from the playbook and the command line. */
export interface ConnectionDefaults {
  /** Whether the playbook needs root. */
  become: boolean;
  /** The answer to `-K`, used where the inventory gives no password. */
  becomePassword?: Secret | undefined;
  user?: string | undefined;
  privateKey?: string | undefined;
  /** The answer to `-k`. */
  password?: Secret | undefined;
  /** `--host-key-checking`: stands above all else, and holds for jump hosts too. */
  hostKeyChecking?: HostKeyChecking | undefined;
}

/** What ssh's configuration says of a host, and of each jump host by its name. */
export interface SshConfiguration {
  own: SshOptions;
  jumps: ReadonlyMap<string, SshOptions>;
}

const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];
const CONNECT_TIMEOUT_MS = 10_000;
/** A dead link is noticed after three of these at the latest: two unanswered keep-alives, then the close. */
const KEEPALIVE_MS = 4_000;

/** The value of the first of these variables that says something. */
export function textOf(vars: Variables, ...names: string[]): string | undefined {
  for (const name of names) {
    const found = vars.get(name);
    if (found !== undefined && found.value !== null && found.value !== '') return String(revealed(found.value));
  }
  return undefined;
}

/** @throws InputError naming the variable's file and line. */
export function connectionSettings(
  host: string,
  vars: Variables,
  defaults: ConnectionDefaults,
  configuration?: SshConfiguration,
): ConnectionSettings {
  const text = (...names: string[]) => textOf(vars, ...names);
  // A text that was encrypted by way of a pipe ends with its line.
  const secret = (value: string | undefined) =>
    value === undefined ? undefined : new Secret(value.replace(/\r?\n$/, ''));
  // ssh was told the arguments too, so its answer holds both.
  const options = configuration?.own ?? sshArguments(host, vars).options;
  const ownKey = text('ansible_ssh_private_key_file', 'ansible_private_key_file') ?? defaults.privateKey;
  const become = revealed(vars.get('ansible_become')?.value);
  const givenAddress = text('ansible_host', 'ansible_ssh_host') ?? host;
  const login = loginSettings(host, givenAddress, options, defaults);
  const own: LoginSettings = {
    ...login,
    ...(ownKey ? { keyFiles: [expandHome(ownKey)], keyFileNamed: true } : {}),
    port: portOf(host, vars, options),
    user: text('ansible_user', 'ansible_ssh_user') ?? defaults.user ?? login.user,
    password: secret(text('ansible_password', 'ansible_ssh_pass', 'ansible_ssh_password')) ?? defaults.password,
    connectTimeoutMs: secondsOf(text('ansible_timeout', 'ansible_ssh_timeout')) ?? login.connectTimeoutMs,
  };
  const settings = {
    ...own,
    way: wayOf(own, options, configuration?.jumps ?? new Map(), defaults),
    become: become === undefined ? defaults.become : isTrue(become),
    becomeUser: text('ansible_become_user') ?? 'root',
    becomePassword:
      secret(text('ansible_become_password', 'ansible_become_pass', 'ansible_sudo_pass')) ?? defaults.becomePassword,
    local: text('ansible_connection') === 'local',
  };
  if (settings.become) checkBecomeMethod(host, vars);
  if (/[\r\n\0]/.test(settings.becomePassword?.reveal() ?? '')) {
    // sudo reads one line, and what follows it would be the first command of its shell.
    const next = 'Give it without a line break.';
    throw new InputError('the sudo password is of more than one line', { host, next });
  }
  return settings;
}

/** What ssh's options alone say of a log-in. */
function loginSettings(
  host: string,
  givenAddress: string,
  options: SshOptions,
  { hostKeyChecking }: ConnectionDefaults,
): LoginSettings {
  const one = (name: string) => options.get(name)?.[0];
  const keyFiles =
    options
      .get('identityfile')
      ?.filter((file) => file !== 'none')
      .map(expandHome) ?? [];
  const agent = one('identityagent') ?? 'SSH_AUTH_SOCK';
  const alive = secondsOf(one('serveraliveinterval'));
  return {
    host,
    givenAddress,
    address: one('hostname') ?? givenAddress,
    port: Number(one('port') ?? 22),
    user: one('user') ?? userInfo().username,
    password: undefined,
    keyFiles: keyFiles.length > 0 ? keyFiles : DEFAULT_KEYS.map((name) => join(homedir(), '.ssh', name)),
    keyFileNamed: false,
    identitiesOnly: isTrue(one('identitiesonly')),
    agent: agentSocket(agent),
    hostKeyAlias: one('hostkeyalias'),
    knownHostsFiles: [
      ...files(one('userknownhostsfile') ?? '~/.ssh/known_hosts'),
      ...files(one('globalknownhostsfile') ?? '/etc/ssh/ssh_known_hosts'),
    ],
    hostKeyChecking: hostKeyChecking ?? checkingOf(one('stricthostkeychecking')),
    hashKnownHosts: isTrue(one('hashknownhosts')),
    connectTimeoutMs: secondsOf(one('connecttimeout')) ?? CONNECT_TIMEOUT_MS,
    // Asked more often than ssh would: that a dead link is noticed in time does not depend on a configuration.
    keepAliveMs: Math.min(alive ?? KEEPALIVE_MS, KEEPALIVE_MS),
    way: { by: 'tcp' },
  };
}

/** The jump hosts before this log-in, one behind the other, or the command that makes the stream. */
function wayOf(
  login: LoginSettings,
  options: SshOptions,
  configured: SshConfiguration['jumps'],
  defaults: ConnectionDefaults,
  seen: readonly string[] = [],
): Way {
  const jumps = jumpsIn(options);
  const command = options.get('proxycommand')?.[0];
  if (jumps.length === 0) return command && command !== 'none' ? { by: 'command', command } : { by: 'tcp' };
  let through: LoginSettings | undefined;
  for (const spec of jumps) {
    const jump = parseJump(spec, login.host);
    const name = jumpName(jump);
    if (seen.includes(name)) {
      throw new InputError(`the jump hosts go round in a circle: ${[...seen, name].join(', ')}`, {
        host: login.host,
        next: 'Correct ProxyJump in the ssh configuration.',
      });
    }
    const own = configured.get(name) ?? new Map();
    const plain = loginSettings(name, jump.address, own, defaults);
    const settings: LoginSettings = {
      ...plain,
      port: jump.port ?? plain.port,
      user: jump.user ?? plain.user,
      // What is known of the host's keys and ours is of use on the way to it too; how strictly is not handed on.
      keyFiles: [...new Set([...plain.keyFiles, ...login.keyFiles])],
      knownHostsFiles: [...new Set([...plain.knownHostsFiles, ...login.knownHostsFiles])],
    };
    const way: Way = through ? { by: 'jump', through } : wayOf(settings, own, configured, defaults, [...seen, name]);
    through = { ...settings, way };
  }
  return { by: 'jump', through: through! };
}

function portOf(host: string, vars: Variables, options: SshOptions): number {
  const given = vars.get('ansible_port') ?? vars.get('ansible_ssh_port');
  const port = Number(given?.value ?? options.get('port')?.[0] ?? 22);
  if (Number.isInteger(port) && port > 0 && port < 65536) return port;
  throw new InputError(`ansible_port is not a port: ${String(given?.value ?? options.get('port')?.[0])}`, {
    host,
    ...(given ? { file: given.origin.file, line: given.origin.line } : {}),
    next: 'Give a number from 1 to 65535.',
  });
}

function checkBecomeMethod(host: string, vars: Variables): void {
  const method = vars.get('ansible_become_method');
  if (method === undefined || method.value === null || /^(sudo|ansible\.builtin\.sudo)?$/.test(String(method.value)))
    return;
  throw new InputError(`ansible_become_method=${String(method.value)} is not supported: only sudo is`, {
    host,
    file: method.origin.file,
    line: method.origin.line,
    next: 'Give the user sudo rights, or log in as root (ansible_user=root).',
  });
}

function checkingOf(value: string | undefined): HostKeyChecking {
  if (/^(no|off|false)$/i.test(value ?? '')) return 'off';
  return value?.toLowerCase() === 'accept-new' ? 'accept-new' : 'strict';
}

function agentSocket(named: string): string | undefined {
  if (named === 'none') return undefined;
  const variable = named === 'SSH_AUTH_SOCK' ? named : /^\$\{?(\w+)\}?$/.exec(named)?.[1];
  return (variable ? process.env[variable] : expandHome(named)) || undefined;
}

function files(list: string): string[] {
  return list
    .split(/\s+/)
    .filter((file) => file !== '' && file !== 'none')
    .map(expandHome);
}

function secondsOf(value: string | undefined): number | undefined {
  const seconds = Number(value);
  return seconds > 0 ? seconds * 1000 : undefined;
}

function expandHome(path: string): string {
  return path.replace(/^(~|%d|\$\{HOME\})(?=\/|$)/, homedir());
}

function isTrue(value: unknown): boolean {
  return value === true || value === 1 || /^(yes|true|on|1)$/i.test(String(value));
}
