import type { Variable } from './inventory.ts';

/** Names of this machine that need no line in the inventory, as Ansible's `C.LOCALHOST`. */
export const IMPLICIT_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '::1'];

/**
 * The variables of this machine, where the inventory does not name it: it is there for whoever says its name, and in no
 * group, `all` neither. Undefined for any other name.
 */
export function implicitVars(name: string): Map<string, Variable> | undefined {
  if (!IMPLICIT_HOSTS.includes(name)) return undefined;
  const origin = { file: 'implicit localhost', line: 0, scope: `host ${name}` };
  return new Map([['ansible_connection', { name: 'ansible_connection', value: 'local', raw: 'local', origin }]]);
}
