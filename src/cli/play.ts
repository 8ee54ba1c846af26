import { dirname, resolve } from 'node:path';
import { ExitCode, InputError } from '../errors.ts';
import type { Inventory, Variable } from '../inventory/inventory.ts';
import { loadInventory } from '../inventory/load.ts';
import { runPlaybook } from '../runner/run.ts';
import type { Screen, ScreenOptions } from '../screen/screen.ts';
import { Secret } from '../secret.ts';
import { searchFolders } from './folders.ts';
import { loadPlaybook } from './load-playbook.ts';
import type { PlayArguments } from './main.ts';
import { askSecret } from './prompt.ts';

/** `play <playbook>`: from the words of the command line to the exit code. */
export async function runPlay(args: PlayArguments): Promise<number> {
  const sources = args.inventory;
  if (sources.length === 0) {
    throw new InputError('no inventory was given', { next: `Say: play ${args.playbook} -i hosts.ini` });
  }
  const inventoryDirs = sources.map((source) => dirname(resolve(source)));
  const [playbook, loaded] = await Promise.all([
    loadPlaybook(args.playbook, searchFolders('playbooks', inventoryDirs)),
    loadInventory(sources),
  ]);
  const inventory = withExtraVars(loaded, args.extraVars);
  const screen = await openScreen(args);
  for (const { file, line, message } of inventory.warnings) {
    screen.listener({ type: 'message', level: 'warning', text: `${file}:${line}: ${message}` });
  }
  const becomePassword = args.askBecomePass ? new Secret(await askSecret('BECOME password: ')) : undefined;
  const stop = stopOnSignals(screen);
  try {
    const report = await runPlaybook({
      playbook,
      inventory,
      inventoryDir: inventoryDirs[0]!,
      limit: args.limit,
      check: args.check,
      diff: args.diff,
      becomePassword,
      templateDirs: searchFolders('templates', inventoryDirs),
      signal: stop.signal,
      listener: screen.listener,
    });
    return report.exitCode;
  } finally {
    stop.release();
    await screen.done();
  }
}

async function openScreen(args: PlayArguments): Promise<Screen> {
  const out = process.stdout;
  const isTerminal = out.isTTY === true && process.env.TERM !== 'dumb';
  const options: ScreenOptions = { out, diff: args.diff, colour: isTerminal && !process.env.NO_COLOR };
  if (isTerminal && args.output === 'auto') return (await import('../screen/terminal.ts')).terminalScreen(options);
  return (await import('../screen/lines.ts')).linesScreen(options);
}

/** The first signal stops the run where it is safe to; the second ends the process at once. */
function stopOnSignals(screen: Screen): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(ExitCode.interrupted);
    controller.abort();
    const text = 'Stopping: what is under way is finished first. Once more to stop at once.';
    screen.listener({ type: 'message', level: 'warning', text });
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, onSignal);
  return {
    signal: controller.signal,
    release: () => signals.forEach((name) => void process.off(name, onSignal)),
  };
}

/** Lays `-e NAME=value` over the variables of every host. */
function withExtraVars(inventory: Inventory, words: readonly string[]): Inventory {
  if (words.length === 0) return inventory;
  const extra = new Map<string, Variable>();
  for (const word of words) {
    const at = word.indexOf('=');
    if (at < 1)
      throw new InputError(`-e ${word} is not NAME=value`, { next: 'Say, for instance: -e ETCD_VERSION=3.5.16' });
    const [name, value] = [word.slice(0, at).trim(), word.slice(at + 1).trim()];
    extra.set(name, { name, value, raw: value, origin: { file: 'command line (-e)', line: 0, scope: 'command line' } });
  }
  return {
    ...inventory,
    hosts: inventory.hosts,
    groups: inventory.groups,
    hostsOf: (group) => inventory.hostsOf(group),
    groupsOf: (host) => inventory.groupsOf(host),
    varsOf: (host) => new Map([...inventory.varsOf(host), ...extra]),
  };
}
