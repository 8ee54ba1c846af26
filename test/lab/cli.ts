import { join } from 'node:path';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { takeDown } from './down.ts';
import { etcdVars } from './etcd-vars.ts';
import { findLab, openLab } from './lab.ts';
import { LabError } from './lab-error.ts';
import { projectDir } from './places.ts';
import { ensureRelease, ensureStaticRelease } from './releases.ts';
import { showStatus } from './show-status.ts';
import { labNames } from './state.ts';
import type { LabUser } from './users.ts';
import { users } from './users.ts';

const say = (text: string): void => console.error(text);
const took = (start: number): string => `${((Date.now() - start) / 1000).toFixed(1)} s`;
const words = (value: unknown): string[] => (Array.isArray(value) ? value : []).map(String);
const theHost = { type: 'string', demandOption: true, describe: 'h1, h2, …' } as const;

const cli = yargs(hideBin(process.argv))
  .scriptName('npm run lab --')
  .usage('Real hosts on this machine, for tests and for a try.\n\n$0 VERB')
  .option('name', { type: 'string', default: 'lab', describe: 'which lab; several live side by side' })
  .parserConfiguration({ 'populate--': true, 'halt-at-non-option': false, 'parse-positional-numbers': false })
  .demandCommand(1, 'Say what to do, for example: up 3')
  .strict()
  .recommendCommands()
  .version(false)
  .fail((message, error) => {
    throw error ?? new LabError(message, { next: 'see --help' });
  })
  .command(
    'up [hosts]',
    'boot what is missing of h1 … hN and write an inventory',
    (y) =>
      y
        .positional('hosts', { type: 'number', default: 3 })
        .option('suite', { type: 'string', describe: 'Debian 11, 12 or 13; several by commas, given in turn' })
        .option('fresh', { type: 'boolean', default: false, describe: 'take the lab down first' })
        .option('inventory', { type: 'string', describe: 'where to write the inventory' })
        .option('etcd', { type: 'string', default: '3.5.16', describe: 'ETCD_VERSION in the inventory' }),
    async (args) => {
      const start = Date.now();
      const inventory = args.inventory ?? (args.name === 'lab' ? join(projectDir, 'inventory', 'lab.ini') : undefined);
      const lab = await openLab({
        name: args.name,
        hosts: args.hosts,
        ...(args.suite ? { suites: args.suite.split(',') } : {}),
        ...(inventory ? { inventory } : {}),
        vars: etcdVars(args.name, args.etcd),
        fresh: args.fresh,
        note: say,
      });
      console.log(showStatus(await lab.status()));
      say(`up after ${took(start)}; inventory: ${inventory ?? lab.inventoryFile}`);
    },
  )
  .command(
    'down',
    'remove the lab and all it made',
    (y) => y.option('all', { type: 'boolean', default: false, describe: 'every lab on this machine' }),
    async (args) => {
      for (const name of args.all ? await labNames() : [args.name]) {
        await takeDown(name);
        say(`lab "${name}" is down`);
      }
    },
  )
  .command(
    'ps',
    'what is up',
    (y) => y.option('all', { type: 'boolean', default: false, describe: 'every lab on this machine' }),
    async (args) => {
      for (const name of args.all ? await labNames() : [args.name]) {
        // With --all, one that was made half-way is no error: `up` completes it and `down` removes it.
        const lab = await findLab(name).catch((error) => {
          if (!args.all) throw error;
        });
        console.log(`${name}\n${lab ? showStatus(await lab.status()) : 'made half-way'}`);
      }
    },
  )
  .command(
    'ssh <host> [words..]',
    'log in, or run a command line (put -- before one that has options)',
    (y) =>
      y
        .positional('host', theHost)
        .positional('words', { type: 'string', array: true })
        .option('user', { choices: Object.keys(users) as LabUser[], default: 'root' as LabUser }),
    async (args) => {
      const line = [...words(args.words), ...words(args['--'])];
      process.exitCode = await (await findLab(args.name)).login(args.host, args.user, line);
    },
  )
  .command(
    'kill <host>',
    'power loss',
    (y) =>
      y.positional('host', theHost).option('silent', {
        type: 'boolean',
        default: false,
        describe: 'pull the cable first: no reset reaches anyone',
      }),
    async (args) => (await findLab(args.name)).kill(args.host, { silent: args.silent }),
  )
  .command(
    'add <host>',
    'boot one more host',
    (y) => y.positional('host', theHost).option('suite', { type: 'string', describe: 'Debian 11, 12 or 13' }),
    async (args) => {
      const host = await (await findLab(args.name)).add(args.host, args.suite ? { suite: args.suite } : {});
      say(`${host.name} (${host.suite}) is up at ${host.address}; it is in no inventory yet`);
    },
  )
  .command(
    'slow <host> <ms>',
    'add this much to the round trip to a host; 0 undoes it',
    (y) => y.positional('host', theHost).positional('ms', { type: 'number', demandOption: true }),
    async (args) => (await findLab(args.name)).slow(args.host, args.ms),
  )
  .command(
    'narrow <host> <mbit>',
    'let at most so many megabits a second through, each way; 0 undoes it',
    (y) => y.positional('host', theHost).positional('mbit', { type: 'number', demandOption: true }),
    async (args) => (await findLab(args.name)).narrow(args.host, args.mbit),
  )
  .command(
    'inventory [path]',
    'write an inventory of all hosts, or print it',
    (y) =>
      y
        .positional('path', { type: 'string' })
        .option('user', { choices: Object.keys(users) as LabUser[], default: 'root' as LabUser })
        .option('etcd', { type: 'string', default: '3.5.16', describe: 'ETCD_VERSION in it' }),
    async (args) => {
      const lab = await findLab(args.name);
      const options = { user: args.user, vars: etcdVars(args.name, args.etcd) };
      if (args.path) await lab.writeInventory(args.path, options);
      else process.stdout.write(lab.inventory(options));
    },
  )
  .command(
    'releases <versions..>',
    'put real etcd releases into the cache',
    (y) =>
      y.positional('versions', { type: 'string', array: true, demandOption: true }).option('static', {
        type: 'boolean',
        default: false,
        describe: 'static binaries, built with Go: for Debian 11',
      }),
    async (args) => {
      for (const version of words(args.versions)) {
        const start = Date.now();
        const release = await (args.static ? ensureStaticRelease : ensureRelease)(version, say);
        console.log(`${release.archive} (${release.origin}, ${took(start)})`);
      }
    },
  );

for (const [verb, meaning] of [
  ['stop', 'shut a host down in good order'],
  ['start', 'power on, with a healed network'],
  ['wipe', 'power loss, a new disk, new host keys, power on'],
  ['cut', 'pull the cable of a host'],
  ['heal', 'plug it in again'],
  ['freeze', 'stop every process of a host'],
  ['thaw', 'let them go on'],
] as const) {
  cli.command(
    `${verb} <host>`,
    meaning,
    (y) => y.positional('host', theHost),
    async (args) => (await findLab(args.name as string))[verb](args.host),
  );
}
for (const [verb, meaning] of [
  ['partition', 'part two hosts from each other only'],
  ['rejoin', 'undo that'],
] as const) {
  cli.command(
    `${verb} <a> <b>`,
    meaning,
    (y) => y.positional('a', theHost).positional('b', theHost),
    async (args) => (await findLab(args.name as string))[verb](args.a, args.b),
  );
}

try {
  await cli.parseAsync();
} catch (error) {
  say(error instanceof LabError ? `lab: ${error.message}` : String(error instanceof Error ? error.stack : error));
  process.exitCode = 1;
}
