import { InputError } from '../errors.ts';
import type { Group } from './inventory.ts';

export type Groups = Map<string, Group>;

/** The groups that every inventory has. */
export function newGroups(): Groups {
  const groups: Groups = new Map();
  addGroup(groups, 'all');
  addGroup(groups, 'ungrouped');
  addChild(groups, 'all', 'ungrouped', {});
  return groups;
}

export function addGroup(groups: Groups, name: string): void {
  if (groups.has(name)) return;
  groups.set(name, { name, hosts: [], children: [], vars: new Map(), priority: 1, depth: 0 });
}

/**
 * Puts a group under another one.
 * @throws {InputError} if the parent is the child itself or one of its descendants
 */
export function addChild(groups: Groups, parent: string, child: string, place: { file?: string; line?: number }): void {
  const next = 'Take one of the groups out of the other; a group is never, not even through others, its own child';
  if (parent === child) throw new InputError(`The group '${child}' is made a child of itself`, { ...place, next });
  const { children } = groups.get(parent)!;
  if (children.includes(child)) return;
  if (descendants(groups, child).includes(parent)) {
    throw new InputError(`The groups '${parent}' and '${child}' are children of each other`, { ...place, next });
  }
  children.push(child);
}

/** A group and all groups below it, breadth first, each once. */
export function descendants(groups: ReadonlyMap<string, Group>, name: string): string[] {
  const seen = new Set([name]);
  // A set is walked in the order in which it grows.
  for (const next of seen) for (const child of groups.get(next)?.children ?? []) seen.add(child);
  return [...seen];
}

/** Direct parents of every group. */
export function parentsOf(groups: ReadonlyMap<string, Group>): Map<string, string[]> {
  const parents = new Map<string, string[]>([...groups.keys()].map((name) => [name, []]));
  for (const { name, children } of groups.values()) for (const child of children) parents.get(child)!.push(name);
  return parents;
}

/** Groups together with all groups above them. */
export function withAncestors(parents: ReadonlyMap<string, string[]>, names: Iterable<string>): Set<string> {
  const seen = new Set(names);
  for (const name of seen) for (const parent of parents.get(name) ?? []) seen.add(parent);
  return seen;
}

/** Sets each group's depth: its longest way from `all`, where a child stands below each of its parents. */
export function setDepths(groups: Groups, parents: ReadonlyMap<string, string[]>): void {
  const waiting = new Map([...parents].map(([name, above]) => [name, above.length]));
  const ready = [...groups.values()].filter(({ name }) => waiting.get(name) === 0);
  for (const group of ready) {
    for (const name of group.children) {
      const child = groups.get(name)!;
      child.depth = Math.max(child.depth, group.depth + 1);
      const left = waiting.get(name)! - 1;
      waiting.set(name, left);
      if (left === 0) ready.push(child);
    }
  }
}

/** From least to most specific, as later ones override earlier ones: `all`, then by depth, priority and name. */
export function byPrecedence(a: Group, b: Group): number {
  if (a.name === 'all' || b.name === 'all') return a.name === 'all' ? -1 : 1;
  return a.depth - b.depth || a.priority - b.priority || (a.name < b.name ? -1 : 1);
}
