import type { TaskResult } from './playbook.ts';

/** How each task ended on each host, for the whole run. */
export class Memory {
  readonly #results = new Map<string, TaskResult>();

  note(host: string, task: string, result: TaskResult): void {
    this.#results.set(`${host}\0${task}`, result);
  }

  result(host: string, task: string): TaskResult | undefined {
    return this.#results.get(`${host}\0${task}`);
  }
}
