import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { asPlayError, ExitCode, InputError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { loadInventory } from '../inventory/load.ts';
import type { Playbook } from '../runner/playbook.ts';
import type { Choice } from '../runner/tags.ts';
import { auditScreen } from '../screen/audit.ts';
import { LastWords } from '../screen/last-words.ts';
import { legible, legibleName } from '../screen/legible.ts';
import { recordedWords } from '../screen/recorded-words.ts';
import type { Screen, ScreenOptions } from '../screen/screen.ts';
import { several } from '../screen/several.ts';
import { veiled } from '../screen/veil.ts';
import { conceal, Secret } from '../secret.ts';
import type { AdHocArguments, ChoiceArguments, PlayArguments, RunArguments } from './arguments.ts';
import { searchFolders } from './folders.ts';
import { findPlaybook, loadPlaybookFile } from './load-playbook.ts';
import { printOutline } from './outline.ts';
import { askSecret, askTask, askWord } from './prompt.ts';
import { vaultPasswords } from './vault.ts';

/** `play <playbook>`: from the words of the command line to the exit code. */
export async function runPlay(args: PlayArguments): Promise<number> {
  return run(args, args, `play ${args.playbook}`, (inventoryDirs) => {
    const file = findPlaybook(args.playbook, searchFolders('playbooks', inventoryDirs));
    return { load: () => loadPlaybookFile(file), playbookDir: dirname(file) };
  });
}

/** All of a playbook, and no word for it yet. */
const ALL_OF_IT: ChoiceArguments = {
  tags: [],
  skipTags: [],
  startAtTask: undefined,
  listHosts: false,
  listTasks: false,
  listTags: false,
  syntaxCheck: false,
  yes: false,
  step: false,
};

/** `play exec` and `play ping`: a playbook of one step, made from the command line. */
export async function runAdHoc(kind: 'exec' | 'ping', args: AdHocArguments): Promise<number> {
  const { execPlaybook, pingPlaybook } = await import('./exec.ts');
  const { pattern, become, taskTimeout, '--': words = [] } = args;
  const timeoutMs = taskTimeout && taskTimeout * 1000;
  const playbook = kind === 'exec' ? execPlaybook(pattern, words, become, timeoutMs) : pingPlaybook(pattern, become);
  return run(args, ALL_OF_IT, `play ${kind} ${pattern}`, () => ({ load: async () => playbook })).catch((error) => {
    // The pattern is not a playbook's own, so there is nothing to say of what it is for.
    throw error instanceof InputError && error.cause instanceof InputError ? error.cause : error;
  });
}

interface FoundPlaybook {
  load(): Promise<Playbook>;
  /** Where it stands, with its own `group_vars/` perhaps; a playbook made from the command line stands nowhere. */
  playbookDir?: string;
}

async function run(
  args: RunArguments,
  chosen: ChoiceArguments,
  words: string,
  find: (inventoryDirs: readonly string[]) => FoundPlaybook,
): Promise<number> {
  const sources = args.inventory;
  if (sources.length === 0) {
    throw new InputError('no inventory was given', { next: `Say: ${words} -i hosts.ini` });
  }
  const inventoryDirs = sources.map(directoryOf);
  const { load, playbookDir } = find(inventoryDirs);
  // Before the playbook, which takes far longer to load.
  const inventory = await loadInventory(sources, {
    playbookDir,
    extraVars: args.extraVars,
    vaultPasswords: await vaultPasswords(args),
  });
  // All that connects is loaded only now, for the same reason.
  const [playbook, { runPlaybook }] = await Promise.all([load(), import('../runner/run.ts')]);
  const choice: Choice = {
    tags: listOf(chosen.tags),
    skipTags: listOf(chosen.skipTags),
    ...(chosen.startAtTask ? { startAt: chosen.startAtTask } : {}),
  };
  const { listHosts, listTasks, listTags } = chosen;
  const { limit } = args;
  if (listHosts || listTasks || listTags || chosen.syntaxCheck) {
    const { outline } = await import('../runner/outline.ts');
    const outlined = await outline(playbook, inventory, { limit, choice, inventoryDir: inventoryDirs[0]! });
    const doubts = [...inventory.warnings.map(warningText), ...outlined.doubts];
    return printOutline({ ...outlined, doubts }, { listHosts, listTasks, listTags, json: args.output === 'json' });
  }
  if (chosen.step && !process.stdin.isTTY) {
    throw new InputError('with --step each task is asked for, and there is no terminal to ask on', {
      next: 'Leave out --step, or use --tags or --start-at-task to choose tasks.',
    });
  }
  const screen = await openScreen(args, chosen.step, playbook);
  for (const warning of inventory.warnings) {
    screen.listener({ type: 'message', level: 'warning', text: warningText(warning) });
  }
  const password = args.askPass
    ? new Secret(await askSecret('SSH password: ', 'Set ansible_password in the inventory, or log in with a key.'))
    : undefined;
  const becomePassword = args.askBecomePass
    ? new Secret(
        (await askSecret(
          password ? 'BECOME password [the same]: ' : 'BECOME password: ',
          'Set ansible_become_password in the inventory.',
        )) ||
          (password?.reveal() ?? ''),
      )
    : undefined;
  const lastWords = new LastWords();
  const heard = several(lastWords.screen, screen);
  const stop = stopOnSignals(screen, lastWords);
  try {
    const report = await runPlaybook({
      playbook,
      inventory,
      inventoryDir: inventoryDirs[0]!,
      limit,
      check: args.check,
      diff: args.diff,
      connection: {
        becomePassword,
        password,
        user: args.user,
        privateKey: args.privateKey,
        hostKeyChecking: args.hostKeyChecking,
      },
      forks: args.forks,
      askSecret: process.stdin.isTTY
        ? async (question) => new Secret(await askSecret(question, 'Run it where there is a terminal.'))
        : undefined,
      templateDirs: searchFolders('templates', inventoryDirs),
      signal: stop.signal,
      listener: heard.listener,
      choice,
      askTask: chosen.step ? (task) => askTask(conceal(legible(task))) : undefined,
      watch: args.verbose >= 3 ? 'output' : args.verbose === 2 ? 'scripts' : undefined,
      confirm: chosen.yes ? async () => true : process.stdin.isTTY ? askWord : undefined,
    });
    return report.exitCode;
  } finally {
    stop.release();
    await screen.done();
  }
}

function warningText({ file, line, message }: Inventory['warnings'][number]): string {
  return `${file}:${line}: ${message}`;
}

function directoryOf(source: string): string {
  const path = resolve(source);
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path);
}

function listOf(words: readonly string[]): string[] {
  return words
    .join(',')
    .split(',')
    .flatMap((word) => (word.trim() === '' ? [] : [word.trim()]));
}

/** What the user sees, and the record that every run leaves. */
async function openScreen(args: RunArguments, stepping: boolean, playbook: Playbook): Promise<Screen> {
  const shown = await openShown(args, stepping);
  const warn = (text: string) => shown.listener({ type: 'message', level: 'warning', text });
  const words = recordedWords(process.argv.slice(2), args.extraVars, playbook);
  const record = veiled(auditScreen(words, warn), legible);
  return veiled(several(shown, record), conceal);
}

async function openShown(args: RunArguments, stepping: boolean): Promise<Screen> {
  const out = process.stdout;
  if (args.output === 'json') return (await import('../screen/json.ts')).jsonScreen(out);
  const { CI, TERM, NO_COLOR, FORCE_COLOR } = process.env;
  // What a CI keeps is a log, also where it is made on a terminal.
  const isTerminal = out.isTTY === true && TERM !== 'dumb' && !(CI && CI !== 'false');
  const colour = !NO_COLOR && (isTerminal || (FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0'));
  const options: ScreenOptions = { out, diff: args.diff, colour, verbosity: args.verbose };
  // Questions between tasks have no place beside a board.
  if (isTerminal && args.output === 'auto' && !stepping) {
    return veiled((await import('../screen/terminal.ts')).terminalScreen(options), legible, legibleName);
  }
  return veiled((await import('../screen/lines.ts')).linesScreen(options), legible, legibleName);
}

/** The first signal stops the run where it is safe to; the second ends the process at once, not without its recap. */
function stopOnSignals(screen: Screen, lastWords: LastWords): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) {
      const end = lastWords.cutOff();
      if (end) screen.listener(end);
      process.exit(ExitCode.interrupted);
    }
    controller.abort();
    const text = 'Stopping: what is under way is finished first. Once more to stop at once.';
    screen.listener({ type: 'message', level: 'warning', text });
  };
  // A promise that a playbook forgot, or a timer of its own: the run is not as its author thinks.
  const onStray = (thrown: unknown) => controller.abort(asPlayError(thrown));
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const strays = ['uncaughtException', 'unhandledRejection'] as const;
  for (const name of signals) process.on(name, onSignal);
  for (const name of strays) process.on(name, onStray);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of signals) process.off(name, onSignal);
      for (const name of strays) process.off(name, onStray);
    },
  };
}
