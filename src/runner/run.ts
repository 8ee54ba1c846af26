import type { Connection } from '../connection/connection.ts';
import type { AskSecret } from '../connection/private-keys.ts';
import type { ConnectionDefaults, ConnectionSettings } from '../connection/settings.ts';
import { SshConfig } from '../connection/ssh-config.ts';
import { asPlayError, ExitCode, InputError, PlayError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { selectHosts } from '../inventory/pattern.ts';
import { DeclaredVariables } from '../variables/read.ts';
import type { HostTally, Listener, RunEvent } from './events.ts';
import { keepBeating, lockHost } from './host-lock.ts';
import { Memory } from './memory.ts';
import { PlayRunner } from './play-runner.ts';
import type { Play, Playbook, Plays, RunContext, Task } from './playbook.ts';
import { ConnectionPool } from './pool.ts';
import { serialGroups } from './serial.ts';
import { type Choice, chosen, EVERYTHING, startingAt } from './tags.ts';

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

/** @throws InputError for what is no list of plays: no compiler may have looked at the playbook. */
async function* oneByOne(plays: Plays): AsyncGenerator<Play> {
  if (!(Symbol.iterator in Object(plays) || Symbol.asyncIterator in Object(plays)) || typeof plays === 'string') {
    throw new InputError('plays(run) of the playbook must give a list of plays', {
      next: "plays: () => [play('…', …)]",
    });
  }
  for await (const play of plays) {
    if (typeof play?.name === 'string' && (Array.isArray(play.tasks) || typeof play.tasks === 'function')) yield play;
    else
      throw new InputError('plays(run) of the playbook gives what is no play', { next: "Make plays by play('…', …)." });
  }
}

/** @throws PlayError for what is no task. */
function checkTasks({ name }: Play, tasks: readonly Task[]): void {
  if (Array.isArray(tasks) && tasks.every((task) => ['resources', 'host', 'once'].includes(task?.kind))) return;
  throw new PlayError(`the play '${name}' has what is no task`, { next: 'Make tasks by task(), step() or once().' });
}

const NOTHING: HostTally = { ok: 0, changed: 0, skipped: 0, failed: 0, unreachable: 0 };

/** @throws InputError saying what the playbook is for, where the inventory has no such hosts. */
function hostsFor({ name, hosts }: Playbook, inventory: Inventory): string[] {
  try {
    return selectHosts(inventory, hosts);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    const next = `Put its hosts under [${hosts}]. ${cause.next ?? ''}`.trim();
    throw new InputError(`${name} is for the hosts of '${hosts}', and the inventory names none`, { next, cause });
  }
}

/** @throws PlayError for a task that notifies a handler its play does not have: it would be forgotten in silence. */
function checkHandlers({ name, handlers = [] }: Play, tasks: readonly Task[]): void {
  const known = new Set(handlers.map((handler) => handler.name));
  for (const task of tasks) {
    const notified = task.kind === 'once' ? [] : [task.notify ?? []].flat();
    const unknown = notified.find((handler) => !known.has(handler));
    if (unknown === undefined) continue;
    const next = `The play's handlers are: ${[...known].join(', ') || 'none'}.`;
    throw new PlayError(`[${task.name}] notifies '${unknown}', and the play '${name}' has no such handler`, { next });
  }
}

/** What a run gathers on its way. */
class Run {
  readonly #pool: ConnectionPool;
  readonly #locked = new Map<string, Promise<Connection>>();
  readonly #holding = new Set<Connection>();
  readonly #stopBeating = keepBeating(this.#holding);
  readonly #closers: (() => Promise<void> | void)[] = [];
  readonly #request: RunRequest;
  readonly #memory = new Memory();
  readonly #fromStart: (tasks: readonly Task[]) => readonly Task[];
  readonly #variables: DeclaredVariables;
  readonly #tallies = new Map<string, HostTally>();
  readonly #errors: PlayError[] = [];
  #interrupted = false;

  constructor(request: RunRequest) {
    this.#request = request;
    this.#fromStart = startingAt(request.choice?.startAt);
    this.#variables = new DeclaredVariables(request.playbook.variables ?? {}, (host) => request.inventory.varsOf(host));
    const become = request.playbook.become ?? true;
    const { inventory, connection, askSecret } = request;
    const config = new SshConfig();
    const settings = new Map<string, Promise<ConnectionSettings>>();
    this.#pool = new ConnectionPool((host) => {
      let own = settings.get(host);
      if (!own) {
        own = config.settings(host, inventory.varsOf(host), { ...connection, become });
        settings.set(host, own);
      }
      return own;
    }, askSecret);
  }

  async plays(): Promise<void> {
    const { playbook, inventory, limit, check, diff, signal, listener } = this.#request;
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
    for (; !next.done; next = await plays.next()) {
      const play = next.value;
      const goesOn = !signal.aborted && (play.when?.() === false || (await this.#play(play, context)));
      if (goesOn) continue;
      await plays.return(undefined);
      break;
    }
    // Whoever stops a run because of an error says so by its reason.
    if (signal.reason instanceof PlayError) throw signal.reason;
    this.#interrupted = signal.aborted;
  }

  async #play(play: Play, context: RunContext): Promise<boolean> {
    const { choice = EVERYTHING } = this.#request;
    const all = typeof play.hosts === 'function' ? play.hosts() : (play.hosts ?? context.hosts);
    const made = typeof play.tasks === 'function' ? await play.tasks() : play.tasks;
    checkTasks(play, made);
    const tasks = this.#fromStart(chosen(made, play.tags ?? [], choice));
    checkHandlers(play, made);
    if (tasks.length === 0) return true;
    const groups = serialGroups(all, play.serial);
    for (const [index, hosts] of groups.entries()) {
      const name = groups.length > 1 ? `${play.name} (${index + 1} of ${groups.length})` : play.name;
      if (!(await this.#group(name, play, tasks, hosts, context))) return false;
      if (context.signal.aborted) return false;
    }
    return true;
  }

  async #group(
    name: string,
    { gather = false, handlers }: Play,
    tasks: readonly Task[],
    hosts: readonly string[],
    context: RunContext,
  ): Promise<boolean> {
    const { listener } = this.#request;
    const control = tasks.some((task) => task.kind === 'once');
    const shown = tasks.some((task) => task.kind !== 'once') ? hosts : [];
    listener({ type: 'play-start', play: name, hosts: shown, control });
    const emit: Listener = (event) => this.#note(event);
    const forks = this.#request.forks ?? FORKS;
    try {
      const errors = await new PlayRunner(context, { emit, memory: this.#memory, gather, forks }).run(
        tasks,
        hosts,
        handlers,
      );
      this.#errors.push(...errors);
      return errors.length === 0;
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
      say: (text, level = 'info') => listener({ type: 'message', level, text }),
      confirm: (question, word) => this.#confirm(question, word),
    };
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
    const { playbook, check } = this.#request;
    if (check || playbook.lock === false) return this.#pool.get(host);
    let locked = this.#locked.get(host);
    if (!locked) {
      locked = this.#pool.get(host).then(async (connection) => {
        await lockHost(connection, playbook.name);
        this.#holding.add(connection);
        return connection;
      });
      locked.catch(() => undefined);
      this.#locked.set(host, locked);
    }
    return locked;
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
