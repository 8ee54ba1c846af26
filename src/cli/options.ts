import type { Options } from 'yargs';
import { InputError } from '../errors.ts';
import { BACKUPS, SCHEDULE } from './backup-options.ts';

/** Options as data: yargs reads them, and shells complete them. */
export type OptionTable = Readonly<Record<string, Options>>;

/** An option that may be given again and again. */
const several = (describe: string) => ({ type: 'string', array: true, nargs: 1, default: [], describe }) as const;

/** An option of one value: where it is given again, the last one counts. */
const single = (describe: string) => ({ type: 'string', requiresArg: true, describe, coerce: lastOf<string> }) as const;

const flag = (describe: string) => ({ type: 'boolean', default: false, describe }) as const;

function lastOf<T>(given: T | T[]): T {
  return Array.isArray(given) ? given.at(-1)! : given;
}

function forksOf(given: number | number[] | undefined): number | undefined {
  const forks = lastOf(given);
  if (forks === undefined || (Number.isInteger(forks) && forks > 0)) return forks;
  throw new InputError('--forks needs a whole number from 1 on');
}

/** More milliseconds than this no timer can count. */
const MOST_SECONDS = 2_147_483;

function secondsOf(given: number | number[] | undefined): number | undefined {
  const seconds = lastOf(given);
  if (seconds === undefined || (Number.isInteger(seconds) && seconds > 0 && seconds <= MOST_SECONDS)) return seconds;
  throw new InputError(`--task-timeout needs a whole number of seconds, from 1 to ${MOST_SECONDS}`);
}

/** What is printed: rows, lines, or JSON. */
const outputOf = (describe: string): Options => ({
  choices: ['auto', 'lines', 'json'] as const,
  coerce: lastOf<string>,
  requiresArg: true,
  default: 'auto' as const,
  describe,
});

/** What variables come from. */
export const SOURCE_OPTIONS: OptionTable = {
  inventory: { alias: 'i', ...several('inventory: a file, a directory or host,host; may be given repeatedly') },
  'extra-vars': { alias: 'e', ...several('variables above all others: NAME=value, JSON, YAML or @file') },
  'vault-password-file': { alias: 'vault-pass-file', ...several('file or script with a vault password') },
  'ask-vault-pass': { alias: 'J', ...flag('ask for the vault password') },
};

const RUN: OptionTable = {
  ...SOURCE_OPTIONS,
  limit: { alias: 'l', ...single('act on these hosts only (a pattern)') },
  check: { alias: 'C', ...flag('show the plan and touch nothing') },
  diff: { alias: 'D', ...flag('show how files differ') },
  forks: {
    alias: 'f',
    type: 'number',
    requiresArg: true,
    describe: 'hosts at a time (all, up to 50)',
    coerce: forksOf,
  },
  user: { alias: 'u', ...single('log in as this user (you)') },
  'private-key': single('log in with this key'),
  'ask-pass': { alias: 'k', ...flag('ask for the SSH password') },
  'host-key-checking': {
    choices: ['strict', 'accept-new', 'off'] as const,
    coerce: lastOf<string>,
    requiresArg: true,
    describe: 'accept-new: add the keys of new hosts to known_hosts',
  },
  'ask-become-pass': { alias: 'K', ...flag('ask for the sudo password') },
  output: outputOf('auto: rows on a terminal, plain lines elsewhere; json: an event a line'),
  verbose: {
    alias: 'v',
    type: 'count',
    describe: '-v: each task with its time; -vv: each script on a host; -vvv: what it is and what it says',
  },
};

export const PLAY_OPTIONS: OptionTable = {
  ...RUN,
  yes: { alias: 'y', ...flag('do what cannot be undone without asking for a word') },
  tags: { alias: 't', ...several('only tasks with one of these tags (commas)') },
  'skip-tags': several('no tasks with any of these tags (commas)'),
  'start-at-task': single('leave out all tasks before the first of this name (a pattern)'),
  step: flag('ask before each task'),
  'list-hosts': flag('show the hosts, run nothing'),
  'list-tasks': flag('show the tasks, run nothing'),
  'list-tags': flag('show the tags, run nothing'),
  'syntax-check': flag('load playbook, inventory and variables, run nothing'),
};

export const AD_HOC_OPTIONS: OptionTable = { ...RUN, become: { alias: 'b', ...flag('become root') } };

export const EXEC_OPTIONS: OptionTable = {
  ...AD_HOC_OPTIONS,
  'task-timeout': {
    type: 'number',
    requiresArg: true,
    describe: 'seconds that the command may take (as long as it does)',
    coerce: secondsOf,
  },
};

export const INVENTORY_OPTIONS: OptionTable = {
  ...SOURCE_OPTIONS,
  list: flag('all groups, hosts and variables, in JSON'),
  host: { type: 'string', requiresArg: true, describe: 'the variables of one host, in JSON' },
  graph: flag('the tree of groups'),
  vars: flag('with --graph: variables too'),
  'playbook-dir': { type: 'string', requiresArg: true, describe: 'with group_vars and host_vars of its own' },
};

export const SHOW_OPTIONS: OptionTable = { output: outputOf('json: one object a line') };

export const BACKUPS_OPTIONS: OptionTable = { ...SOURCE_OPTIONS, ...BACKUPS };

export const SCHEDULE_OPTIONS: OptionTable = { ...SOURCE_OPTIONS, ...SCHEDULE };

/** Commands beside playbooks, and what each takes. */
export const COMMANDS: Readonly<Record<string, OptionTable>> = {
  list: SHOW_OPTIONS,
  runs: SHOW_OPTIONS,
  exec: EXEC_OPTIONS,
  ping: AD_HOC_OPTIONS,
  inventory: INVENTORY_OPTIONS,
  backups: BACKUPS_OPTIONS,
  schedule: SCHEDULE_OPTIONS,
  completion: {},
};
