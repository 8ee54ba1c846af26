import { ExitCode, PlayError } from '../errors.ts';
import type { HostTally, RunEvent } from '../runner/events.ts';
import type { Screen } from './screen.ts';
import { fewOf } from './words.ts';

/** Knows how far a run is, so that its recap can be told also where it is cut off. */
export class LastWords {
  readonly #tallies = new Map<string, HostTally>();
  readonly #errors: PlayError[] = [];
  readonly #under = new Map<string, string>();
  readonly #started = performance.now();
  #hosts: readonly string[] = [];
  #ended = false;

  readonly screen: Screen = { listener: (event) => this.#note(event), done: async () => undefined };

  #note(event: RunEvent): void {
    if (event.type === 'run-start') this.#hosts = event.hosts;
    if (event.type === 'run-end') this.#ended = true;
    if (event.type === 'task-start') this.#under.set(event.host, event.task);
    if (event.type !== 'task-end') return;
    this.#under.delete(event.host);
    const tally = this.#tallies.get(event.host) ?? { ok: 0, changed: 0, skipped: 0, failed: 0, unreachable: 0 };
    const key = event.status === 'would change' ? 'changed' : event.status;
    tally[key] = (tally[key] ?? 0) + 1;
    this.#tallies.set(event.host, tally);
    if (event.error) this.#errors.push(event.error);
  }

  /** The end of a run that is stopped at once; nothing where it has ended by itself. */
  cutOff(): RunEvent | undefined {
    if (this.#ended) return undefined;
    const errors = [...this.#errors];
    if (this.#under.size > 0) {
      const tasks = this.#inOrder(this.#under).map(([host, task]) => `${host} (${task})`);
      errors.push(
        new PlayError(`stopped at once; under way, and perhaps half done: ${fewOf(tasks)}`, {
          next: 'Run the same command again: it looks at what is there first.',
        }),
      );
    }
    const durationMs = performance.now() - this.#started;
    const tallies = new Map(this.#inOrder(this.#tallies));
    return { type: 'run-end', tallies, errors, exitCode: ExitCode.interrupted, durationMs };
  }

  /** By the inventory, whichever host came first; the control machine, which is in none, last. */
  #inOrder<T>(byHost: ReadonlyMap<string, T>): [string, T][] {
    const rank = (host: string) => (this.#hosts.includes(host) ? this.#hosts.indexOf(host) : this.#hosts.length);
    return [...byHost].sort(([a], [b]) => rank(a) - rank(b));
  }
}
