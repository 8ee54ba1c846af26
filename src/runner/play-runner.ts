import { RemoteCommandError } from '../connection/errors.ts';
import { Turns } from '../connection/turns.ts';
import { asPlayError, PlayError, UnreachableError } from '../errors.ts';
import { type Change, type Found, ProbeError, type Resource, type TextDiff } from '../resource/resource.ts';
import { applyAll, probeAll, withBefore } from './batch.ts';
import { CONTROL, type Listener, type TaskStatus } from './events.ts';
import type { Memory } from './memory.ts';
import { needsLook, withNeeds } from './needs.ts';
import type { HostContext, HostTask, OnceTask, Outcome, ResourceTask, RunContext, Task } from './playbook.ts';
import { paced } from './progress.ts';
import { type Segment, type Stretch, stretches } from './segments.ts';
import { wishesOf } from './wishes.ts';

interface Row {
  task: ResourceTask;
  resource: Resource;
}

interface Due extends Row {
  change: Change;
}

interface Batched {
  rows: readonly Row[];
  due: readonly Due[];
  diffs: readonly TextDiff[];
  remarks: ReadonlyMap<Row | ResourceTask, string>;
  /** How long each task had its host; the first of those that are looked at together has the time of looking. */
  tookMs: ReadonlyMap<string, number>;
}

export interface PlayRunnerOptions {
  emit: Listener;
  memory: Memory;
  gather: boolean;
  /** How many hosts are worked on at a time. */
  forks: number;
  /** Asked before each task, which then are done one by one: whether it is to be done. */
  ask?: ((task: string) => Promise<boolean>) | undefined;
}

/** Runs the tasks of one play on a group of hosts, each at its own pace; they meet at tasks that are done once. */
export class PlayRunner {
  readonly #context: RunContext;
  readonly #emit: Listener;
  readonly #memory: Memory;
  readonly #gather: boolean;
  readonly #forks: Turns;
  readonly #ask: PlayRunnerOptions['ask'];
  readonly #errors: PlayError[] = [];
  readonly #failed = new Set<string>();
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal;
  /** Which handlers each host has to run. */
  readonly #notified = new Map<string, Set<string>>();
  /** Check mode: those that would be notified by tasks of which it is unknown whether they change anything. */
  readonly #perhapsNotified = new Map<string, Set<string>>();

  constructor(context: RunContext, { emit, memory, gather, forks, ask }: PlayRunnerOptions) {
    this.#context = context;
    this.#signal = AbortSignal.any([context.signal, this.#ending.signal]);
    this.#emit = emit;
    this.#memory = memory;
    this.#gather = gather;
    this.#ask = ask;
    this.#forks = new Turns(forks);
  }

  /** Gives the errors, one for each host that failed, in the order of the hosts; those of the control machine last. */
  async run(
    tasks: readonly Task[],
    hosts: readonly string[],
    handlers: readonly (ResourceTask | HostTask)[] = [],
  ): Promise<PlayError[]> {
    for (const stretch of this.#ask ? tasks.flatMap((task) => stretches([task])) : stretches(tasks)) {
      if (this.#mustStop()) break;
      if (this.#ask && !(await this.#ask(nameOf(stretch)))) continue;
      if (stretch.kind === 'once') await this.#once(stretch.task);
      else await Promise.all(hosts.map((host) => this.#forks.take(() => this.#host(host, stretch.segments))));
    }
    await Promise.all(hosts.map((host) => this.#forks.take(() => this.#handlers(host, handlers))));
    const rank = ({ host }: PlayError) => (host && hosts.includes(host) ? hosts.indexOf(host) : hosts.length);
    return this.#errors.sort((a, b) => rank(a) - rank(b));
  }

  /** The hosts that did not come to the end; the control machine is one of them by its own name. */
  get failed(): ReadonlySet<string> {
    return this.#failed;
  }

  #mustStop(): boolean {
    return this.#context.signal.aborted || (this.#errors.length > 0 && !this.#gather);
  }

  async #host(host: string, segments: readonly Segment[]): Promise<void> {
    for (const segment of segments) {
      if (this.#failed.has(host) || this.#mustStop()) return;
      await this.#segment(host, segment);
    }
  }

  async #segment(host: string, segment: Segment): Promise<void> {
    const task = segment.kind === 'batch' ? segment.tasks[0]! : segment;
    const context = this.#hostContext(host, task);
    const asked = new Set<string>();
    const result = (name: string) => {
      asked.add(name);
      return context.result(name);
    };
    let reason: string | undefined;
    try {
      reason = unwanted(task, { ...context, result });
    } catch (error) {
      return this.#fail(host, task.name, performance.now(), error);
    }
    if (reason !== undefined && segment.kind === 'host') return this.#leaveOut(host, task, reason, asked);
    if (segment.kind === 'host') return this.#single(host, segment, () => tryAgain(segment, context));
    if (reason === undefined) return this.#batch(host, segment.tasks);
    // Only the first of a row has a condition.
    this.#leaveOut(host, task, reason, asked);
    if (segment.tasks.length > 1) await this.#batch(host, segment.tasks.slice(1));
  }

  /** A condition that goes by what check mode does not know cannot be known either. */
  #leaveOut(host: string, task: ResourceTask | HostTask, reason: string, asked: ReadonlySet<string>): void {
    const open = [...asked].find((name) => this.#memory.result(host, name)?.status === 'unknown');
    if (open === undefined) this.#end(host, task, 'skipped', performance.now(), reason);
    else this.#end(host, task, 'unknown', performance.now(), `it depends on [${open}], which is unknown`);
  }

  /**
   * One that is notified by another stands after it, so each is asked for when its turn comes. A host that failed keeps what
   * it was notified of: it is told, since nobody will do it now.
   */
  async #handlers(host: string, handlers: readonly (ResourceTask | HostTask)[]): Promise<void> {
    const isDue = ({ name }: Task) => this.#notified.get(host)?.has(name) ?? false;
    for (const [index, handler] of handlers.entries()) {
      if (isDue(handler)) {
        if (this.#failed.has(host) || this.#context.signal.aborted) {
          const left = handlers.slice(index).filter(isDue);
          const names = left.map(({ name }) => name).join(', ');
          this.#context.say(`${host}: not done, although notified: ${names}`, 'warning');
          return;
        }
        await this.#segment(host, handler.kind === 'host' ? handler : { kind: 'batch', tasks: [handler] });
      } else if (this.#perhapsNotified.get(host)?.has(handler.name)) {
        this.#end(host, handler, 'unknown', performance.now(), 'it depends on a task that is unknown');
      }
    }
  }

  async #once(task: OnceTask): Promise<void> {
    await this.#single(CONTROL, task, async () => task.run(this.#context));
  }

  async #single(host: string, task: HostTask | OnceTask, run: () => Promise<Outcome>): Promise<void> {
    const started = performance.now();
    if (this.#context.check && task.check !== 'run') {
      this.#memory.pending.add(host);
      this.#end(host, task, task.check === 'skip' ? 'skipped' : 'unknown', started, 'not done in check mode');
      return;
    }
    this.#emit({ type: 'task-start', host, task: task.name });
    try {
      const outcome = await run();
      this.#end(
        host,
        task,
        outcomeStatus(outcome, this.#context.check),
        started,
        outcome?.summary ?? '',
        [],
        outcome?.value,
      );
    } catch (error) {
      this.#fail(host, task.name, started, error);
    }
  }

  async #batch(host: string, tasks: readonly ResourceTask[]): Promise<void> {
    const started = performance.now();
    const tookMs = new Map<string, number>();
    let since = started;
    const count = (task: string) => {
      const now = performance.now();
      tookMs.set(task, (tookMs.get(task) ?? 0) + now - since);
      since = now;
    };
    const rows: Row[] = [];
    // Where we are, for the message of whatever is thrown; what was found and applied before is told all the same.
    let current = tasks[0]!;
    let last = 0;
    let applied = 0;
    const due: Due[] = [];
    const diffs: TextDiff[] = [];
    const remarks = new Map<Row | ResourceTask, string>();
    const { check } = this.#context;
    const begin = (task: ResourceTask) => {
      if (task !== current) {
        count(current.name);
        this.#emit({ type: 'task-start', host, task: task.name });
      }
      current = task;
    };
    const judged = (resource: Resource, change: Change, needs: Found) => {
      const where = tasks[0]!.delegateTo?.(host) ?? host;
      const told = withNeeds(change, resource, needs, (need) => this.#memory.made.has(where, need));
      if (!told.unknown) this.#memory.made.add(where, resource.makes);
      return told;
    };
    try {
      for (const task of tasks) {
        current = task;
        const wishes = wishesOf(task, this.#hostContext(host, task));
        if (!wishes) remarks.set(task, 'it returned nothing');
        for (const resource of wishes ?? []) rows.push({ task, resource });
      }
      current = rows[0]?.task ?? tasks[0]!;
      this.#emit({ type: 'task-start', host, task: current.name });
      const connection = await this.#hostContext(host, tasks[0]!).connect();
      while (last < rows.length) {
        const first = last;
        const begun = due.length;
        const left = rows.slice(first);
        const at = left[0]!.task;
        begin(at);
        const resources = left.map(({ resource }) => resource);
        const found = await probeAll(connection, check ? [...resources, needsLook(resources)] : resources);
        for (; last < rows.length; last++) {
          const row = rows[last]!;
          // What it follows is not done yet: it is looked at again after that.
          if (row.resource.follows && due.length > begun && !check) break;
          current = row.task;
          const pending = check && (due.length > 0 || this.#memory.pending.has(host));
          const seen = { ...found[last - first]!, pending };
          const change = compare(row.resource, seen);
          if (change) due.push({ ...row, change: check ? judged(row.resource, change, found.at(-1)!) : change });
          const remark = change ? undefined : row.resource.remark?.(seen);
          if (remark) remarks.set(row, remark);
        }
        current = at;
        const piece = due.slice(begun);
        const texts = piece.flatMap(({ change }) => (change.diff ? [change.diff] : []));
        if (this.#context.diff) diffs.push(...(await withBefore(connection, texts)));
        if (check || piece.length === 0) continue;
        begin(due[applied]!.task);
        await applyAll(
          connection,
          piece.map((one) => this.#withProgress(host, one)),
          (index, { code, output }) => {
            const { resource } = piece[index]!;
            if (code !== 0) {
              const result = { code, stdout: output, stderr: output, durationMs: 0 };
              throw new RemoteCommandError(`${resource.kind} ${resource.id}`, result, { next: adviceFor(output) });
            }
            applied++;
            begin(due[applied]?.task ?? current);
          },
        );
      }
      count(current.name);
      if (check && due.length > 0) this.#memory.pending.add(host);
      for (const task of tasks) this.#endBatched(host, task, { rows, due, diffs, remarks, tookMs });
    } catch (error) {
      const done = check ? due : due.slice(0, applied);
      const open = new Set([...rows.slice(last), ...due.slice(done.length)].map(({ task }) => task).concat(current));
      for (const task of tasks) {
        if (open.has(task)) break;
        this.#endBatched(host, task, { rows, due: done, diffs, remarks, tookMs });
      }
      this.#fail(host, current.name, since, error);
    }
  }

  /** What is sent shows how far it is, where its author did not see to that. */
  #withProgress(host: string, { task, change }: Due): Change {
    const { input } = change;
    if (!input || input.onProgress) return change;
    const { name } = task;
    const tell = paced((done, total) => this.#emit({ type: 'progress', host, task: name, done, total }));
    return { ...change, input: { ...input, onProgress: (done) => tell(done, input.sizeBytes) } };
  }

  #endBatched(host: string, task: ResourceTask, { rows, due, diffs, remarks, tookMs }: Batched): void {
    const own = due.filter((one) => one.task === task);
    const ownRows = rows.filter((row) => row.task === task);
    const words = own.map(({ resource, change }) => `${resource.id}: ${change.summary}`);
    const summary = [...words, ...[task, ...ownRows].flatMap((one) => remarks.get(one) ?? [])].join('; ');
    const shown = diffs.filter(({ path }) => own.some(({ change }) => change.diff?.path === path));
    const began = performance.now() - (tookMs.get(task.name) ?? 0);
    this.#end(host, task, this.#batchStatus(ownRows.length, own), began, summary, shown);
  }

  #batchStatus(count: number, due: readonly Due[]): TaskStatus {
    if (count === 0) return 'skipped';
    if (due.length === 0) return 'ok';
    if (!this.#context.check) return 'changed';
    return due.every(({ change }) => change.unknown) ? 'unknown' : 'would change';
  }

  #hostContext(host: string, { name, delegateTo }: ResourceTask | HostTask): HostContext {
    const run = this.#context;
    return {
      host,
      run,
      vars: run.varsOf(host),
      connect: () => run.connect(delegateTo?.(host) ?? host),
      result: (task) => this.#memory.result(host, task),
      signal: this.#signal,
      progress: paced((done, total) => this.#emit({ type: 'progress', host, task: name, done, total })),
    };
  }

  #end(
    host: string,
    task: Task,
    status: TaskStatus,
    started: number,
    summary: string,
    diffs: readonly TextDiff[] = [],
    value?: unknown,
  ): void {
    const durationMs = performance.now() - started;
    const changed = status === 'changed' || status === 'would change';
    this.#memory.note(host, task.name, { status, changed, value });
    if (task.kind !== 'once' && changed) noteAll(this.#notified, host, task.notify);
    if (task.kind !== 'once' && status === 'unknown') noteAll(this.#perhapsNotified, host, task.notify);
    this.#emit({ type: 'task-end', host, task: task.name, status, summary, diffs, durationMs });
  }

  #fail(host: string, task: string, started: number, thrown: unknown): void {
    const error = asPlayError(thrown);
    if (host !== CONTROL) error.host ??= host;
    error.task ??= task;
    this.#failed.add(host);
    this.#errors.push(error);
    if (!this.#gather) this.#ending.abort();
    const status = error instanceof UnreachableError ? 'unreachable' : 'failed';
    const durationMs = performance.now() - started;
    this.#emit({
      type: 'task-end',
      host,
      task,
      status,
      summary: [error.message.replace(/:$/, ''), ...lastWords(error)].join(': '),
      diffs: [],
      durationMs,
      error,
    });
  }
}

/** Of a command that said much, the last line says most. */
function lastWords(error: PlayError): readonly string[] {
  return error instanceof RemoteCommandError ? error.details.slice(-1) : [];
}

function outcomeStatus(outcome: Outcome, check: boolean): TaskStatus {
  if (outcome?.skipped) return 'skipped';
  if (check && outcome?.unknown) return 'unknown';
  if (!outcome?.changed) return 'ok';
  return check ? 'would change' : 'changed';
}

function compare(resource: Resource, found: Found): Change | undefined {
  try {
    return resource.compare(found);
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    // What stands in the way now may be gone, and what is missing be there, when its turn comes.
    if (found.pending) return { summary: `not as it will be: ${error.message}`, apply: 'exit 1', unknown: true };
    throw new PlayError(error.message, { next: 'Nothing was changed there. Put it right by hand, then run again.' });
  }
}

function adviceFor(output: string): string {
  if (/No space left on device|Disk quota exceeded/i.test(output)) return 'Make room on that disk, then run again.';
  if (/Read-only file system/i.test(output)) return 'The file system is read-only: look at the disk (dmesg).';
  return 'Put right what it says, then run again: what is done already is not done twice.';
}

function noteAll(noted: Map<string, Set<string>>, host: string, handlers: string | readonly string[] = []): void {
  for (const name of [handlers].flat()) noted.set(host, (noted.get(host) ?? new Set()).add(name));
}

/** Of a stretch that was made from one task. */
function nameOf(stretch: Stretch): string {
  if (stretch.kind === 'once') return stretch.task.name;
  const [segment] = stretch.segments;
  return segment?.kind === 'batch' ? segment.tasks[0]!.name : segment!.name;
}

/** Why a task is not wanted on a host; undefined where it is. */
function unwanted({ when }: ResourceTask | HostTask, context: HostContext): string | undefined {
  const wanted = when?.(context) ?? true;
  return wanted === true ? undefined : wanted || 'not wanted here';
}

async function tryAgain({ run, retries }: HostTask, context: HostContext): Promise<Outcome> {
  for (let left = retries?.times ?? 0; ; left--) {
    try {
      const outcome = await run(context);
      if (!retries?.until || retries.until(outcome)) return outcome;
      if (left <= 0) throw new PlayError(`not as wanted after ${retries.times + 1} tries`);
      if (context.run.signal.aborted) throw new PlayError('stopped before it was as wanted');
    } catch (error) {
      if (left <= 0 || error instanceof UnreachableError || context.run.signal.aborted) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, retries?.delayMs ?? 0));
  }
}
