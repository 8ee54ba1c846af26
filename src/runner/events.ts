import type { PlayError } from '../errors.ts';
import type { TextDiff } from '../resource/resource.ts';

/** `unknown`: check mode cannot tell whether the task would change anything. */
export type TaskStatus = 'ok' | 'changed' | 'would change' | 'unknown' | 'skipped' | 'failed' | 'unreachable';

/** The tally of one host, as Ansible users know it. */
export interface HostTally {
  ok: number;
  changed: number;
  skipped: number;
  failed: number;
  unreachable: number;
  /** Only there where check mode met something that it could not know. */
  unknown?: number;
}

/** Everything that happens in a run. What is seen on a screen, in a pipe or in a log is made from these alone. */
export type RunEvent =
  | { type: 'run-start'; playbook: string; hosts: readonly string[]; check: boolean; diff: boolean }
  /** `control`: the play has tasks of the control machine itself. */
  | { type: 'play-start'; play: string; hosts: readonly string[]; control: boolean }
  | { type: 'task-start'; host: string; task: string }
  | { type: 'progress'; host: string; task: string; done: number; total: number }
  | {
      type: 'task-end';
      host: string;
      task: string;
      status: TaskStatus;
      summary: string;
      diffs: readonly TextDiff[];
      durationMs: number;
      error?: PlayError;
    }
  | { type: 'play-end'; play: string }
  /** Only where somebody watches (`-vv`). */
  | { type: 'connected'; host: string; detail: string; durationMs: number }
  /** A script that a host was given; what it is and what it said only where that is wanted (`-vvv`). */
  | {
      type: 'script';
      host: string;
      /** Which one it is on this connection. */
      number: number;
      /** Undefined where no answer came. */
      code: number | undefined;
      sentBytes: number;
      durationMs: number;
      script?: string;
      stdout?: string;
      stderr?: string;
    }
  /** `text` stands by itself: a plan, a table. */
  | { type: 'message'; level: 'info' | 'warning'; text: string; data?: MessageData }
  | {
      type: 'run-end';
      tallies: ReadonlyMap<string, HostTally>;
      errors: readonly PlayError[];
      exitCode: number;
      durationMs: number;
    };

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** What a message says, for programs. */
export type MessageData = { readonly [name: string]: Json };

export type Listener = (event: RunEvent) => void;

/** The name under which tasks of the control machine itself are reported. */
export const CONTROL = 'control';
