#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import yargs, { type Argv } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { asPlayError, describeError, ExitCode } from '../errors.ts';
import { legible } from '../screen/legible.ts';
import { conceal } from '../secret.ts';
import { readConfigFiles } from './config-file.ts';
import type { InventoryArguments } from './inventory.ts';

/** What `play <playbook>` takes. Nothing heavy is loaded before it is known that something is to be run. */
export interface PlayArguments {
  playbook: string;
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
  vaultPasswordFile: string[];
  askVaultPass: boolean;
  output: 'auto' | 'lines' | 'json';
  verbose: number;
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

/** What `play exec` and `play ping` take beside. */
export interface AdHocArguments extends PlayArguments {
  pattern: string;
  become: boolean;
  /** The words behind `--`. */
  '--'?: string[];
}

async function main(argv: string[]): Promise<number> {
  const asked = await playbookToExplain(argv);
  if (asked) return (await import('./help.ts')).showPlaybookHelp(asked.playbook, asked.inventoryDirs);
  let exitCode: number = ExitCode.done;
  const parser = yargs(argv)
    .parserConfiguration({ 'populate--': true, 'parse-positional-numbers': false })
    .config(readConfigFiles())
    .scriptName('play')
    .usage('$0 <playbook> -i <inventory> [-i <inventory> ...] [-l <hosts>]')
    .command('list', 'show the playbooks there are', {}, async () => {
      exitCode = await (await import('./list.ts')).listPlaybooks();
    })
    .command('runs [action] [id]', 'what was run from here; runs show ID: all that it changed', {}, async (args) => {
      exitCode = await (await import('./runs.ts')).showRuns(args.action === 'show' ? String(args.id ?? '') : undefined);
    })
    .command(
      'exec <pattern>',
      'run a command on hosts: play exec PATTERN -i INVENTORY -- COMMAND',
      (command: Argv) => adHocOptions(command),
      async (args) => {
        exitCode = await (await import('./play.ts')).runAdHoc('exec', args as unknown as AdHocArguments);
      },
    )
    .command(
      'ping <pattern>',
      'log in to hosts',
      (command: Argv) => adHocOptions(command),
      async (args) => {
        exitCode = await (await import('./play.ts')).runAdHoc('ping', args as unknown as AdHocArguments);
      },
    )
    .command(
      'inventory [group]',
      'show the inventory as it is understood: --list, --host HOST or --graph [GROUP]',
      (command: Argv) => inventoryOptions(command),
      async (args) => {
        exitCode = await (await import('./inventory.ts')).showInventory(args as unknown as InventoryArguments);
      },
    )
    .command(
      '$0 <playbook>',
      'run a playbook',
      (command: Argv) => playOptions(command),
      async (args) => {
        // yargs has printed it; where it may not end the process it goes on to here.
        if (args.playbook === 'completion') return;
        exitCode = await (await import('./play.ts')).runPlay(args as unknown as PlayArguments);
      },
    )
    .completion('completion', 'print a script that completes play in bash or zsh', completions)
    .example('$0 create_etcd -i hosts.ini', 'make a cluster of the hosts in [etcd]')
    .example('$0 create_etcd -i hosts.ini -C', 'show the plan, touch nothing')
    .version(version())
    .help()
    .alias('help', 'h')
    .strict()
    .showHelpOnFail(false)
    .exitProcess(false)
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .fail((message, error) => {
      throw error && error.name !== 'YError' ? error : new UsageError(usageText(message ?? error.message));
    });
  await parser.parseAsync();
  return exitCode;
}

const COMMANDS = ['list', 'runs', 'inventory', 'exec', 'ping', 'completion'];

/** `play <playbook> --help` is not yargs' to answer. */
async function playbookToExplain(argv: string[]): Promise<{ playbook: string; inventoryDirs: string[] } | undefined> {
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  if (!words.some((word) => word === '--help' || word === '-h')) return undefined;
  const parsed = await playOptions(yargs(words)).help(false).version(false).exitProcess(false).parseAsync();
  const [playbook] = parsed._.map(String);
  if (playbook === undefined || COMMANDS.includes(playbook)) return undefined;
  const { dirname } = await import('node:path');
  return { playbook, inventoryDirs: (parsed.inventory as string[]).map((source) => dirname(source)) };
}

async function completions(current: string): Promise<string[]> {
  const [{ playbooksIn }, { searchFolders }] = await Promise.all([
    import('./load-playbook.ts'),
    import('./folders.ts'),
  ]);
  const playbooks = searchFolders('playbooks', []).flatMap(playbooksIn);
  const words = [...playbooks.map(({ name }) => name), ...COMMANDS];
  return [...new Set(words)].filter((word) => word.startsWith(current)).sort();
}

class UsageError extends Error {}

/** yargs' own words where they would not help. */
function usageText(message: string): string {
  const needy = /^Not enough arguments following: (\S+)/.exec(message)?.[1];
  if (needy) return `${needy.length > 1 ? '--' : '-'}${needy} needs a value`;
  return /^Not enough non-option arguments/.test(message) ? 'no playbook was named (play list shows them)' : message;
}

function adHocOptions(command: Argv): Argv {
  return runOptions(command)
    .positional('pattern', { type: 'string', describe: 'hosts, groups, patterns' })
    .option('become', { alias: 'b', type: 'boolean', default: false, describe: 'become root' });
}

function playOptions(command: Argv): Argv {
  const list = (describe: string) => ({ type: 'boolean', default: false, describe }) as const;
  return runOptions(command)
    .positional('playbook', { type: 'string', describe: 'name (create_etcd) or path of a playbook' })
    .option('yes', {
      alias: 'y',
      type: 'boolean',
      default: false,
      describe: 'do what cannot be undone without asking for a word',
    })
    .option('tags', { alias: 't', ...several('only tasks with one of these tags (commas)') })
    .option('skip-tags', several('no tasks with any of these tags (commas)'))
    .option('start-at-task', single('leave out all tasks before the first of this name (a pattern)'))
    .option('step', { type: 'boolean', default: false, describe: 'ask before each task' })
    .option('list-hosts', list('show the hosts, run nothing'))
    .option('list-tasks', list('show the tasks, run nothing'))
    .option('list-tags', list('show the tags, run nothing'))
    .option('syntax-check', list('load playbook, inventory and variables, run nothing'));
}

function inventoryOptions(command: Argv): Argv {
  return sourceOptions(command)
    .positional('group', { type: 'string', describe: 'with --graph: the group to begin with' })
    .option('list', { type: 'boolean', default: false, describe: 'all groups, hosts and variables, in JSON' })
    .option('host', { type: 'string', requiresArg: true, describe: 'the variables of one host, in JSON' })
    .option('graph', { type: 'boolean', default: false, describe: 'the tree of groups' })
    .option('vars', { type: 'boolean', default: false, describe: 'with --graph: variables too' })
    .option('playbook-dir', {
      type: 'string',
      requiresArg: true,
      describe: 'with group_vars and host_vars of its own',
    });
}

/** An option that may be given again and again. */
const several = (describe: string) => ({ type: 'string', array: true, nargs: 1, default: [], describe }) as const;

/** An option of one value: where it is given again, the last one counts. */
const single = (describe: string) => ({ type: 'string', requiresArg: true, describe, coerce: lastOf<string> }) as const;

function lastOf<T>(given: T | T[]): T {
  return Array.isArray(given) ? given.at(-1)! : given;
}

/** What variables come from. */
function sourceOptions(command: Argv): Argv {
  return command
    .option('inventory', {
      alias: 'i',
      ...several('inventory: a file, a directory or host,host; may be given repeatedly'),
    })
    .option('extra-vars', { alias: 'e', ...several('variables above all others: NAME=value, JSON, YAML or @file') })
    .option('vault-password-file', { alias: 'vault-pass-file', ...several('file or script with a vault password') })
    .option('ask-vault-pass', { alias: 'J', type: 'boolean', default: false, describe: 'ask for the vault password' });
}

function runOptions(command: Argv): Argv {
  return sourceOptions(command)
    .option('limit', { alias: 'l', ...single('act on these hosts only (a pattern)') })
    .option('check', { alias: 'C', type: 'boolean', default: false, describe: 'show the plan and touch nothing' })
    .option('diff', { alias: 'D', type: 'boolean', default: false, describe: 'show how files differ' })
    .option('forks', {
      alias: 'f',
      type: 'number',
      requiresArg: true,
      describe: 'hosts at a time (all, up to 50)',
      coerce: (given: number | number[] | undefined) => {
        const forks = lastOf(given);
        if (forks === undefined || (Number.isInteger(forks) && forks > 0)) return forks;
        throw new UsageError('--forks needs a whole number from 1 on');
      },
    })
    .option('user', { alias: 'u', ...single('log in as this user (you)') })
    .option('private-key', single('log in with this key'))
    .option('ask-pass', { alias: 'k', type: 'boolean', default: false, describe: 'ask for the SSH password' })
    .option('host-key-checking', {
      choices: ['strict', 'accept-new', 'off'] as const,
      coerce: lastOf<string>,
      requiresArg: true,
      describe: 'accept-new: add the keys of new hosts to known_hosts',
    })
    .option('ask-become-pass', { alias: 'K', type: 'boolean', default: false, describe: 'ask for the sudo password' })
    .option('output', {
      choices: ['auto', 'lines', 'json'] as const,
      coerce: lastOf<string>,
      default: 'auto' as const,
      describe: 'auto: rows on a terminal, plain lines elsewhere; json: an event a line',
    })
    .option('verbose', {
      alias: 'v',
      type: 'count',
      describe: 'say more: -v times, -vv each script on a host, -vvv what it is and what it says',
    });
}

function version(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

// Who reads may leave (`| head`): the run goes on to its end all the same.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

/** A handle that something forgot must not keep a finished run from ending. */
const LINGER_MS = 3_000;

main(hideBin(process.argv))
  .finally(() => setTimeout(() => process.exit(), LINGER_MS).unref())
  .then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      if (error instanceof UsageError) {
        process.stderr.write(`ERROR ${error.message}\n  → See: play --help\n`);
        process.exitCode = ExitCode.input;
        return;
      }
      const shown = asPlayError(error);
      process.stderr.write(`ERROR ${legible(conceal(describeError(shown)))}\n`);
      process.exitCode = shown.exitCode;
    },
  );
