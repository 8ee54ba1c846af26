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
  vaultPasswordFile: string[];
  askVaultPass: boolean;
  limit: string | undefined;
  every: string | undefined;
  name: string | undefined;
  as: string | undefined;
  metrics: string | undefined;
  list: boolean;
  remove: boolean;
  status: boolean;
  check: boolean;
  cron: boolean;
  run: string | undefined;
  missed: boolean;
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
  every: text("when, as cron has it: '0 3 * * *', @daily"),
  name: text('the name of the schedule (made of playbook and inventory)'),
  limit: { alias: 'l', ...text('act on these hosts only (a pattern)') },
  as: text('as root: run it as this user'),
  metrics: text("the folder of Prometheus' textfile collector: figures of every run go there"),
  list: flag('the schedules there are'),
  status: flag('how the last runs ended; exit code 2 where one did not end well'),
  remove: flag('remove the schedule'),
  check: { alias: 'C', ...flag('show what would be written, touch nothing') },
  cron: flag('an entry for cron, also where there is systemd'),
  run: { ...text('what systemd and cron call'), hidden: true },
  missed: { ...flag('with --run: only where a run was missed'), hidden: true },
  output,
};
