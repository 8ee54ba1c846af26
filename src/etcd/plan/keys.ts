import type { PlanStep, Refusal } from './plan.ts';

/** What is to be deleted, as it was found. */
export interface KeysFound {
  cluster: string;
  clusterId: string;
  /** As people write it; empty for all keys. */
  name: string;
  isPrefix: boolean;
  count: number;
  /** How many of them belong to leases, and of how many. */
  leased: number;
  leases: number;
  /** Where they will be saved. */
  folder: string;
}

export type KeysPlan =
  | { kind: 'refused'; refusals: Refusal[] }
  | { kind: 'nothing'; summary: string }
  | {
      kind: 'plan';
      title: string;
      steps: PlanStep[];
      warnings: string[];
      confirm?: { question: string; word: string };
    };

const keys = (count: number) => (count === 1 ? '1 key' : `${count} keys`);

/** What deleting keys comes to: a copy of each first, then each as it was saved. Pure. */
export function planDeleteKeys(found: KeysFound): KeysPlan {
  const { cluster, clusterId, name, isPrefix, count, leased, leases, folder } = found;
  if (name === '') {
    const reason = 'all keys of a cluster are not deleted by this playbook';
    return { kind: 'refused', refusals: [{ reason, next: 'Name a prefix: -e prefix=/registry/pods/default/' }] };
  }
  if (count === 0)
    return { kind: 'nothing', summary: isPrefix ? `no key begins with ${name}` : `there is no key ${name}` };
  const what = isPrefix ? `${keys(count)} that ${count === 1 ? 'begins' : 'begin'} with ${name}` : `the key ${name}`;
  const effect = { hosts: [], quorum: 'needed' };
  const steps: PlanStep[] = [
    {
      ...effect,
      does: `save ${keys(count)} with their values in ${folder}, readable for you alone`,
      undo: 'delete the file',
    },
    {
      ...effect,
      does: `delete ${count === 1 ? 'it' : 'them'}; what is written meanwhile stays`,
      undo: 'play keys_etcd -e undo=FILE',
    },
    { ...effect, does: 'see that nothing is left', undo: 'not needed' },
  ];
  const of = leases === 1 ? 'a lease' : `${leases} leases`;
  const warnings = [
    ...(isPrefix && !/[^\w.-]$/.test(name) ? [`a prefix is no folder: ${name}… goes, whatever follows`] : []),
    ...(leased > 0
      ? [
          `${keys(leased)} ${leased === 1 ? 'belongs' : 'belong'} to ${of}: undone, they are under it again only while it lives`,
        ]
      : []),
    ...(name.startsWith('/registry/')
      ? [
          'Kubernetes hears of it as of any deletion, and asks no finalizer: what the object stood for (volumes, processes) stays',
        ]
      : []),
  ];
  const title = `delete ${what} from the cluster ${cluster} (${clusterId})`;
  return {
    kind: 'plan',
    title,
    steps,
    warnings,
    confirm: { question: title, word: isPrefix ? String(count) : 'delete' },
  };
}

export interface UndoFound {
  cluster: string;
  clusterId: string;
  file: string;
  savedOf: { name: string; id: string };
  count: number;
  missing: number;
  same: number;
  /** Keys that have another value by now, as people write them. */
  other: readonly string[];
  endedLeases: number;
  force: boolean;
}

const SHOWN = 10;

/** What putting saved keys back comes to. Pure. */
export function planUndoKeys(found: UndoFound): KeysPlan {
  const { cluster, clusterId, file, savedOf, count, missing, same, other, endedLeases, force } = found;
  const refusals: Refusal[] = [];
  if (savedOf.id !== clusterId && !force) {
    const reason = `${file} was saved from the cluster ${savedOf.name} (${savedOf.id}), and this is ${cluster} (${clusterId})`;
    refusals.push({
      reason,
      next: 'Name the inventory of that one; -e force=true puts them into this one all the same.',
    });
  }
  if (other.length > 0 && !force) {
    const named = other.slice(0, SHOWN).join(', ') + (other.length > SHOWN ? ' …' : '');
    const reason = `${keys(other.length)} ${other.length === 1 ? 'has' : 'have'} another value by now: ${named}`;
    refusals.push({
      reason,
      next: '-e force=true overwrites them with what was saved; delete them first to have a copy.',
    });
  }
  if (refusals.length > 0) return { kind: 'refused', refusals };
  const due = missing + other.length;
  if (due === 0) return { kind: 'nothing', summary: `all ${count} are there as they were saved` };
  const title = `put ${keys(due)} of ${file} back into the cluster ${cluster} (${clusterId})`;
  const step = {
    hosts: [],
    does: `write ${keys(missing)} that ${missing === 1 ? 'is' : 'are'} missing${other.length > 0 ? `, and overwrite ${keys(other.length)}` : ''}${same > 0 ? `; ${same} are there already` : ''}`,
    quorum: 'needed',
    undo: 'delete them again',
  };
  const warnings =
    endedLeases > 0
      ? [
          `${endedLeases === 1 ? 'a lease has' : `${endedLeases} leases have`} ended: their keys come back without one, and for good`,
        ]
      : [];
  const overwrites = other.length > 0 || savedOf.id !== clusterId;
  return {
    kind: 'plan',
    title,
    steps: [step],
    warnings,
    ...(overwrites && { confirm: { question: title, word: 'undo' } }),
  };
}
