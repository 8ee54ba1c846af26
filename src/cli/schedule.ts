import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { ExitCode, InputError } from '../errors.ts';
import { table } from '../etcd/tables.ts';
import { type Owner, writeWhole } from '../local/whole-file.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { said } from '../schedule/command.ts';
import { nextAfter, parseCron } from '../schedule/cron.ts';
import { forget, isKept, keep, keeperFault, keeperHere, wantedFiles } from '../schedule/keepers.ts';
import { backupMetricsFile } from '../schedule/metrics.ts';
import { NAME, readSchedule, readSchedules, recordFile, type Schedule } from '../schedule/record.ts';
import { lookAtRuns, type ScheduleState, scheduleFault } from '../schedule/state.ts';
import { legible } from '../screen/legible.ts';
import { recordedWords } from '../screen/recorded-words.ts';
import type { ScheduleArguments } from './backup-options.ts';
import { searchFolders } from './folders.ts';
import { loadPlaybook } from './load-playbook.ts';

const print = (text: string) => void process.stdout.write(`${legible(text)}\n`);

/** `play schedule`: has playbooks run by the clock of this machine, and says how they went. */
export async function schedule(args: ScheduleArguments): Promise<number> {
  if (args.run !== undefined) return (await import('../schedule/run.ts')).runSchedule(args.run, args.missed);
  const verbs = [args.list, args.status, args.remove, args.every !== undefined].filter(Boolean).length;
  if (verbs !== 1) {
    throw new InputError('one of --every, --list, --status and --remove must be given', {
      next: "Say, for instance: play schedule backup_etcd --every '0 3 * * *' -i hosts.ini",
    });
  }
  if (args.list || args.status) return show(args);
  return args.remove ? remove(args) : add(args);
}

async function add(args: ScheduleArguments): Promise<number> {
  const made = await scheduleOf(args);
  const file = recordFile(made.name);
  const before = existsSync(file) ? await readSchedule(file) : undefined;
  const wanted = before && isSame(before, made) ? before : made;
  if (before && wanted === before && (await isKept(before))) {
    print(`${made.name} is as it should be: nothing to do`);
    return ExitCode.done;
  }
  await tryOut(wanted);
  if (args.check) {
    for (const [path, text] of wantedFiles(wanted))
      print(`would write ${path}\n${text.replace(/^/gm, '  ').trimEnd()}`);
    print(`next: ${nextText(wanted)}`);
    return ExitCode.done;
  }
  const owner = await ownerOf(wanted.user);
  // Beside another keeper than before it would run twice.
  if (before && before.keeper !== wanted.keeper) await forget(before);
  await writeWhole(file, `${JSON.stringify(wanted, undefined, 2)}\n`, 0o600, owner);
  await keep(wanted);
  print(
    `${before ? 'changed' : 'made'} ${wanted.name}: play ${wanted.words[0]} at '${wanted.every}', by ${wanted.keeper}`,
  );
  print(`  as ${wanted.user}, in ${wanted.folder}\n  next: ${nextText(wanted)}`);
  return ExitCode.done;
}

async function scheduleOf(args: ScheduleArguments): Promise<Schedule> {
  const { playbook, inventory } = args;
  if (playbook === undefined || inventory.length === 0) {
    throw new InputError(playbook === undefined ? 'no playbook was named' : 'no inventory was given', {
      next: "Say: play schedule backup_etcd --every '0 3 * * *' -i hosts.ini",
    });
  }
  if (args.askVaultPass) {
    throw new InputError('at night there is nobody to ask for the vault password', {
      next: 'Name a file or a script: --vault-password-file FILE',
    });
  }
  const { text: every } = parseCron(args.every!);
  const stem = basename(inventory[0]!, extname(inventory[0]!));
  const name = args.name ?? `${basename(playbook, extname(playbook))}-${stem}`.replace(/[^A-Za-z0-9_.-]/g, '-');
  if (!NAME.test(name)) throw new InputError(`--name '${name}': letters, digits, _ . and - make a name`);
  const [own, as] = [userInfo().username, args.as];
  if (as !== undefined && as !== own && process.getuid?.() !== 0) {
    throw new InputError(`only root can have it run as ${as}`, { next: 'Leave out --as, or use sudo.' });
  }
  const keeper = await keeperHere(args.cron);
  if (as !== undefined && as !== own && keeper === 'cron') {
    throw new InputError(`cron would run it as ${own}`, { next: `Say it as ${as}, without --as.` });
  }
  const user = as ?? own;
  const metrics = args.metrics === undefined ? null : resolve(args.metrics);
  return {
    format: 1,
    name,
    every,
    user,
    keeper,
    words: wordsOf(args, playbook, metrics && backupMetricsFile(metrics, name)),
    folder: process.cwd(),
    command: [process.execPath, join(PACKAGE_ROOT, 'dist/src/cli/main.js')],
    stateDir: user === own ? stateFolder() : join((await entryOf(user)).home, '.local/state', 'etcd-play/schedules'),
    metrics,
    createdAt: new Date().toISOString(),
  };
}

/** What `play` is called with then. It stands in another folder perhaps, and on no terminal. */
function wordsOf(args: ScheduleArguments, playbook: string, backupMetrics: string | null): string[] {
  const isPath = /[/\\]|\.[jt]s$/.test(playbook);
  const source = (text: string) => (text.includes(',') && !existsSync(text) ? text : resolve(text));
  const extra = (text: string) => (text.startsWith('@') ? `@${resolve(text.slice(1))}` : text);
  return [
    isPath ? resolve(playbook) : playbook,
    ...args.inventory.flatMap((text) => ['-i', source(text)]),
    ...args.extraVars.flatMap((text) => ['-e', extra(text)]),
    ...args.vaultPasswordFile.flatMap((file) => ['--vault-password-file', resolve(file)]),
    ...(args.limit === undefined ? [] : ['-l', args.limit]),
    ...(backupMetrics && playbook === 'backup_etcd' ? ['-e', `backup_metrics=${backupMetrics}`] : []),
    '--output',
    'lines',
  ];
}

function stateFolder(): string {
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'etcd-play', 'schedules');
}

async function entryOf(user: string): Promise<Owner & { home: string }> {
  const { code, stdout } = await said('getent', ['passwd', user]);
  const [, , uid, gid, , home] = stdout.trim().split(':');
  if (code !== 0 || home === undefined) throw new InputError(`there is no user ${user} on this machine`);
  return { uid: Number(uid), gid: Number(gid), home };
}

/** Only root gives a file away. */
async function ownerOf(user: string): Promise<Owner | undefined> {
  return process.getuid?.() === 0 && user !== 'root' ? entryOf(user) : undefined;
}

function isSame(a: Schedule, b: Schedule): boolean {
  const { createdAt: _, ...left } = a;
  const { createdAt: __, ...right } = b;
  return JSON.stringify(left) === JSON.stringify(right);
}

/** What cannot be loaded now will not run at night. @throws InputError with what it said. */
async function tryOut({ command, words }: Schedule): Promise<void> {
  const { code, stdout, stderr } = await said(command[0]!, [...command.slice(1), ...words, '--syntax-check']);
  if (code === 0) return;
  const details = `${stderr}${stdout}`.trim().split('\n');
  throw new InputError(`play ${words[0]} would not run like this`, { details, next: 'Put that right first.' });
}

async function remove(args: ScheduleArguments): Promise<number> {
  const found = await named(args, await readSchedules());
  if (found.length !== 1) {
    const all = found.map(({ name }) => name).join(', ');
    throw new InputError(found.length === 0 ? 'there is no such schedule' : `several are meant: ${all}`, {
      next: found.length === 0 ? 'play schedule --list shows them.' : 'Say: play schedule --remove --name NAME',
    });
  }
  const [schedule] = found as [Schedule];
  if (args.check) {
    print(`would remove ${schedule.name}`);
    return ExitCode.done;
  }
  await forget(schedule);
  await rm(recordFile(schedule.name), { force: true });
  print(`removed ${schedule.name}`);
  return ExitCode.done;
}

/** Those of a name, of a playbook, of an inventory; all where nothing is said. */
async function named({ playbook, name, inventory }: ScheduleArguments, all: readonly Schedule[]): Promise<Schedule[]> {
  const sources = inventory.map((text) => resolve(text));
  return all.filter(
    (one) =>
      (name === undefined || one.name === name) &&
      (playbook === undefined || one.name === playbook || one.words[0] === playbook) &&
      sources.every((source) => one.words.includes(source)),
  );
}

interface Shown {
  schedule: Schedule;
  /** Its words without what may be a secret among them. */
  words: readonly string[];
  state: ScheduleState;
  running: boolean;
  fault: string;
}

async function show(args: ScheduleArguments): Promise<number> {
  const now = new Date();
  const shown = await Promise.all(
    (await named({ ...args, inventory: [] }, await readSchedules())).map(async (schedule): Promise<Shown> => {
      const [{ state, running }, fault] = await Promise.all([lookAtRuns(schedule), keeperFault(schedule)]);
      return {
        schedule,
        words: await shownWords(schedule),
        state,
        running,
        fault: scheduleFault(schedule, state, running, fault, now),
      };
    }),
  );
  if (args.output === 'json') process.stdout.write(`${JSON.stringify(shown.map(factsOf), undefined, 2)}\n`);
  else if (shown.length === 0) print('there are no schedules');
  else if (args.list) print(table(['SCHEDULE', 'WHEN', 'NEXT', 'AS', 'BY', 'COMMAND'], shown.map(listRow)));
  else for (const one of shown) print(statusText(one));
  const isLacking = args.status && (shown.length === 0 || shown.some(({ fault }) => fault !== ''));
  return isLacking ? ExitCode.failed : ExitCode.done;
}

/** A playbook that cannot be loaded any more says of no variable that it is no secret. */
async function shownWords({ words, folder }: Schedule): Promise<string[]> {
  const behind = (option: string) => words.filter((_, index) => words[index - 1] === option);
  const extraVars = behind('-e');
  if (extraVars.length === 0) return [...words];
  const folders = [join(folder, 'playbooks'), ...searchFolders('playbooks', behind('-i').map(dirname))];
  return recordedWords(words, extraVars, await loadPlaybook(words[0]!, folders).catch(() => undefined));
}

const listRow = ({ schedule, words }: Shown): string[] => {
  const { name, every, user, keeper } = schedule;
  return [name, every, nextText(schedule), user, keeper, `play ${words.join(' ')}`];
};

function factsOf({ schedule, words, state, running, fault }: Shown): Record<string, unknown> {
  const { name, every, user, keeper } = schedule;
  const next = nextAfter(parseCron(every), new Date())?.toISOString() ?? null;
  return { name, every, next, user, by: keeper, words, running, fault: fault || null, ...state };
}

function statusText({ schedule, state, running, fault }: Shown): string {
  const { runs, lastGoodAt } = state;
  const lines = runs.slice(0, 5).map(({ startedAt, endedAt, exitCode }, index) => {
    if (endedAt === null) return `  ${startedAt}  ${running && index === 0 ? 'is under way' : 'was cut off'}`;
    const seconds = (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
    return `  ${startedAt}  ${exitCode === 0 ? 'ended well' : `FAILED, exit ${exitCode}`} after ${seconds.toFixed(1)} s`;
  });
  // Also while the next one is under way, what the last one said is what matters.
  const last = runs.find(({ endedAt }) => endedAt !== null);
  return [
    `${schedule.name}: ${fault === '' ? (runs.length === 0 ? 'has not run yet' : 'well') : `NOT WELL: ${fault}`}`,
    `  last good run ${lastGoodAt ?? 'never'}; next ${nextText(schedule)}`,
    ...lines,
    ...(last && last.exitCode !== 0 ? last.words.map((line) => `    ${line}`) : []),
  ].join('\n');
}

function nextText({ every }: Schedule): string {
  const next = nextAfter(parseCron(every), new Date());
  if (!next) return 'never';
  const two = (number: number) => String(number).padStart(2, '0');
  return `${next.getFullYear()}-${two(next.getMonth() + 1)}-${two(next.getDate())} ${two(next.getHours())}:${two(next.getMinutes())}`;
}
