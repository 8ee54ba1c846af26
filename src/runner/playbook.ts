import type { Connection } from '../connection/connection.ts';
import type { Inventory, Variable } from '../inventory/inventory.ts';
import {
  checkedOptions,
  code,
  flag,
  kind,
  list,
  needed,
  number,
  type Options,
  object,
  oneOf,
  text,
} from '../options.ts';
import type { Resource } from '../resource/resource.ts';
import type { Secret } from '../secret.ts';
import type { NamedDeclaration, ValuesOf, Variables } from '../variables/declaration.ts';
import type { MessageData, TaskStatus } from './events.ts';
import { made } from './making.ts';

/** What a playbook may know and use of the run it is in. */
export interface RunContext<V extends Variables = Variables> {
  readonly inventory: Inventory;
  /** The hosts of the playbook's pattern, before the limit. */
  readonly allHosts: readonly string[];
  /** The hosts to act on: those of the pattern that the limit leaves. */
  readonly hosts: readonly string[];
  /** Check mode: nothing may be changed, on hosts or here. */
  readonly check: boolean;
  /** Differences of files are to be shown. */
  readonly diff: boolean;
  /** Folders in which templates are looked up, first come first served. */
  readonly templateDirs: readonly string[];
  /** The folder of the first inventory source: relative paths in variables start there. */
  readonly inventoryDir: string;
  /** Aborted when the run is told to stop. */
  readonly signal: AbortSignal;
  /** All variables of a host, as the inventory and `-e` have them. */
  varsOf(host: string): ReadonlyMap<string, Variable>;
  /** What the playbook's own `variables` come to on a host: read, checked, with their defaults. */
  valuesOf(host: string): ValuesOf<V>;
  /** One of them that is the same for the whole run. @throws InputError where hosts differ in it. */
  value<K extends keyof V & string>(name: K): ValuesOf<V>[K];
  /** Opens the host's one connection, or gives the open one. */
  connect(host: string): Promise<Connection>;
  /** Has something closed when the run ends, however it ends. */
  onEnd(close: () => Promise<void> | void): void;
  /** Shows a text of its own: a plan, a table, a warning. `data` says the same to programs, which read `--output json`. */
  say(text: string, level?: 'info' | 'warning', data?: MessageData): void;
  /**
   * Has the user type a word before something that cannot be undone; `--yes` stands for it, and check mode asks nothing.
   * Between plays only: while one runs, the screen is its own. @throws PlayError where it is not typed.
   */
  confirm(question: string, word: string): Promise<void>;
  /** Asks for a secret, unseen; between plays only. Undefined where there is no terminal to ask on. */
  askSecret(question: string): Promise<Secret | undefined>;
}

export interface HostContext {
  readonly host: string;
  readonly vars: ReadonlyMap<string, Variable>;
  readonly run: RunContext;
  /** The connection to this host, or to the one that the task is delegated to. */
  connect(): Promise<Connection>;
  /** How an earlier task ended on this host in this run; undefined where it has not been run. */
  result(task: string): TaskResult | undefined;
  /** Aborted when the run is told to stop, or has failed on another host: whoever waits for others waits in vain. */
  readonly signal: AbortSignal;
  /** Shows how far a long piece of work is. */
  progress(done: number, total: number): void;
}

/**
 * How a task that does something ended; nothing means: done, and nothing was changed. `unknown` is for check mode:
 * whether it would change anything cannot be told.
 */
export type Outcome =
  | { changed?: boolean; skipped?: boolean; unknown?: boolean; summary?: string; value?: unknown }
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: a task's function may end without a word
  | void;

/** What an earlier task left behind, for later ones to go by. */
export interface TaskResult {
  status: TaskStatus;
  /** It changed something, or would. */
  changed: boolean;
  /** The `value` of a step's outcome. */
  value: unknown;
}

export interface TaskOptions {
  /** Whether the task is wanted on this host; a string is the reason why it is not. */
  when?: (context: HostContext) => boolean | string;
  /** Chosen by `--tags`, left out by `--skip-tags`. `always` is always run, `never` only when asked for. */
  tags?: readonly string[];
  /** Handlers of the play to run at its end on each host where this task changed something. */
  notify?: string | readonly string[];
  /** The host whose connection is used in place of this host's. */
  delegateTo?: (host: string) => string;
}

export interface StepOptions extends TaskOptions {
  /**
   * In check mode: run all the same, since it only looks or heeds `run.check` itself; or skip, since it changes nothing that
   * check mode should tell of. Default: it is not done, and what it would do is `unknown`.
   */
  check?: InCheckMode;
  /** Tries again when it throws, or when `until` is not content with its outcome. A lost host is not tried again. */
  retries?: { times: number; delayMs: number; until?: (outcome: Outcome) => boolean };
}

export type OnceOptions = Pick<StepOptions, 'check' | 'tags'>;

export interface ResourceTask extends TaskOptions {
  kind: 'resources';
  name: string;
  /** Nothing (or an empty list) skips the task on this host. */
  resources(context: HostContext): Resource | readonly Resource[] | undefined;
}

/** What a task that does something is in check mode. */
export type InCheckMode = 'run' | 'skip' | 'unknown';

export interface HostTask extends TaskOptions, Pick<StepOptions, 'retries'> {
  kind: 'host';
  name: string;
  check: InCheckMode;
  run(context: HostContext): Promise<Outcome> | Outcome;
}

export interface OnceTask extends Pick<TaskOptions, 'tags'> {
  kind: 'once';
  name: string;
  check: InCheckMode;
  run(context: RunContext): Promise<Outcome> | Outcome;
}

export type Task = ResourceTask | HostTask | OnceTask;

export interface Play {
  name: string;
  /** Default: the hosts of the run. */
  hosts?: readonly string[] | (() => readonly string[]);
  /** Computed when the play begins, so that it may depend on what earlier plays saw. */
  tasks: readonly Task[] | (() => readonly Task[] | Promise<readonly Task[]>);
  /** Go on with the other hosts when one fails, so that all complaints are seen at once. The run ends after the play. */
  gather?: boolean;
  /**
   * Whether the failure of one host ends the play for all, and the run after it. Default true. `false`: a host that
   * failed is left behind, and the others go on, also with the plays that follow; the exit code tells of it all the same.
   */
  anyErrorFatal?: boolean;
  /** Run once for each host that a task with `notify` changed, when all tasks of the play are done. */
  handlers?: readonly (ResourceTask | HostTask)[];
  /**
   * How many hosts at a time: a number, a percentage of the play's hosts (`'30%'`), or a list of those, the last of
   * which holds for the rest. A failure in one group keeps the next from being begun.
   */
  serial?: SerialSize | readonly SerialSize[];
  /** Given to all tasks of the play. */
  tags?: readonly string[];
  /** A play that is not wanted is passed over in silence. */
  when?: () => boolean;
}

export type SerialSize = number | `${number}%`;

export type Plays = readonly Play[] | AsyncIterable<Play>;

export interface Playbook<V extends Variables = Variables> {
  name: string;
  /** One line for `play list`. */
  description: string;
  /** The pattern of hosts that it is for. */
  hosts: string;
  /**
   * What inventories and `-e` may set for it. They are read and checked before any host is touched; `run.valuesOf(host)`
   * and `run.value(name)` give what they come to, and `play <playbook> --help` shows them.
   */
  variables?: V;
  /** Further variables, for `--help`: those that the playbook reads and checks by itself. */
  alsoReads?: readonly NamedDeclaration[];
  /** Whether its tasks need root. Default true. */
  become?: boolean;
  /** Whether it takes its hosts for itself, so that no other run changes them meanwhile. Default true. */
  lock?: boolean;
  /** Its tasks rely on each other, so that no part of it may be left out by tags, by `--start-at-task` or by `--step`. */
  whole?: boolean;
  /**
   * Checks its input before any host is touched, and gives the plays. A generator (`async *plays`) is asked for the next
   * play when the one before is done, and so may go by what was seen; it is ended where a play fails.
   */
  plays(run: RunContext<V>): Plays | Promise<Plays>;
}

const PLAYBOOK: Options<Playbook> = {
  name: needed(text),
  description: needed(text),
  hosts: needed(text),
  variables: kind('an object of variables', (value) => typeof value === 'object'),
  alsoReads: kind('a list of variables', Array.isArray),
  become: flag,
  lock: flag,
  whole: flag,
  plays: needed(code),
};

const listOrFunction = (what: string) =>
  kind<never>(`a list of ${what}, or a function`, (value) => Array.isArray(value) || typeof value === 'function');
const textOrTexts = kind<never>('a text or a list of texts', (value) =>
  [value].flat().every((one) => typeof one === 'string'),
);

const PLAY: Options<Play> = {
  name: needed(text),
  hosts: listOrFunction('hosts'),
  tasks: needed(listOrFunction('tasks')),
  gather: flag,
  anyErrorFatal: flag,
  handlers: kind('a list of tasks', Array.isArray),
  serial: kind("a number, a percentage such as '30%', or a list of those", (value) =>
    [value].flat().every((one) => typeof one === 'number' || /^\d+(\.\d+)?%?$/.test(String(one))),
  ),
  tags: list(text, 'texts'),
  when: code,
};

const TASK_OPTIONS: Options<TaskOptions> = {
  when: code,
  tags: list(text, 'texts'),
  notify: textOrTexts,
  delegateTo: code,
};

const TASK: Options<Omit<ResourceTask, 'kind'>> = { name: needed(text), resources: needed(code), ...TASK_OPTIONS };

const CHECK = oneOf('run', 'skip', 'unknown');

const STEP: Options<Omit<HostTask, 'kind'>> = {
  name: needed(text),
  run: needed(code),
  check: needed(CHECK),
  retries: object<NonNullable<StepOptions['retries']>>({ times: needed(number), delayMs: needed(number), until: code }),
  ...TASK_OPTIONS,
};

const ONCE: Options<Omit<OnceTask, 'kind'>> = {
  name: needed(text),
  run: needed(code),
  check: needed(CHECK),
  tags: list(text, 'texts'),
};

/** Declares a playbook: the default export of a file under `playbooks/`. @throws PlayError for what can be none. */
export function playbook<const V extends Variables = Record<never, never>>(definition: Playbook<V>): Playbook {
  return checkedOptions('playbook', definition as unknown as Playbook, PLAYBOOK);
}

/** @throws PlayError for options that a play does not have, or that are of the wrong kind; so do the others below. */
export function play(name: string, rest: Omit<Play, 'name'>): Play {
  return made(checkedOptions(`play '${name}'`, { name, ...rest }, PLAY));
}

/** A task that says which state it wants. Neighbouring ones are probed, and applied, in one round trip for each host. */
export function task(name: string, resources: ResourceTask['resources'], options: TaskOptions = {}): ResourceTask {
  return made({ kind: 'resources', ...checkedOptions(`task '${name}'`, { name, resources, ...options }, TASK) });
}

/** A task that does something on each host. */
export function step(
  name: string,
  run: HostTask['run'],
  { check = 'unknown', ...options }: StepOptions = {},
): HostTask {
  return made({ kind: 'host', ...checkedOptions(`step '${name}'`, { name, check, run, ...options }, STEP) });
}

/** A task that is done once for the run, when all hosts have come to it. */
export function once(
  name: string,
  run: OnceTask['run'],
  { check = 'unknown', ...options }: OnceOptions = {},
): OnceTask {
  return made({ kind: 'once', ...checkedOptions(`once '${name}'`, { name, check, run, ...options }, ONCE) });
}
