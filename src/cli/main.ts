#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import yargs, { type Argv } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { asPlayError, describeError, ExitCode } from '../errors.ts';

/** What `play <playbook>` takes. Nothing heavy is loaded before it is known that something is to be run. */
export interface PlayArguments {
  playbook: string;
  inventory: string[];
  limit: string | undefined;
  check: boolean;
  diff: boolean;
  askBecomePass: boolean;
  extraVars: string[];
  output: 'auto' | 'lines';
}

async function main(argv: string[]): Promise<number> {
  let exitCode: number = ExitCode.done;
  const parser = yargs(argv)
    .scriptName('play')
    .usage('$0 <playbook> -i <inventory> [-i <inventory> ...] [-l <hosts>]')
    .command('list', 'show the playbooks there are', {}, async () => {
      exitCode = await (await import('./list.ts')).listPlaybooks();
    })
    .command(
      '$0 <playbook>',
      'run a playbook',
      (command: Argv) => playOptions(command),
      async (args) => {
        exitCode = await (await import('./play.ts')).runPlay(args as unknown as PlayArguments);
      },
    )
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

class UsageError extends Error {}

/** yargs' own words where they would not help. */
function usageText(message: string): string {
  const needy = /^Not enough arguments following: (\S+)/.exec(message)?.[1];
  if (needy) return `${needy.length > 1 ? '--' : '-'}${needy} needs a value`;
  return /^Not enough non-option arguments/.test(message) ? 'no playbook was named (play list shows them)' : message;
}

function playOptions(command: Argv): Argv {
  return command
    .positional('playbook', { type: 'string', describe: 'name (create_etcd) or path of a playbook' })
    .option('inventory', {
      alias: 'i',
      type: 'string',
      array: true,
      nargs: 1,
      default: [],
      describe: 'inventory file; may be given more than once',
    })
    .option('limit', { alias: 'l', type: 'string', describe: 'act on these hosts only (a pattern)' })
    .option('check', { alias: 'C', type: 'boolean', default: false, describe: 'show the plan and touch nothing' })
    .option('diff', { alias: 'D', type: 'boolean', default: false, describe: 'show how files differ' })
    .option('ask-become-pass', { alias: 'K', type: 'boolean', default: false, describe: 'ask for the sudo password' })
    .option('extra-vars', {
      alias: 'e',
      type: 'string',
      array: true,
      nargs: 1,
      default: [],
      describe: 'a variable, NAME=value; stands above all others',
    })
    .option('output', {
      choices: ['auto', 'lines'] as const,
      default: 'auto' as const,
      describe: 'auto: rows on a terminal, plain lines elsewhere',
    });
}

function version(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

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
      process.stderr.write(`ERROR ${describeError(shown)}\n`);
      process.exitCode = shown.exitCode;
    },
  );
