import type { ScriptInput } from '../connection/connection.ts';

/** What a probe left behind: its standard output (with errors mixed in) and exit status. */
export interface ProbeOutput {
  code: number;
  stdout: string;
}

/** A text that changes on a host. Never made for secret content. */
export interface TextDiff {
  path: string;
  before: string;
  after: string;
}

/** What closes the difference between what is there and what is wanted. */
export interface Change {
  /** A few words: `content`, `mode 0644 → 0600`, `absent → directory`. */
  summary: string;
  diff?: TextDiff;
  /** A snippet of `sh`, run as root under `set -e`; safe to run again after it was interrupted anywhere. */
  apply: string;
  /** Bytes that the snippet reads from its standard input; such a change is applied in a round trip of its own. */
  input?: ScriptInput;
  /** The longest that applying may take, where the default of two minutes is not enough. */
  timeoutMs?: number;
}

/**
 * One thing on a host and the state it should be in. `probe` prints what is there and changes nothing; `compare` is
 * pure: it reads that and gives the change, or undefined where nothing differs.
 */
export interface Resource {
  kind: string;
  /** What it is, unique within its kind on a host: a path, a name. */
  id: string;
  probe: string;
  compare(found: ProbeOutput): Change | undefined;
}

/** Raised by `compare` where a probe could not see: the state is unknown, which is not the same as different. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError';
}
