import { InputError } from '../errors.ts';
import {
  addChild,
  addGroup,
  byPrecedence,
  descendants,
  type Groups,
  newGroups,
  parentsOf,
  setDepths,
  withAncestors,
} from './groups.ts';
import { implicitVars } from './implicit.ts';
import type { Host, Inventory, Variable, Warning } from './inventory.ts';
import type { Assignment, IniDocument, Statement } from './parse-ini.ts';
import { attachToAll, settleUngrouped } from './settle.ts';

interface Draft {
  hosts: Map<string, Host>;
  groups: Groups;
  warnings: Warning[];
  /** Where each host stands first. */
  firstSeen: Map<string, Place>;
}

interface Place {
  file: string;
  line: number;
}

/** A group that a file has used but not declared yet. */
interface Pending {
  line: number;
  usedBy: 'vars' | 'children';
  parents: string[];
}

/**
 * Puts inventories together in their order, as Ansible does with several `-i`: hosts and groups add up, and of two values
 * of one variable in the same group or host the later one stays.
 *
 * @throws {InputError} for groups that are used and not declared, and for groups within themselves
 */
export function assembleInventory(documents: readonly IniDocument[]): Inventory {
  const draft: Draft = { hosts: new Map(), groups: newGroups(), warnings: [], firstSeen: new Map() };
  for (const document of documents) {
    draft.warnings.push(...document.warnings);
    addDocument(draft, document);
  }
  const { hosts, groups, warnings } = draft;
  attachToAll(groups);
  const parents = parentsOf(groups);
  settleUngrouped(hosts, groups, parents);
  setDepths(groups, parents);
  warnOfSharedNames(draft);

  const inventory: Inventory = {
    hosts,
    groups,
    warnings,
    sources: documents.map(({ file }) => file),
    hostsOf: (name) => [...new Set(descendants(groups, name).flatMap((group) => groups.get(group)?.hosts ?? []))],
    groupsOf: (name) => {
      const host = hosts.get(name);
      // In no group, it has the variables of all, as in Ansible.
      if (!host) return implicitVars(name) ? ['all'] : [];
      const names = withAncestors(parents, ['all', ...host.groups]);
      return [...names]
        .map((group) => groups.get(group)!)
        .sort(byPrecedence)
        .map((group) => group.name);
    },
    groupVarsOf: (name) => new Map(groups.get(name)?.vars ?? []),
    varsOf: (name) => {
      const layers = inventory.groupsOf(name).map((group) => groups.get(group)!.vars);
      return new Map([...layers, hosts.get(name)?.vars ?? implicitVars(name) ?? []].flatMap((layer) => [...layer]));
    },
  };
  return inventory;
}

function addDocument(draft: Draft, { file, statements }: IniDocument): void {
  const pending = new Map<string, Pending>();
  for (const statement of statements) {
    const { line, group } = statement;
    switch (statement.kind) {
      case 'section':
        openSection(draft.groups, pending, statement, { file, line });
        break;
      case 'hosts':
        for (const host of statement.hosts) addHost(draft, host, statement, file);
        break;
      case 'variable':
        setVariable(draft, group, statement.variable, { file, line });
        break;
      case 'child': {
        if (statement.child === 'all') {
          const next = `Every group is in 'all' as it is; take the line out`;
          throw new InputError(`'all' cannot be a child of '${group}'`, { file, line, next });
        }
        if (draft.groups.has(statement.child)) addChild(draft.groups, group, statement.child, { file, line });
        else {
          const known = pending.get(statement.child);
          if (known) known.parents.push(group);
          else pending.set(statement.child, { line, usedBy: 'children', parents: [group] });
        }
      }
    }
  }
  for (const [name, { line, usedBy, parents }] of pending) {
    const message =
      usedBy === 'vars'
        ? `The section [${name}:vars] is about a group that is not declared`
        : `The section [${parents.at(-1)}:children] names the group '${name}', which is not declared`;
    throw new InputError(message, {
      file,
      line,
      next: `Add a section [${name}] (it may be empty), or correct the name`,
    });
  }
}

function openSection(
  groups: Groups,
  pending: Map<string, Pending>,
  { group, of, line }: Extract<Statement, { kind: 'section' }>,
  place: Place,
): void {
  if (!groups.has(group)) {
    if (of === 'vars' && !pending.has(group)) pending.set(group, { line, usedBy: 'vars', parents: [] });
    addGroup(groups, group);
  }
  // [group:vars] alone declares nothing.
  if (of === 'vars') return;
  // A child takes its place among its parent's children where it is declared, not where it is first named.
  for (const parent of pending.get(group)?.parents ?? []) addChild(groups, parent, group, place);
  pending.delete(group);
}

function addHost(draft: Draft, name: string, line: Extract<Statement, { kind: 'hosts' }>, file: string): void {
  const place = { file, line: line.line };
  const { port } = line;
  let host = draft.hosts.get(name);
  if (!host) {
    host = { name, vars: new Map(), groups: [] };
    draft.hosts.set(name, host);
    draft.firstSeen.set(name, place);
    if (port) {
      host.port = port;
      host.vars.set(
        'ansible_port',
        variable({ name: 'ansible_port', value: port, raw: `${port}` }, place, `host ${name}`),
      );
    }
  } else if (port !== undefined && port !== host.port) {
    const message = `the port ${port} is not used: '${name}' stands further up ${host.port ? `with port ${host.port}` : 'without a port'}`;
    draft.warnings.push({ message: `${message}; set ansible_port=${port} instead`, ...place });
  }
  if (!host.groups.includes(line.group)) {
    host.groups.push(line.group);
    draft.groups.get(line.group)!.hosts.push(name);
  }
  for (const assignment of line.vars) setVariable(draft, name, assignment, place);
}

/** Sets a variable of a group or, if there is no group of that name, of a host: Ansible looks in this order. */
function setVariable(draft: Draft, owner: string, assignment: Assignment, place: Place): void {
  const group = draft.groups.get(owner);
  if (group && assignment.name === 'ansible_group_priority') {
    group.priority = priority(assignment, place);
  } else if (group) {
    group.vars.set(assignment.name, variable(assignment, place, `group ${owner}`));
  } else {
    draft.hosts.get(owner)!.vars.set(assignment.name, variable(assignment, place, `host ${owner}`));
  }
}

function variable({ name, value, raw, line = 0 }: Assignment, place: Place, scope: string): Variable {
  return { name, value, raw, origin: { file: place.file, line: line || place.line, scope } };
}

/** As Python's `int()` takes it: a whole number, the text of one, or a float cut to one. */
function priority({ value }: Assignment, place: Place): number {
  const isText = typeof value === 'string' && /^\s*[+-]?\d+(_\d+)*\s*$/.test(value);
  const isNumber = ['number', 'bigint', 'boolean'].includes(typeof value);
  const number = isText ? Number(value.replaceAll('_', '')) : isNumber ? Math.trunc(Number(value)) : Number.NaN;
  if (Number.isFinite(number)) return number;
  const next = 'Give a whole number; 1 is the default';
  throw new InputError('ansible_group_priority is not a number', { ...place, next });
}

function warnOfSharedNames({ groups, firstSeen, warnings }: Draft): void {
  for (const [name, place] of firstSeen) {
    if (!groups.has(name)) continue;
    const message = `'${name}' is the name of a host and of a group: variables on the host's line may go to the group`;
    warnings.push({ message: `${message}; give one of them another name`, ...place });
  }
}
