import type { VaultArguments } from './vault.ts';

/** What every run takes, whatever it runs. */
export interface RunArguments extends VaultArguments {
  inventory: string[];
  limit: string | undefined;
  check: boolean;
  diff: boolean;
  askBecomePass: boolean;
  askPass: boolean;
  user: string | undefined;
  privateKey: string | undefined;
  hostKeyChecking: 'strict' | 'accept-new' | 'off' | undefined;
  forks: number | undefined;
  extraVars: string[];
  output: 'auto' | 'lines' | 'json';
  verbose: number;
}

/** What can be chosen of a playbook. */
export interface ChoiceArguments {
  tags: string[];
  skipTags: string[];
  startAtTask: string | undefined;
  listHosts: boolean;
  listTasks: boolean;
  listTags: boolean;
  syntaxCheck: boolean;
  yes: boolean;
  step: boolean;
}

/** What `play <playbook>` takes. */
export interface PlayArguments extends RunArguments, ChoiceArguments {
  playbook: string;
}

/** What `play exec` and `play ping` take. */
export interface AdHocArguments extends RunArguments {
  pattern: string;
  become: boolean;
  /** Of `exec`, in seconds; undefined: as long as it takes. */
  taskTimeout?: number | undefined;
  /** The words behind `--`. */
  '--'?: string[];
}

/** What `play list` and `play runs` take. */
export interface ShowArguments {
  output: 'auto' | 'lines' | 'json';
}
