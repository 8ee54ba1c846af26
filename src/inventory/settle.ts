import { addChild, type Groups, parentsOf, withAncestors } from './groups.ts';
import type { Host } from './inventory.ts';

/** Every group without a parent stands under `all`. */
export function attachToAll(groups: Groups): void {
  const parents = parentsOf(groups);
  for (const [name, above] of parents) if (name !== 'all' && above.length === 0) addChild(groups, 'all', name, {});
}

/** A host is in `ungrouped` if, and only if, it is in no other group but `all`. */
export function settleUngrouped(
  hosts: ReadonlyMap<string, Host>,
  groups: Groups,
  parents: ReadonlyMap<string, string[]>,
): void {
  const ungrouped = groups.get('ungrouped')!;
  for (const host of hosts.values()) {
    const elsewhere = [...withAncestors(parents, host.groups)].some((name) => name !== 'all' && name !== 'ungrouped');
    if (host.groups.includes('ungrouped')) {
      if (elsewhere) host.groups = host.groups.filter((name) => name !== 'ungrouped');
    } else if (!elsewhere) {
      host.groups.push('ungrouped');
      ungrouped.hosts.push(host.name);
    }
  }
  ungrouped.hosts = ungrouped.hosts.filter((name) => hosts.get(name)!.groups.includes('ungrouped'));
}
