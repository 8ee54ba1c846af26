import type { ScriptInput } from '../connection/connection.ts';
import type { Need } from './need.ts';
import type { PathState } from './path-state.ts';

/** What was found on a host for one resource. */
export interface Found {
  /** Exit status of the probe snippet; 0 where there is none. */
  code: number;
  /** What the probe snippet printed, errors mixed in. */
  stdout: string;
  /** What `stat` says of the resource's `paths`; a path that is not there is `absent`. */
  stat(path: string): PathState;
  /** sha256 of one of the resource's `sums`; undefined where there is no readable file. */
  sum(path: string): string | undefined;
  /**
   * In check mode: something that comes before it would have been changed first, so that what was found may not be
   * what it will meet.
   */
  pending?: boolean;
}

/** A text that changes on a host. Never made for secret content. */
export interface TextDiff {
  path: string;
  before: string;
  after: string;
}

/** The text that will be there; what is there now is fetched only when the difference is to be shown. */
export type NewText = Omit<TextDiff, 'before'>;

/** What closes the difference between what is there and what is wanted. */
export interface Change {
  /** A few words: `content`, `mode 0644 → 0600`, `absent → directory`. */
  summary: string;
  diff?: NewText;
  /** A snippet of `sh`, run as root under `set -e`; safe to run again after it was interrupted anywhere. */
  apply: string;
  /** Bytes that the snippet reads from its standard input; such a change is applied in a round trip of its own. */
  input?: ScriptInput;
  /** The longest that applying may take, where the default of two minutes is not enough. */
  timeoutMs?: number;
  /** Whether it changes anything is only known when it is done: check mode says `unknown`. */
  unknown?: boolean;
}

/**
 * One thing on a host and the state it should be in. What must be known of it is said as data, so that a batch of any
 * size is looked at by one `stat` and one `sha256sum`; `probe` is for what these do not tell. Looking changes nothing.
 * `compare` is pure: it reads what was found and gives the change, or undefined where nothing differs.
 */
export interface Resource {
  kind: string;
  /** What it is, unique within its kind on a host: a path, a name. */
  id: string;
  /** Absolute paths whose type, owner, mode and link target matter. */
  paths?: readonly string[];
  /** Absolute paths of files whose sha256 matters. */
  sums?: readonly string[];
  /** A snippet of `sh` that prints what else must be known. */
  probe?: string;
  /**
   * What is found may be the work of what comes before it: a command's condition, a text that several edit, a service
   * whose package is new. It is looked at again when something before it was changed.
   */
  follows?: boolean;
  /** What must be there when it is changed. Where it is not, and nothing before it is known to make it, check mode says `unknown`. */
  needs?: readonly Need[];
  /** What is there once it is changed. */
  makes?: readonly Need[];
  /** Words for the screen where nothing is to be done, and that is not as plain as it seems. */
  remark?(found: Found): string | undefined;
  compare(found: Found): Change | undefined;
}

/** Raised by `compare` where a probe could not see: the state is unknown, which is not the same as different. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError';
}
