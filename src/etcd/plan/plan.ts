import { ManyErrors, PlayError } from '../../errors.ts';

/** One step of an operation, as the plan shows it before it is made. */
export interface PlanStep {
  /** The hosts it concerns; empty: the control machine. */
  hosts: readonly string[];
  does: string;
  /** What it does to the cluster's quorum. */
  quorum: string;
  /** How it can be undone, or that it cannot. */
  undo: string;
}

/** Why an operation is not made, and what to do instead. */
export interface Refusal {
  host?: string;
  reason: string;
  next: string;
}

/** The plan as it is printed: a row for each step. */
export function planText(title: string, steps: readonly PlanStep[]): string {
  const rows = steps.map((step, index) => [
    `${index + 1}.`,
    step.hosts.length > 0 ? step.hosts.join(' ') : 'control',
    step.does,
    `quorum: ${step.quorum}`,
    `undo: ${step.undo}`,
  ]);
  const width = (column: number) => Math.min(40, Math.max(0, ...rows.map((row) => row[column]!.length)));
  const lines = rows.map(([number, hosts, does, quorum, undo]) => {
    const place = `  ${number!.padStart(width(0))} ${hosts!.padEnd(width(1))}  `;
    const indent = ' '.repeat(3 + width(0) + width(1));
    return `${place}${does}\n${indent}  ${quorum}; ${undo}`;
  });
  return [`PLAN ${title}`, ...lines].join('\n');
}

/**
 * All refusals as one error, each with its host, its reason and what to do instead.
 * @param started hosts whose members had to be started before the plan could be made.
 */
export function refusalError(refusals: readonly Refusal[], started: readonly string[] = []): ManyErrors {
  const errors = refusals.map(({ host, reason, next }) => new PlayError(reason, { ...(host ? { host } : {}), next }));
  const done =
    started.length > 0 ? `etcd was started on ${started.join(', ')}, nothing else was changed` : 'nothing was changed';
  return new ManyErrors(`Refused, and ${done}:`, errors);
}

/** The same in the middle of a plan: some of it has been done, and the same again goes on once the way is free. */
export function stoppedError(refusals: readonly Refusal[]): PlayError {
  const words = refusals.map(({ host, reason }) => (host ? `${host}: ${reason}` : reason));
  const ways = [...new Set(refusals.map(({ next }) => (/[.…]$/.test(next) ? next : `${next}.`)))];
  return new PlayError(`stopped on the way: ${words.join('; ')}`, {
    next: `What was done so far stands. ${ways.join(' ')} Then the same again goes on from there.`,
  });
}

/** Members that were started to be asked and have fallen silent again: without their word no plan is safe. */
export function silentError(hosts: readonly string[]): PlayError {
  return new PlayError(`etcd was started on ${hosts.join(', ')} and has data there, but does not answer`, {
    next: 'See there: journalctl -u etcd.service. An empty host is not filled before these have spoken.',
  });
}
