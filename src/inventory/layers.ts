import { implicitVars } from './implicit.ts';
import type { Inventory } from './inventory.ts';
import type { VariableFolder, Variables } from './variable-files.ts';

export interface Layers {
  /** Beside the inventory sources, in the order of these. */
  inventory: readonly VariableFolder[];
  /** Beside the playbook. */
  playbook: readonly VariableFolder[];
  /** From `-e`: above all others. */
  extra: Variables;
}

/**
 * Lays variable files and `-e` over an inventory, in Ansible's order, where later ones win: the inventory's own variables
 * of all groups; `group_vars/all` beside the inventory, then beside the playbook; the other `group_vars` likewise; the host's
 * own; `host_vars` beside the inventory, then beside the playbook; `-e`. Of several directories a later one stands above an
 * earlier one for all groups, however deep.
 *
 * Source: "Variable precedence: where should I put a variable?", Ansible's user guide.
 */
export function withLayers(base: Inventory, { inventory, playbook, extra }: Layers): Inventory {
  const folders = [...inventory, ...playbook];
  if (extra.size === 0 && folders.every(({ groups, hosts }) => groups.size === 0 && hosts.size === 0)) return base;
  const merged = (layers: Iterable<Variables | undefined>): Variables =>
    new Map([...layers].flatMap((layer) => [...(layer ?? [])]));
  return {
    ...base,
    groupVarsOf: (group) => merged([base.groups.get(group)?.vars, ...folders.map(({ groups }) => groups.get(group))]),
    varsOf: (host) => {
      const groups = base.groupsOf(host);
      const others = groups.filter((group) => group !== 'all');
      return merged([
        ...groups.map((group) => base.groups.get(group)!.vars),
        ...folders.map((folder) => folder.groups.get('all')),
        ...folders.flatMap((folder) => others.map((group) => folder.groups.get(group))),
        base.hosts.get(host)?.vars ?? implicitVars(host),
        ...folders.map((folder) => folder.hosts.get(host)),
        extra,
      ]);
    },
  };
}
