import { RemoteCommandError } from '../connection/errors.ts';
import { asPlayError, PlayError, UnreachableError } from '../errors.ts';
import { type Change, type Found, ProbeError, type Resource, type TextDiff } from '../resource/resource.ts';
import { applyAll, probeAll, withBefore } from './batch.ts';
import { CONTROL, type Listener, type TaskStatus } from './events.ts';
import type { HostContext, HostTask, OnceTask, Outcome, ResourceTask, RunContext, Task } from './playbook.ts';

/** Tasks that belong together: a row of resource tasks (one batch), or a single task that does something. */
type Segment = { kind: 'batch'; tasks: ResourceTask[] } | HostTask | OnceTask;

interface Row {
  task: ResourceTask;
  resource: Resource;
}

/** Runs the tasks of one play. Hosts go at their own pace; they meet at tasks that are done once. */
export class PlayRunner {
  readonly #context: RunContext;
  readonly #emit: Listener;
  readonly #errors: PlayError[] = [];
  readonly #failed = new Set<string>();
  #gather = false;

  constructor(context: RunContext, emit: Listener) {
    this.#context = context;
    this.#emit = emit;
  }

  /** Gives the errors, one for each host that failed, in the order of the hosts; those of the control machine last. */
  async run(tasks: readonly Task[], hosts: readonly string[], gather: boolean): Promise<PlayError[]> {
    this.#gather = gather;
    for (const stretch of stretches(segments(tasks))) {
      if (this.#mustStop()) break;
      if (stretch.kind === 'once') await this.#once(stretch.task);
      else await Promise.all(hosts.map((host) => this.#host(host, stretch.segments)));
    }
    const rank = ({ host }: PlayError) => (host && hosts.includes(host) ? hosts.indexOf(host) : hosts.length);
    return this.#errors.sort((a, b) => rank(a) - rank(b));
  }

  #mustStop(): boolean {
    return this.#context.signal.aborted || (this.#errors.length > 0 && !this.#gather);
  }

  async #host(host: string, segments: readonly Segment[]): Promise<void> {
    for (const segment of segments) {
      if (this.#failed.has(host) || this.#mustStop()) return;
      if (segment.kind === 'batch') await this.#batch(host, segment.tasks);
      else if (segment.kind === 'host') {
        await this.#single(host, segment, () => segment.run(this.#hostContext(host, segment.name)));
      }
    }
  }

  async #once(task: OnceTask): Promise<void> {
    await this.#single(CONTROL, task, () => task.run(this.#context));
  }

  async #single(host: string, task: HostTask | OnceTask, run: () => Promise<Outcome> | Outcome): Promise<void> {
    const started = performance.now();
    if (this.#context.check && task.check === 'skip') {
      this.#end(host, task.name, 'skipped', started, 'check mode');
      return;
    }
    this.#emit({ type: 'task-start', host, task: task.name });
    try {
      const outcome = await run();
      const status = outcome?.skipped ? 'skipped' : outcome?.changed ? 'changed' : 'ok';
      this.#end(host, task.name, status, started, outcome?.summary ?? '');
    } catch (error) {
      this.#fail(host, task.name, started, error);
    }
  }

  async #batch(host: string, tasks: readonly ResourceTask[]): Promise<void> {
    const started = performance.now();
    const rows: Row[] = [];
    // Where we are, for the message of whatever is thrown; what was applied before is told all the same.
    let current = tasks[0]!.name;
    let applied = 0;
    const due: (Row & { change: Change })[] = [];
    const diffs: TextDiff[] = [];
    try {
      for (const task of tasks) {
        current = task.name;
        for (const resource of toList(task.resources(this.#hostContext(host, task.name))))
          rows.push({ task, resource });
      }
      current = tasks[0]!.name;
      this.#emit({ type: 'task-start', host, task: current });
      const connection = await this.#context.connect(host);
      const found = await probeAll(
        connection,
        rows.map(({ resource }) => resource),
      );
      for (const [index, row] of rows.entries()) {
        current = row.task.name;
        const change = compare(row.resource, found[index]);
        if (change) due.push({ ...row, change });
      }
      const texts = due.flatMap(({ change }) => (change.diff ? [change.diff] : []));
      if (this.#context.diff) diffs.push(...(await withBefore(connection, texts)));
      if (!this.#context.check && due.length > 0) {
        const startNext = () => {
          const next = due[applied]?.task.name;
          if (next && next !== current) this.#emit({ type: 'task-start', host, task: next });
          current = next ?? current;
        };
        startNext();
        await applyAll(
          connection,
          due.map((one) => one.change),
          (index, { code, output }) => {
            const { resource } = due[index]!;
            if (code !== 0) {
              const result = { code, stdout: output, stderr: output, durationMs: 0 };
              throw new RemoteCommandError(`${resource.kind} ${resource.id}`, result, { next: adviceFor(output) });
            }
            applied++;
            startNext();
          },
        );
      }
      for (const task of tasks) this.#endBatched(host, task, rows, due, diffs, started);
    } catch (error) {
      const done = tasks.slice(
        0,
        tasks.findIndex((task) => task.name === current),
      );
      const touched = due.slice(0, applied);
      for (const task of done)
        if (touched.some((one) => one.task === task)) this.#endBatched(host, task, rows, touched, diffs, started);
      this.#fail(host, current, started, error);
    }
  }

  #endBatched(
    host: string,
    task: ResourceTask,
    rows: Row[],
    due: (Row & { change: Change })[],
    diffs: TextDiff[],
    started: number,
  ): void {
    const own = due.filter((one) => one.task === task);
    const summary = own.map(({ resource, change }) => `${resource.id}: ${change.summary}`).join('; ');
    const shown = diffs.filter(({ path }) => own.some(({ change }) => change.diff?.path === path));
    const changed = this.#context.check ? 'would change' : 'changed';
    const status = !rows.some((row) => row.task === task) ? 'skipped' : own.length > 0 ? changed : 'ok';
    this.#end(host, task.name, status, started, summary, shown);
  }

  #hostContext(host: string, task: string): HostContext {
    const run = this.#context;
    return {
      host,
      run,
      vars: run.varsOf(host),
      connect: () => run.connect(host),
      progress: (done, total) => this.#emit({ type: 'progress', host, task, done, total }),
    };
  }

  #end(
    host: string,
    task: string,
    status: TaskStatus,
    started: number,
    summary: string,
    diffs: readonly TextDiff[] = [],
  ): void {
    const durationMs = performance.now() - started;
    this.#emit({ type: 'task-end', host, task, status, summary, diffs, durationMs });
  }

  #fail(host: string, task: string, started: number, thrown: unknown): void {
    const error = asPlayError(thrown);
    if (host !== CONTROL) error.host ??= host;
    error.task ??= task;
    this.#failed.add(host);
    this.#errors.push(error);
    const status = error instanceof UnreachableError ? 'unreachable' : 'failed';
    const durationMs = performance.now() - started;
    this.#emit({
      type: 'task-end',
      host,
      task,
      status,
      summary: error.message.replace(/:$/, ''),
      diffs: [],
      durationMs,
      error,
    });
  }
}

function compare(resource: Resource, found: Found | undefined): Change | undefined {
  if (!found) throw new PlayError(`the probe of ${resource.kind} ${resource.id} gave no answer`);
  try {
    return resource.compare(found);
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    throw new PlayError(error.message, { next: 'Nothing was changed there. Put it right by hand, then run again.' });
  }
}

function adviceFor(output: string): string {
  if (/No space left on device|Disk quota exceeded/i.test(output)) return 'Make room on that disk, then run again.';
  if (/Read-only file system/i.test(output)) return 'The file system is read-only: look at the disk (dmesg).';
  return 'Put right what it says, then run again: what is done already is not done twice.';
}

function toList(resources: Resource | readonly Resource[] | undefined): readonly Resource[] {
  if (resources === undefined) return [];
  return Array.isArray(resources) ? resources : [resources as Resource];
}

function segments(tasks: readonly Task[]): Segment[] {
  const all: Segment[] = [];
  for (const task of tasks) {
    const last = all.at(-1);
    if (task.kind !== 'resources') all.push(task);
    else if (last?.kind === 'batch') last.tasks.push(task);
    else all.push({ kind: 'batch', tasks: [task] });
  }
  return all;
}

type Stretch = { kind: 'hosts'; segments: Segment[] } | { kind: 'once'; task: OnceTask };

function stretches(all: readonly Segment[]): Stretch[] {
  const found: Stretch[] = [];
  for (const segment of all) {
    const last = found.at(-1);
    if (segment.kind === 'once') found.push({ kind: 'once', task: segment });
    else if (last?.kind === 'hosts') last.segments.push(segment);
    else found.push({ kind: 'hosts', segments: [segment] });
  }
  return found;
}
