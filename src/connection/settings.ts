import { readFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../errors.ts';
import { Secret } from '../secret.ts';

/** Where a host is and how to get in, read from Ansible's own connection variables. */
export interface ConnectionSettings {
  host: string;
  address: string;
  port: number;
  user: string;
  password: Secret | undefined;
  keyFiles: string[];
  /** Only the named keys are tried (`IdentitiesOnly`). */
  identitiesOnly: boolean;
  knownHostsFiles: string[];
  hostKeyChecking: 'strict' | 'off';
  connectTimeoutMs: number;
  become: boolean;
  becomeUser: string;
  becomePassword: Secret | undefined;
  local: boolean;
}

type Variables = ReadonlyMap<string, { value: unknown; origin: { file: string; line: number } }>;

export interface ConnectionDefaults {
  /** Whether the playbook needs root. */
  become: boolean;
  /** The answer to `-K`, used where the inventory gives no password. */
  becomePassword?: Secret;
}

const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** @throws InputError naming the variable's file and line. */
export function connectionSettings(host: string, vars: Variables, defaults: ConnectionDefaults): ConnectionSettings {
  const text = (...names: string[]) => {
    for (const name of names) {
      const found = vars.get(name);
      if (found !== undefined && found.value !== null && found.value !== '') return String(found.value);
    }
    return undefined;
  };
  const options = sshOptions(host, vars);
  const secret = (value: string | undefined) => (value === undefined ? undefined : new Secret(value));
  const keyFile = text('ansible_ssh_private_key_file', 'ansible_private_key_file') ?? options.get('identityfile');
  const become = vars.get('ansible_become')?.value;
  return {
    host,
    address: text('ansible_host', 'ansible_ssh_host') ?? host,
    port: portOf(host, vars, options.get('port')),
    user: text('ansible_user', 'ansible_ssh_user') ?? options.get('user') ?? userInfo().username,
    password: secret(text('ansible_password', 'ansible_ssh_pass')),
    keyFiles: keyFile ? [expandHome(keyFile)] : DEFAULT_KEYS.map((name) => join(homedir(), '.ssh', name)),
    identitiesOnly: keyFile !== undefined,
    knownHostsFiles: (options.get('userknownhostsfile')?.split(/\s+/) ?? ['~/.ssh/known_hosts'])
      .map(expandHome)
      .concat('/etc/ssh/ssh_known_hosts'),
    hostKeyChecking: /^(no|off)$/i.test(options.get('stricthostkeychecking') ?? '') ? 'off' : 'strict',
    connectTimeoutMs: Number(options.get('connecttimeout') ?? 10) * 1000 || 10_000,
    become: become === undefined ? defaults.become : isTrue(become),
    becomeUser: text('ansible_become_user') ?? 'root',
    becomePassword:
      secret(text('ansible_become_password', 'ansible_become_pass', 'ansible_sudo_pass')) ?? defaults.becomePassword,
    local: text('ansible_connection') === 'local',
  };
}

function portOf(host: string, vars: Variables, fromOptions: string | undefined): number {
  const given = vars.get('ansible_port') ?? vars.get('ansible_ssh_port');
  const port = Number(given?.value ?? fromOptions ?? 22);
  if (Number.isInteger(port) && port > 0 && port < 65536) return port;
  throw new InputError(`ansible_port is not a port: ${String(given?.value ?? fromOptions)}`, {
    host,
    ...(given ? { file: given.origin.file, line: given.origin.line } : {}),
    next: 'Give a number from 1 to 65535.',
  });
}

/** The `-o Name=value`, `-i FILE`, `-p PORT` and `-l USER` that stand in Ansible's ssh argument variables. */
function sshOptions(host: string, vars: Variables): Map<string, string> {
  const options = new Map<string, string>();
  for (const name of ['ansible_ssh_extra_args', 'ansible_ssh_common_args', 'ansible_ssh_args']) {
    const given = vars.get(name);
    if (given === undefined || given.value === null) continue;
    const words = splitArguments(String(given.value));
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      const flag = word.slice(0, 2);
      const take = () => (word.length > 2 ? word.slice(2) : (words[++i] ?? ''));
      const set = (key: string, value: string) => {
        if (!options.has(key.toLowerCase())) options.set(key.toLowerCase(), value);
      };
      if (flag === '-o') {
        const [key, ...value] = take().split(/[=\s]/);
        set(key!, value.join('=').replace(/^"(.*)"$/, '$1'));
      } else if (flag === '-i') set('identityfile', take());
      else if (flag === '-p') set('port', take());
      else if (flag === '-l') set('user', take());
      else if (/^-[46AaCqTtvxXYk]+$/.test(word)) continue;
      else {
        throw new InputError(`${name} holds ${word}, which is not understood yet`, {
          host,
          file: given.origin.file,
          line: given.origin.line,
          next: 'Understood are -o Name=value, -i FILE, -p PORT and -l USER.',
        });
      }
    }
  }
  for (const name of ['proxyjump', 'proxycommand']) {
    if (options.has(name)) {
      throw new InputError(`jump hosts (${name}) are not supported yet`, { host, next: 'Reach the host directly.' });
    }
  }
  return options;
}

function splitArguments(text: string): string[] {
  return [...text.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map((match) =>
    match[0].replace(/"([^"]*)"|'([^']*)'/g, (_, double, single) => double ?? single),
  );
}

function expandHome(path: string): string {
  return path.replace(/^~(?=\/|$)/, homedir());
}

function isTrue(value: unknown): boolean {
  return value === true || value === 1 || /^(yes|true|on|1)$/i.test(String(value));
}

/** The private key's text, or undefined where there is no such file. @throws InputError when it cannot be read. */
export function readKeyFile(file: string, host: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new InputError(`the private key ${file} cannot be read`, { host, cause, next: `Check the mode of ${file}.` });
  }
}
