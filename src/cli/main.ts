#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import yargs, { type Argv } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { ExitCode } from '../errors.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { AdHocArguments, PlayArguments, ShowArguments } from './arguments.ts';
import type { BackupsArguments, ScheduleArguments } from './backup-options.ts';
import { readConfigFiles } from './config-file.ts';
import { tellError, UsageError, wantsJson } from './failure.ts';
import type { InventoryArguments } from './inventory.ts';
import {
  AD_HOC_OPTIONS,
  BACKUPS_OPTIONS,
  COMMANDS,
  EXEC_OPTIONS,
  INVENTORY_OPTIONS,
  type OptionTable,
  PLAY_OPTIONS,
  SCHEDULE_OPTIONS,
  SHOW_OPTIONS,
} from './options.ts';

/** What `play.cfg` says. */
let defaults: Record<string, unknown> = {};

/** Nothing heavy is loaded before it is known that something is to be run. */
async function main(argv: string[]): Promise<number> {
  if (argv[0] === '--complete') return (await import('./completion.ts')).printCompletions(argv.slice(1));
  const asked = await playbookToExplain(argv);
  if (asked) return (await import('./help.ts')).showPlaybookHelp(asked.playbook, asked.inventoryDirs);
  let exitCode: number = ExitCode.done;
  defaults = readConfigFiles();
  const taking = (options: OptionTable) => (command: Argv) => withDefaults(command, options);
  const parser = yargs(argv)
    .parserConfiguration({ 'populate--': true, 'parse-positional-numbers': false })
    .scriptName('play')
    .usage('$0 <playbook> -i <inventory> [-i <inventory> ...] [-l <hosts>]')
    .command('list', 'show the playbooks there are', taking(SHOW_OPTIONS), async (args) => {
      exitCode = await (await import('./list.ts')).listPlaybooks(args as unknown as ShowArguments);
    })
    .command(
      'runs [action] [id]',
      'what was run from here; runs show ID: all that it changed',
      taking(SHOW_OPTIONS),
      async (args) => {
        const { action, id, output } = args as unknown as ShowArguments & { action?: string; id?: string };
        exitCode = await (await import('./runs.ts')).showRuns({ action, id, output });
      },
    )
    .command(
      'exec <pattern>',
      'run a command on hosts: play exec PATTERN -i INVENTORY -- COMMAND',
      (command: Argv) => patternOf(taking(EXEC_OPTIONS)(command)),
      async (args) => {
        exitCode = await (await import('./play.ts')).runAdHoc('exec', args as unknown as AdHocArguments);
      },
    )
    .command(
      'ping <pattern>',
      'log in to hosts',
      (command: Argv) => patternOf(taking(AD_HOC_OPTIONS)(command)),
      async (args) => {
        exitCode = await (await import('./play.ts')).runAdHoc('ping', args as unknown as AdHocArguments);
      },
    )
    .command(
      'inventory [group]',
      'show the inventory as it is understood: --list, --host HOST or --graph [GROUP]',
      (command: Argv) =>
        taking(INVENTORY_OPTIONS)(command).positional('group', {
          type: 'string',
          describe: 'with --graph: the group to begin with',
        }),
      async (args) => {
        exitCode = await (await import('./inventory.ts')).showInventory(args as unknown as InventoryArguments);
      },
    )
    .command(
      'completion [shell]',
      'print a script that completes play in bash or zsh',
      (command: Argv) => command.positional('shell', { choices: ['bash', 'zsh'] as const }),
      async ({ shell }) => {
        exitCode = (await import('./completion.ts')).printCompletionScript(shell as 'bash' | 'zsh' | undefined);
      },
    )
    .command(
      'backups [files..]',
      'the backups there are, verified or not; --verify: prove them now',
      taking(BACKUPS_OPTIONS),
      async (args) => {
        exitCode = await (await import('./backups.ts')).showBackups(args as unknown as BackupsArguments);
      },
    )
    .command(
      'schedule [playbook]',
      "run a playbook by the clock: --every '0 3 * * *'; --list, --status, --remove",
      taking(SCHEDULE_OPTIONS),
      async (args) => {
        exitCode = await (await import('./schedule.ts')).schedule(args as unknown as ScheduleArguments);
      },
    )
    .command(
      '$0 <playbook>',
      'run a playbook',
      (command: Argv) =>
        taking(PLAY_OPTIONS)(command).positional('playbook', {
          type: 'string',
          describe: 'name (create_etcd) or path of a playbook',
        }),
      async (args) => {
        exitCode = await (await import('./play.ts')).runPlay(args as unknown as PlayArguments);
      },
    )
    .example('$0 create_etcd -i hosts.ini', 'make a cluster of the hosts in [etcd]')
    .example('$0 create_etcd -i hosts.ini -C', 'show the plan, touch nothing')
    .epilogue('play <playbook> --help: what a playbook is for, and its variables')
    .version(version())
    .help()
    .alias('help', 'h')
    .strict()
    .showHelpOnFail(false)
    .exitProcess(false)
    .wrap(Math.min(110, process.stdout.columns || 110))
    .fail((message, error) => {
      throw error && error.name !== 'YError' ? error : new UsageError(usageText(message ?? error.message));
    });
  await parser.parseAsync();
  return exitCode;
}

/** `play.cfg` may set options that this command does not have. */
function withDefaults(command: Argv, options: OptionTable): Argv {
  const own = Object.entries(defaults).filter(([name]) => name in options);
  return command.options(options).config(Object.fromEntries(own));
}

function patternOf(command: Argv): Argv {
  return command.positional('pattern', { type: 'string', describe: 'hosts, groups, patterns' });
}

/** `play <playbook> --help` is not yargs' to answer. */
async function playbookToExplain(argv: string[]): Promise<{ playbook: string; inventoryDirs: string[] } | undefined> {
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  if (!words.some((word) => word === '--help' || word === '-h')) return undefined;
  const parser = yargs(words).options(PLAY_OPTIONS).help(false).version(false).exitProcess(false);
  const parsed = await parser.parseAsync();
  const [playbook] = parsed._.map(String);
  if (playbook === undefined || playbook in COMMANDS) return undefined;
  const { dirname } = await import('node:path');
  return { playbook, inventoryDirs: (parsed.inventory as string[]).map((source) => dirname(source)) };
}

/** yargs' own words where they would not help. */
function usageText(message: string): string {
  const needy = /^Not enough arguments following: (\S+)/.exec(message)?.[1];
  if (needy) return `${needy.length > 1 ? '--' : '-'}${needy} needs a value`;
  if (!/^Not enough non-option arguments/.test(message)) return message;
  return process.argv.some((word) => word === 'exec' || word === 'ping')
    ? 'no hosts were named (all: every host of the inventory)'
    : 'no playbook was named (play list shows them)';
}

function version(): string {
  return (JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}

// Who reads may leave (`| head`): the run goes on to its end all the same.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

/** A handle that something forgot must not keep a finished run from ending. */
const LINGER_MS = 3_000;

const argv = hideBin(process.argv);
main(argv)
  .finally(() => setTimeout(() => process.exit(), LINGER_MS).unref())
  .then(
    (code) => {
      process.exitCode = code;
    },
    async (error: unknown) => {
      process.exitCode = await tellError(error, wantsJson(argv, defaults.output === 'json'));
    },
  );
