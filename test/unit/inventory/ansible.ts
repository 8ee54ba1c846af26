import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Inventory } from '../../../src/inventory/inventory.ts';

// No configuration of the machine's own, and no other plugin that might read what the INI plugin refuses.
const env = {
  ...process.env,
  ANSIBLE_CONFIG: fileURLToPath(new URL('fixtures/ansible.cfg', import.meta.url)),
  ANSIBLE_INVENTORY_ENABLED: 'host_list,ini',
  ANSIBLE_LOCALHOST_WARNING: 'false',
  LC_ALL: 'C.UTF-8',
};

function which(command: string): string | undefined {
  const found = spawnSync('/bin/sh', ['-c', `command -v ${command}`], { encoding: 'utf8' });
  return found.status === 0 ? found.stdout.trim() : undefined;
}

export const ansibleInventory = which('ansible-inventory');
export const python = which('python3');
/** The interpreter that can import ansible. */
export const ansiblePython =
  ansibleInventory && (/^#!\s*(\S+)\s*$/m.exec(readFileSync(ansibleInventory, 'utf8'))?.[1] ?? python);

/** A test's name, or why it is left out. */
export function orAbsent(name: string, tool: string | undefined, what: string): string {
  return tool ? name : `${name} (left out: ${what} is not installed)`;
}

/** What `ansible-inventory --list` makes of the sources, and which of them it could not parse. */
export function askAnsible(sources: string[]): { listing: unknown; refused: string[] } {
  const args = [...sources.flatMap((source) => ['-i', source]), '--list'];
  const { stdout, stderr, status } = spawnSync(ansibleInventory!, args, {
    encoding: 'utf8',
    env,
    timeout: 20_000,
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(stderr);
  // Warnings are wrapped at the width of a terminal.
  const flat = stderr.replace(/\s/g, '');
  const refused = sources.filter((source) => flat.includes(`Unabletoparse${source}asaninventorysource`));
  return { listing: JSON.parse(stdout), refused };
}

/** What `ansible-inventory` prints, with all its plugins for files. */
export function ansibleSays(args: readonly string[], cwd: string): string {
  const options = { encoding: 'utf8', cwd, timeout: 20_000, maxBuffer: 1 << 28 } as const;
  const all = {
    ...env,
    ANSIBLE_INVENTORY_ENABLED: 'host_list,yaml,ini',
    ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED: 'true',
  };
  const { stdout, stderr, status } = spawnSync(ansibleInventory!, args, { ...options, env: all });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

/** Encrypts with `ansible-vault`: a text, or, given a name, a `!vault` line of YAML. */
export function encrypt(
  text: string,
  passwordFile: string,
  { label, name }: { label?: string; name?: string },
): string {
  const password =
    label === undefined ? ['--vault-password-file', passwordFile] : ['--vault-id', `${label}@${passwordFile}`];
  const command = name === undefined ? ['encrypt'] : ['encrypt_string', '--stdin-name', name];
  const ansibleVault = ansibleInventory!.replace(/inventory$/, 'vault');
  return `${execFileSync(ansibleVault, [...command, ...password], { encoding: 'utf8', env, input: text, stdio: ['pipe', 'pipe', 'ignore'] }).trimEnd()}\n`;
}

/** Runs a Python script that turns JSON on its input into JSON on its output. */
export function askPython(interpreter: string, script: string, input: unknown): unknown {
  const options = { encoding: 'utf8', env, input: JSON.stringify(input), timeout: 20_000, maxBuffer: 1 << 28 } as const;
  return JSON.parse(execFileSync(interpreter, ['-W', 'ignore', '-c', script], options));
}

/** Names that `ansible-inventory` never prints. */
const INTERNAL = new Set(['groups', 'group_names', 'inventory_dir', 'inventory_file', 'inventory_hostname', 'omit']);

/** Our inventory in the shape of `ansible-inventory --list`. */
export function listing(inventory: Inventory): unknown {
  const result: Record<string, unknown> = {};
  for (const { name, hosts, children } of inventory.groups.values()) {
    const own = name === 'all' ? [] : hosts;
    if (own.length + children.length === 0) continue;
    result[name] = { ...(own.length > 0 && { hosts: own }), ...(children.length > 0 && { children }) };
  }
  const hostvars = inventory
    .hostsOf('all')
    .map((host) => [host, [...inventory.varsOf(host).values()].filter(({ name }) => !INTERNAL.has(name))] as const)
    .filter(([, vars]) => vars.length > 0)
    .map(([host, vars]) => [host, Object.fromEntries(vars.map(({ name, value }) => [name, value]))]);
  const whole = { ...result, _meta: { hostvars: Object.fromEntries(hostvars) } };
  // JSON.parse rounds what Ansible prints of a big integer, so ours is rounded too.
  return JSON.parse(JSON.stringify(whole, (_, value) => (typeof value === 'bigint' ? Number(value) : value)));
}
