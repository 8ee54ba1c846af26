import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { keyFileOf, knownHostsOf } from './ssh.ts';
import type { HostRecord, LabRecord } from './state.ts';
import type { LabUser } from './users.ts';

export interface InventoryOptions {
  /** Names of the hosts to list, in that order; all of the lab when not said. */
  hosts?: readonly string[];
  /** The group they stand in; `etcd` when not said. */
  group?: string;
  /** Who logs in; root when not said. */
  user?: LabUser;
  /** Further lines of the group's `:vars` section, as they are; one with a name the lab sets replaces it. */
  vars?: Readonly<Record<string, string>>;
}

/** An inventory of a lab's hosts, in the form Ansible and `play` both read. Pure. */
export function renderInventory(lab: LabRecord, options: InventoryOptions = {}): string {
  const group = options.group ?? 'etcd';
  const listed =
    options.hosts?.map((name) => lab.hosts.find((h) => h.name === name) ?? unknown(lab, name)) ?? lab.hosts;
  const vars = {
    ansible_user: options.user ?? 'root',
    ansible_ssh_private_key_file: keyFileOf(lab.name),
    ansible_ssh_common_args: `-o UserKnownHostsFile=${knownHostsOf(lab.name)} -o StrictHostKeyChecking=yes`,
    ansible_python_interpreter: '/usr/bin/python3',
    ...options.vars,
  };
  return [
    `# Written by the lab "${lab.name}"; its \`down\` removes this file.`,
    `[${group}]`,
    ...listed.map((h) => `${h.name} ansible_host=${h.address}`),
    '',
    `[${group}:vars]`,
    ...Object.entries(vars).map(([name, value]) => `${name}=${value}`),
    '',
  ].join('\n');
}

export async function writeInventory(path: string, lab: LabRecord, options: InventoryOptions = {}): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, renderInventory(lab, options));
}

function unknown(lab: LabRecord, name: string): HostRecord {
  throw new Error(`lab "${lab.name}" has no host ${name} to list in an inventory`);
}
