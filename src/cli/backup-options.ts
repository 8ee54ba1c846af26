import type { Options } from 'yargs';
import type { VaultArguments } from './vault.ts';

/** What `play backups` takes. */
export interface BackupsArguments extends VaultArguments {
  files?: string[];
  inventory: string[];
  extraVars: string[];
  dir: string[];
  verify: boolean;
  trial: boolean;
  identity: string | undefined;
  etcdVersion: string | undefined;
  newKey: string | undefined;
  output: 'auto' | 'lines' | 'json';
}

/** What `play schedule` takes. */
export interface ScheduleArguments {
  playbook: string | undefined;
  inventory: string[];
  extraVars: string[];
  limit: string | undefined;
  vaultPasswordFile: string[];
  every: string | undefined;
  name: string | undefined;
  list: boolean;
  remove: boolean;
  status: boolean;
  check: boolean;
  cron: boolean;
  output: 'auto' | 'lines' | 'json';
}

const text = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;
const flag = (describe: string) => ({ type: 'boolean', default: false, describe }) as const;
const output = { choices: ['auto', 'lines', 'json'], default: 'auto', describe: 'json: one array' } as const;

/** Of `play backups`, beside what variables come from. */
export const BACKUPS: Readonly<Record<string, Options>> = {
  dir: {
    type: 'string',
    array: true,
    nargs: 1,
    default: [],
    describe: 'a folder of backups, instead of that of the inventory; may be given repeatedly',
  },
  verify: flag('prove them now, by a trial restore'),
  trial: { type: 'boolean', default: true, describe: '--no-trial: prove them without the trial restore' },
  identity: text('with --verify: the file with the private keys of age'),
  'etcd-version': text('with --verify: prove with this version (the one that took it)'),
  'new-key': text('make a pair of keys of age, keep the private one in this file'),
  output,
};

/** Of `play schedule`, beside what variables come from. */
export const SCHEDULE: Readonly<Record<string, Options>> = {
  every: text("when, as cron has it: '0 3 * * *'"),
  name: text('the name of the schedule (playbook and inventory, in one word)'),
  limit: { alias: 'l', ...text('act on these hosts only (a pattern)') },
  list: flag('the schedules of this user'),
  status: flag('how the last runs ended; the exit code says whether all is well'),
  remove: flag('remove the schedule'),
  check: { alias: 'C', ...flag('show what would be written and touch nothing') },
  cron: flag('an entry for cron, also where there is systemd'),
  output,
};
