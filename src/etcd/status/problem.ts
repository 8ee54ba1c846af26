import type { MemberSight } from '../plan/sight.ts';

/** `critical`: clients feel it, or will as soon as one thing more goes wrong. `warning`: it should be put right in time. */
export type Severity = 'critical' | 'warning';

/** One thing that is not well. */
export interface Problem {
  /** A word that does not change, for monitors. */
  kind: string;
  severity: Severity;
  host?: string;
  /** Name of the member, or its ID. */
  member?: string;
  message: string;
  /** What to do: a sentence, with the playbook. */
  next: string;
}

export function placeOf(one: MemberSight): { host?: string; member: string } {
  const member = one.member.name || one.member.id;
  return one.host === undefined ? { member } : { host: one.host, member };
}
