import type { PlanStep, Refusal } from './plan.ts';

/** The smallest changes that operations on a running cluster are made of. Each can be made again without harm. */
export type MemberAction =
  /** Release, user, directories, certificates, etcd.conf (existing) and unit: all but the start. */
  | { do: 'prepare'; host: string; pairs: readonly MemberPair[] }
  /** The data directory is moved aside (or deleted, where that was asked for). */
  | { do: 'set aside'; host: string; purge?: boolean }
  | { do: 'add'; host: string; peerUrl: string; role: 'learner' | 'voter' }
  /** Start, and wait until it follows its leader; a learner until its data are level. */
  | { do: 'start'; host: string }
  | { do: 'promote'; host: string }
  | { do: 'move leader'; from: string; to: string; toId: string }
  | { do: 'remove'; id: string; name: string }
  /** Stop the service and keep it from coming back. */
  | { do: 'stop'; host: string }
  /** etcd.conf lists these members; nothing else in it changes, and nothing is restarted. */
  | { do: 'list'; hosts: readonly string[]; pairs: readonly MemberPair[] };

export interface MemberPair {
  name: string;
  peerUrl: string;
}

/** An action, and how the plan shows it. */
export interface Planned<A = MemberAction> {
  action: A;
  step: PlanStep;
}

/** What an operation comes to. Plans are pure: the same sight gives the same plan. */
export type ChangePlan<A = MemberAction> =
  | { kind: 'refused'; refusals: Refusal[]; warnings?: readonly string[] }
  | {
      kind: 'plan';
      title: string;
      /** Nothing is left to do where it is empty. */
      actions: readonly Planned<A>[];
      warnings: readonly string[];
      /** What must be typed before the first action is made. */
      confirm?: { question: string; word: string };
    };

export function refuse(...refusals: Refusal[]): { kind: 'refused'; refusals: Refusal[] } {
  return { kind: 'refused', refusals };
}
