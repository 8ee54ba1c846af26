import type { PlanStep, Refusal } from './plan.ts';

export const extraPolicies = ['refuse', 'keep', 'delete'] as const;
export type ExtraPolicy = (typeof extraPolicies)[number];

/** What both sides hold, before anything is copied. */
export interface MirrorFound {
  from: { name: string; id: string };
  to: { name: string; id: string };
  /** As people write them; empty for all keys. */
  prefix: string;
  destPrefix: string;
  /** A key of one may be a key of the other. */
  overlaps: boolean;
  /** Of the source. */
  keys: number;
  leased: number;
  /** They have no name over there: nothing is left of it without the prefix. */
  nameless: number;
  isKubernetes: boolean;
  missing: number;
  /** Keys over there that have another value, and those that the source does not have: how many, and some by name. */
  other: number;
  extra: number;
  namedExtra: readonly string[];
  policy: ExtraPolicy;
  /** In words: how long changes are followed. */
  follow: string | undefined;
  folder: string;
}

export type MirrorPlan =
  | { kind: 'refused'; refusals: Refusal[] }
  | {
      kind: 'plan';
      title: string;
      steps: PlanStep[];
      warnings: string[];
      /** Where values of the other side go. */
      confirm?: { question: string; word: string };
      saves: boolean;
    };

const keys = (count: number) => (count === 1 ? '1 key' : `${count} keys`);

/** What mirroring comes to, with what would be lost on the other side. Pure. */
export function planMirror(found: MirrorFound): MirrorPlan {
  const { from, to, prefix, destPrefix, missing, other, extra, policy, follow, folder } = found;
  const refusals: Refusal[] = [];
  if (from.id === to.id && found.overlaps) {
    refusals.push({
      reason: `${to.name} is the same cluster (${to.id}): its keys would be mirrored onto themselves`,
      next: 'Name another cluster, or a dest_prefix that is no part of prefix, nor it of that.',
    });
  }
  if (extra > 0 && policy === 'refuse') {
    const named = found.namedExtra.join(', ') + (extra > found.namedExtra.length ? ' …' : '');
    refusals.push({
      reason: `${to.name} has ${keys(extra)} there that the source does not have: ${named}`,
      next: 'They were deleted from the source since an earlier run, or are its own. -e extra=delete removes them (they are saved first), -e extra=keep leaves them.',
    });
  }
  if (refusals.length > 0) return { kind: 'refused', refusals };
  const deletes = policy === 'delete' ? extra : 0;
  const gone = other + deletes;
  const what = prefix === '' ? 'all keys' : `keys that begin with ${prefix}`;
  const where = destPrefix === prefix ? '' : destPrefix === '' ? ', without that beginning' : `, as ${destPrefix}…`;
  const title = `mirror ${what} of ${from.name} (${from.id}) to ${to.name} (${to.id})${where}`;
  const step = (does: string, undo: string): PlanStep => ({ hosts: [], does, quorum: 'untouched', undo });
  const steps = [
    ...(gone > 0 ? [step(`save ${keys(gone)} of ${to.name} in ${folder}`, 'delete the file')] : []),
    step(copyText({ missing, other, deletes }, found.keys), gone > 0 ? 'play keys_etcd -e undo=FILE' : 'delete them'),
    step(`follow the changes ${follow === undefined ? 'until it is level' : `for ${follow}`}`, 'not needed'),
    step('compare both sides, key by key', 'not needed'),
  ];
  const question = `${title}: ${keys(gone)} there ${gone === 1 ? 'loses its' : 'lose their'} value`;
  return {
    kind: 'plan',
    title,
    steps,
    warnings: warningsOf(found),
    saves: gone > 0,
    ...(gone > 0 && { confirm: { question, word: String(gone) } }),
  };
}

function copyText(due: { missing: number; other: number; deletes: number }, all: number): string {
  const { missing, other, deletes } = due;
  if (missing + other + deletes === 0) return `copy nothing: all ${keys(all)} are there`;
  return [
    `copy ${keys(missing)} of ${all}`,
    ...(other > 0 ? [`overwrite ${other}`] : []),
    ...(deletes > 0 ? [`delete ${deletes} that the source does not have`] : []),
  ].join(', ');
}

function warningsOf({ leased, nameless, isKubernetes, extra, policy, to }: MirrorFound): string[] {
  return [
    ...(leased > 0
      ? [
          `${keys(leased)} ${leased === 1 ? 'belongs' : 'belong'} to leases: over there they live without one, until the source deletes them or you do`,
        ]
      : []),
    ...(nameless > 0
      ? ['one key is the prefix itself: without it nothing is left of its name, and it is not mirrored']
      : []),
    ...(isKubernetes
      ? [
          'these are data of Kubernetes, which goes by revisions: a mirror has others. Move it by backup_etcd and restore_etcd instead',
        ]
      : []),
    ...(extra > 0 && policy === 'keep' ? [`${keys(extra)} of ${to.name} that the source does not have are left`] : []),
  ];
}

export interface CutOver {
  endpoints: readonly string[];
  /** The words of this run, to be given again. */
  again: string;
  /** Revisions that the source has gone on by, since what was compared. */
  behind: bigint;
}

/** How clients are brought over. Pure. */
export function cutOverText({ endpoints, again, behind }: CutOver): string {
  const still =
    behind > 0n
      ? `The source has gone on by ${behind} ${behind === 1n ? 'revision' : 'revisions'} since: somebody writes.`
      : 'The source has not gone on since: nobody writes at this moment.';
  return [
    `\n${still} To bring clients over:`,
    '  1. Stop all that writes to the old cluster.',
    `  2. Run this once more: ${again} (add -e extra=delete where keys were deleted since)`,
    '     When it says that both are equal, and that nobody writes, all is there.',
    `  3. Point clients to ${endpoints.join(',')}, with its CA, and start them.`,
    '  4. Keep the old cluster, stopped, until you are sure.',
    'Not brought over: leases, users and roles, and revisions: who keeps a revision starts anew.',
  ].join('\n');
}
