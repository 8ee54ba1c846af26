import { Made } from './needs.ts';
import type { TaskResult } from './playbook.ts';

/** How each task ended on each host, for the whole run. */
export class Memory {
  /** Check mode: hosts where something would have been done by now, so that they are not as later tasks will find them. */
  readonly pending = new Set<string>();
  readonly made = new Made();
  readonly #results = new Map<string, TaskResult>();

  note(host: string, task: string, result: TaskResult): void {
    this.#results.set(`${host}\0${task}`, result);
  }

  result(host: string, task: string): TaskResult | undefined {
    return this.#results.get(`${host}\0${task}`);
  }
}
