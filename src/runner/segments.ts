import type { HostTask, OnceTask, ResourceTask, Task } from './playbook.ts';

/** Tasks that belong together: a row of resource tasks (one batch), or a single task that does something. */
export type Segment = { kind: 'batch'; tasks: ResourceTask[] } | HostTask;

/** What lies between two meetings of all hosts, and the task they meet for. */
export type Stretch = { kind: 'hosts'; segments: Segment[] } | { kind: 'once'; task: OnceTask };

export function stretches(tasks: readonly Task[]): Stretch[] {
  const found: Stretch[] = [];
  for (const task of tasks) {
    const last = found.at(-1);
    if (task.kind === 'once') found.push({ kind: 'once', task });
    else if (last?.kind === 'hosts') append(last.segments, task);
    else found.push({ kind: 'hosts', segments: [toSegment(task)] });
  }
  return found;
}

function append(segments: Segment[], task: ResourceTask | HostTask): void {
  const last = segments.at(-1);
  if (task.kind === 'resources' && last?.kind === 'batch' && joins(task, last.tasks)) last.tasks.push(task);
  else segments.push(toSegment(task));
}

/** A condition may go by what the tasks before it did, so they must be done; another host has another connection. */
function joins(task: ResourceTask, row: readonly ResourceTask[]): boolean {
  return !task.when && task.delegateTo === row[0]!.delegateTo;
}

function toSegment(task: ResourceTask | HostTask): Segment {
  return task.kind === 'resources' ? { kind: 'batch', tasks: [task] } : task;
}
