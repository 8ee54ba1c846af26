import { InputError } from '../errors.ts';
import { Secret } from '../secret.ts';
import { implicitVars } from './implicit.ts';
import type { Inventory, Variable } from './inventory.ts';
import { suggest } from './suggest.ts';
import { byCodePoint } from './variable-files.ts';
import { VaultValue } from './vault.ts';

/** Names that `ansible-inventory` never prints: Ansible sets them itself. */
const INTERNAL = new Set([
  'ansible_diff_mode',
  'ansible_config_file',
  'ansible_facts',
  'ansible_forks',
  'ansible_inventory_sources',
  'ansible_limit',
  'ansible_playbook_python',
  'ansible_run_tags',
  'ansible_skip_tags',
  'ansible_verbosity',
  'ansible_version',
  'group_names',
  'groups',
  'inventory_dir',
  'inventory_file',
  'inventory_hostname',
  'inventory_hostname_short',
  'omit',
  'playbook_dir',
]);

type Vars = ReadonlyMap<string, Variable>;

/** What `ansible-inventory --list` prints: groups with hosts and children, and `_meta.hostvars`. */
export function listInventory(inventory: Inventory): Record<string, unknown> {
  const listed = new Map<string, unknown>();
  for (const { name, hosts, children } of inventory.groups.values()) {
    const own = name === 'all' ? [] : hosts;
    if (own.length + children.length === 0) continue;
    listed.set(name, { ...(children.length > 0 && { children }), ...(own.length > 0 && { hosts: own }) });
  }
  const hostvars = inventory
    .hostsOf('all')
    .map((host) => [host, printable(inventory.varsOf(host))] as const)
    .filter(([, vars]) => Object.keys(vars).length > 0);
  return Object.fromEntries([...listed, ['_meta', { hostvars: Object.fromEntries(hostvars) }]]);
}

/** What `ansible-inventory --host` prints of one host. */
export function listHost(inventory: Inventory, host: string): Record<string, unknown> {
  if (inventory.hosts.has(host) || implicitVars(host)) return printable(inventory.varsOf(host));
  const near = suggest(host, inventory.hosts.keys());
  const next = near === undefined ? 'play inventory --graph shows the hosts there are' : `Did you mean '${near}'?`;
  throw new InputError(`No host is named '${host}'`, { next });
}

/** What `ansible-inventory --graph` prints: the tree below a group, with variables if they are asked for. */
export function graphInventory(inventory: Inventory, top: string, withVars: boolean): string {
  if (!inventory.groups.has(top)) {
    const near = suggest(top, inventory.groups.keys());
    const next = near === undefined ? 'Leave the name out to see all groups' : `Did you mean '${near}'?`;
    throw new InputError(`No group is named '${top}'`, { next });
  }
  const lines: string[] = [];
  const add = (text: string, depth: number) => lines.push(depth === 0 ? text : `${'  |'.repeat(depth)}--${text}`);
  const addVars = (vars: Vars, depth: number) => {
    if (!withVars) return;
    for (const [name, value] of Object.entries(printable(vars)).sort(([a], [b]) => byCodePoint(a, b))) {
      add(`{${name} = ${pythonText(value)}}`, depth);
    }
  };
  const addGroup = (name: string, depth: number) => {
    const { children, hosts, priority } = inventory.groups.get(name)!;
    add(`@${name}:`, depth);
    for (const child of children) addGroup(child, depth + 1);
    if (name !== 'all') {
      for (const host of hosts) {
        add(host, depth + 1);
        addVars(inventory.varsOf(host), depth + 2);
      }
    }
    const vars = inventory.groupVarsOf(name);
    if (priority !== 1) {
      const origin = { file: '', line: 0, scope: `group ${name}` };
      vars.set('ansible_group_priority', {
        name: 'ansible_group_priority',
        value: priority,
        raw: `${priority}`,
        origin,
      });
    }
    addVars(vars, depth + 1);
  };
  addGroup(top, 0);
  return lines.join('\n');
}

/** JSON as Python writes it with four spaces and sorted keys; secrets as what may be seen of them. */
export function pythonJson(value: unknown, indent = ''): string {
  const deeper = `${indent}    `;
  if (value instanceof VaultValue) return pythonJson({ __ansible_vault: value.cipherText }, indent);
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (value === null || typeof value !== 'object' || value instanceof Secret) {
    // A line separator, which JSON.stringify leaves as it is, Python leaves too; DEL and above likewise.
    return JSON.stringify(value);
  }
  const isList = Array.isArray(value);
  const parts = isList
    ? value.map((item) => pythonJson(item, deeper))
    : Object.entries(value)
        .sort(([a], [b]) => byCodePoint(a, b))
        .map(([name, item]) => `${JSON.stringify(name)}: ${pythonJson(item, deeper)}`);
  const [open, close] = isList ? '[]' : '{}';
  if (parts.length === 0) return `${open}${close}`;
  return `${open}\n${parts.map((part) => deeper + part).join(',\n')}\n${indent}${close}`;
}

function printable(vars: Vars): Record<string, unknown> {
  return Object.fromEntries(
    [...vars].filter(([name]) => !INTERNAL.has(name)).map(([name, { value }]) => [name, value]),
  );
}

/** A value as Python's `str` shows it: text as it is, and quoted within lists and dicts. */
function pythonText(value: unknown, within = false): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (Array.isArray(value)) return `[${value.map((item) => pythonText(item, true)).join(', ')}]`;
  if (typeof value === 'string') return within ? pythonQuoted(value) : value;
  if (typeof value !== 'object' || value instanceof Secret) return String(value);
  const entries = Object.entries(value).map(([name, item]) => `${pythonQuoted(name)}: ${pythonText(item, true)}`);
  return `{${entries.join(', ')}}`;
}

function pythonQuoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
    .replaceAll(quote, `\\${quote}`);
  return quote + escaped + quote;
}
