import type { Connection } from '../connection/connection.ts';
import type { AskSecret } from '../connection/private-keys.ts';
import type { ConnectionDefaults, ConnectionSettings } from '../connection/settings.ts';
import { SshConfig } from '../connection/ssh-config.ts';
import { asPlayError, ExitCode, PlayError } from '../errors.ts';
import { implicitVars } from '../inventory/implicit.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { selectHosts } from '../inventory/pattern.ts';
import { DeclaredVariables } from '../variables/read.ts';
import { checkChoice, checkHandlers, checkTasks, hostsFor, oneByOne } from './checked-plays.ts';
import { CONTROL, type HostTally, type Listener, type RunEvent } from './events.ts';
import { keepBeating, lockHost } from './host-lock.ts';
import { Memory } from './memory.ts';
import { PlayRunner } from './play-runner.ts';
import type { Play, Playbook, RunContext, Task } from './playbook.ts';
import { ConnectionPool } from './pool.ts';
import { serialGroups } from './serial.ts';
import { type Choice, EVERYTHING, Selection } from './tags.ts';
import { connectionText, type Watch, watched } from './watched.ts';

export interface RunRequest {
  playbook: Playbook;
  inventory: Inventory;
  inventoryDir: string;
  limit: string | undefined;
  check: boolean;
  diff: boolean;
  /** What the command line says of connections; variables of the inventory stand above it. */
  connection?: Omit<ConnectionDefaults, 'become'>;
  /** How many hosts are worked on at a time. */
  forks?: number | undefined;
  /** Asks for the passphrase of a key. */
  askSecret?: AskSecret | undefined;
  templateDirs: readonly string[];
  signal: AbortSignal;
  listener: Listener;
  /** The tasks that the command line chose. Default: all. */
  choice?: Choice;
  /** Asks before each task (`--step`): whether it is to be done, or all that is left without asking again. */
  askTask?: ((task: string) => Promise<'yes' | 'no' | 'continue'>) | undefined;
  /** What is told of connections. Default: nothing. */
  watch?: Watch | undefined;
  /** Has a word typed: true if it was. Left out where nobody can be asked. */
  confirm?: ((question: string, word: string) => Promise<boolean>) | undefined;
}

export interface RunReport {
  exitCode: number;
  tallies: ReadonlyMap<string, HostTally>;
  errors: readonly PlayError[];
}

/** Runs a playbook from its input to its recap. Never throws for what goes wrong in the run: it is in the report. */
export async function runPlaybook(request: RunRequest): Promise<RunReport> {
  const started = performance.now();
  const run = new Run(request);
  let failure: unknown;
  try {
    await run.plays();
  } catch (error) {
    failure = error;
  } finally {
    await run.close();
  }
  return run.end(failure, performance.now() - started);
}

/** Hosts at a time where nobody says: what one control machine does without waiting for itself. */
const FORKS = 50;

const NOTHING: HostTally = { ok: 0, changed: 0, skipped: 0, failed: 0, unreachable: 0 };

/** What a run gathers on its way. */
class Run {
  readonly #pool: ConnectionPool;
  readonly #settings: (host: string) => Promise<ConnectionSettings>;
  readonly #watched = new WeakMap<Connection, Connection>();
  readonly #locked = new Map<string, Promise<Connection>>();
  readonly #holding = new Set<Connection>();
  readonly #stopBeating = keepBeating(this.#holding);
  readonly #closers: (() => Promise<void> | void)[] = [];
  readonly #request: RunRequest;
  readonly #memory = new Memory();
  readonly #selection: Selection;
  readonly #variables: DeclaredVariables;
  readonly #tallies = new Map<string, HostTally>();
  readonly #errors: PlayError[] = [];
  /** Hosts that failed where that is not the end of the others. */
  readonly #leftBehind = new Set<string>();
  #interrupted = false;
  /** Each task is asked for before it is done. */
  #stepping: boolean;

  constructor(request: RunRequest) {
    this.#request = request;
    this.#stepping = request.askTask !== undefined;
    this.#selection = new Selection(request.choice ?? EVERYTHING);
    this.#variables = new DeclaredVariables(request.playbook.variables ?? {}, (host) => request.inventory.varsOf(host));
    const become = request.playbook.become ?? true;
    const { inventory, connection, askSecret } = request;
    const config = new SshConfig();
    const settings = new Map<string, Promise<ConnectionSettings>>();
    this.#settings = (host) => {
      let own = settings.get(host);
      if (!own) {
        own = config.settings(host, inventory.varsOf(host), { ...connection, become });
        settings.set(host, own);
      }
      return own;
    };
    this.#pool = new ConnectionPool(this.#settings, askSecret);
  }

  async plays(): Promise<void> {
    const { playbook, inventory, limit, check, diff, signal, listener, choice = EVERYTHING } = this.#request;
    checkChoice(playbook, choice);
    const context = this.#context(hostsFor(playbook, inventory), selectHosts(inventory, playbook.hosts, limit));
    for (const { file, line, message } of this.#variables.check(context.hosts)) {
      context.say(`${file}:${line}: ${message}`, 'warning');
    }
    // The first play is made before anything is said or touched: bad input ends the run here.
    const plays = oneByOne(await playbook.plays(context));
    let next = await plays.next();
    await this.#pool.prepare(context.hosts);
    for (const host of context.allHosts) this.#tallies.set(host, { ...NOTHING });
    listener({ type: 'run-start', playbook: playbook.name, hosts: context.hosts, check, diff });
    let goesOn = true;
    for (; goesOn && !next.done; next = goesOn ? await plays.next() : next) {
      const play = next.value;
      goesOn = !signal.aborted && (play.when?.() === false || (await this.#play(play, context)));
      if (!goesOn) await plays.return(undefined);
    }
    if (goesOn) this.#judgeChoice(context);
    // Whoever stops a run because of an error says so by its reason.
    if (signal.reason instanceof PlayError) throw signal.reason;
    this.#interrupted = signal.aborted;
  }

  #judgeChoice(context: RunContext): void {
    const { error, doubts } = this.#selection.complaints();
    for (const doubt of doubts) context.say(doubt, 'warning');
    if (error) this.#errors.push(error);
  }

  async #play(play: Play, context: RunContext): Promise<boolean> {
    const all = typeof play.hosts === 'function' ? play.hosts() : (play.hosts ?? context.hosts);
    const made = typeof play.tasks === 'function' ? await play.tasks() : play.tasks;
    checkTasks(play, made);
    const tasks = this.#selection.of(made, play.tags ?? []);
    checkHandlers(play, made);
    if (tasks.length === 0) return true;
    const left = all.filter((host) => !this.#leftBehind.has(host));
    if (left.length === 0 && all.length > 0) return this.#leftBehind.size < context.hosts.length;
    const groups = serialGroups(left, play.serial);
    for (const [index, hosts] of groups.entries()) {
      const name = groups.length > 1 ? `${play.name} (${index + 1} of ${groups.length})` : play.name;
      const failed = await this.#group(name, play, tasks, hosts, context);
      if (context.signal.aborted || (failed.size > 0 && !this.#goesOnAfter(failed, play, hosts))) return false;
    }
    return true;
  }

  /** Where one failure is not that of all, there must be somebody to go on with. */
  #goesOnAfter(failed: ReadonlySet<string>, { anyErrorFatal = true }: Play, hosts: readonly string[]): boolean {
    if (anyErrorFatal || failed.has(CONTROL)) return false;
    for (const host of failed) this.#leftBehind.add(host);
    return failed.size < hosts.length;
  }

  async #group(
    name: string,
    { gather = false, anyErrorFatal = true, handlers }: Play,
    tasks: readonly Task[],
    hosts: readonly string[],
    context: RunContext,
  ): Promise<ReadonlySet<string>> {
    const { listener } = this.#request;
    const control = tasks.some((task) => task.kind === 'once');
    const shown = tasks.some((task) => task.kind !== 'once') ? hosts : [];
    listener({ type: 'play-start', play: name, hosts: shown, control });
    const emit: Listener = (event) => this.#note(event);
    const forks = this.#request.forks ?? FORKS;
    try {
      const ask = this.#stepping ? (task: string) => this.#ask(task) : undefined;
      const goOn = gather || !anyErrorFatal;
      const runner = new PlayRunner(context, { emit, memory: this.#memory, gather: goOn, forks, ask });
      this.#errors.push(...(await runner.run(tasks, hosts, handlers)));
      return runner.failed;
    } finally {
      // Whatever happens: a screen waits for it.
      listener({ type: 'play-end', play: name });
    }
  }

  #note(event: RunEvent): void {
    if (event.type === 'task-end') {
      const tally = this.#tallies.get(event.host) ?? { ...NOTHING };
      const key = event.status === 'would change' ? 'changed' : event.status;
      tally[key] = (tally[key] ?? 0) + 1;
      this.#tallies.set(event.host, tally);
    }
    this.#request.listener(event);
  }

  #context(allHosts: string[], hosts: string[]): RunContext {
    const { inventory, check, diff, templateDirs, inventoryDir, signal, listener } = this.#request;
    return {
      inventory,
      allHosts,
      hosts,
      check,
      diff,
      templateDirs,
      inventoryDir,
      signal,
      varsOf: (host) => inventory.varsOf(host),
      valuesOf: (host) => this.#variables.valuesOf(host),
      value: (name) => this.#variables.value(name, hosts),
      connect: (host) => this.#connect(host),
      onEnd: (close) => void this.#closers.push(close),
      say: (text, level = 'info', data) => listener({ type: 'message', level, text, ...(data && { data }) }),
      confirm: (question, word) => this.#confirm(question, word),
      askSecret: async (question) => this.#request.askSecret?.(question),
    };
  }

  /** @throws PlayError for a no where what comes after it relies on it. */
  async #ask(task: string): Promise<boolean> {
    const { askTask, playbook } = this.#request;
    const answer = this.#stepping && askTask ? await askTask(task) : 'continue';
    if (answer === 'continue') this.#stepping = false;
    if (answer !== 'no') return true;
    if (!playbook.whole) return false;
    throw new PlayError(`stopped before [${task}]`, { next: 'The tasks after it rely on it: run again to go on.' });
  }

  async #confirm(question: string, word: string): Promise<void> {
    const { check, confirm } = this.#request;
    if (check) return;
    if (!confirm) throw new PlayError(`not confirmed: ${question}`, { next: 'Without a terminal: add --yes.' });
    if (!(await confirm(question, word))) {
      throw new PlayError(`not confirmed: ${word} was not typed`, { next: 'Nothing more was done.' });
    }
  }

  /** The open connection, with the host locked for this run where it may change something there. */
  #connect(host: string): Promise<Connection> {
    const { playbook, check, signal } = this.#request;
    // Who holds no lock may go on over another connection: nobody was kept away by the one that is lost.
    // This machine, where a task is merely delegated to it, is not what is changed: runs for other hosts may use it, too.
    const isMerelyHere = implicitVars(host) !== undefined && !this.#tallies.has(host);
    if (check || playbook.lock === false || isMerelyHere) return this.#open(host, () => this.#pool.renewed(host));
    let locked = this.#locked.get(host);
    if (!locked) {
      locked = this.#open(host, () => this.#pool.get(host)).then(async (connection) => {
        await lockHost(connection, playbook.name, signal);
        this.#holding.add(connection);
        return connection;
      });
      locked.catch(() => undefined);
      this.#locked.set(host, locked);
    }
    return locked;
  }

  async #open(host: string, get: () => Promise<Connection>): Promise<Connection> {
    const { watch, listener } = this.#request;
    const started = performance.now();
    const own = await get();
    if (!watch) return own;
    const known = this.#watched.get(own);
    if (known) return known;
    const connection = watched(own, watch, listener);
    this.#watched.set(own, connection);
    const durationMs = performance.now() - started;
    listener({ type: 'connected', host, detail: connectionText(await this.#settings(host)), durationMs });
    return connection;
  }

  /** What playbooks opened first, since it goes through the connections. */
  async close(): Promise<void> {
    this.#stopBeating();
    await Promise.allSettled(this.#closers.map(async (close) => close()));
    this.#pool.close();
  }

  end(failure: unknown, durationMs: number): RunReport {
    // Errors of the input are thrown on: they have no run to stand in.
    if (failure instanceof PlayError && failure.exitCode === ExitCode.input) throw failure;
    if (failure !== undefined) this.#errors.push(asPlayError(failure));
    const worst = Math.max(ExitCode.done, ...this.#errors.map((error) => error.exitCode));
    const exitCode = this.#interrupted ? ExitCode.interrupted : worst;
    const report = { exitCode, tallies: this.#tallies, errors: this.#errors };
    this.#request.listener({ type: 'run-end', ...report, durationMs });
    return report;
  }
}
