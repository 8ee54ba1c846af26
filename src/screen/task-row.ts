import type { BoardRow, Counts, HostEvent } from './play-board.ts';
import { cut, textWidth } from './width.ts';
import { countsText, FAILED, fewOf, formatDuration, MARKS, type Paint } from './words.ts';

/** One task of many hosts: how many have done it and with what end, and who is late or failed. */
export class TaskRow implements BoardRow {
  readonly #task: string;
  readonly #hosts: readonly string[];
  readonly #paint: Paint;
  readonly #counts: Counts = new Map();
  readonly #under = new Set<string>();
  readonly #failed: string[] = [];
  readonly #began = performance.now();
  #over = false;
  #ended = 0;
  #tookMs = 0;

  constructor(task: string, hosts: readonly string[], paint: Paint) {
    this.#task = task;
    this.#hosts = hosts;
    this.#paint = paint;
  }

  get settled(): boolean {
    return this.#over || this.#ended >= this.#hosts.length;
  }

  note(event: HostEvent): void {
    if (event.type === 'task-start') this.#under.add(event.host);
    if (event.type !== 'task-end') return;
    this.#under.delete(event.host);
    this.#ended++;
    this.#tookMs = Math.max(event.durationMs, performance.now() - this.#began);
    this.#counts.set(event.status, (this.#counts.get(event.status) ?? 0) + 1);
    if (FAILED.includes(event.status)) this.#failed.push(event.host);
  }

  end(): void {
    this.#over = true;
  }

  line(columns: number, spinner: string): string {
    const paint = this.#paint;
    const time = `  ${formatDuration(this.settled ? this.#tookMs : performance.now() - this.#began)}`;
    const left = columns - textWidth(time) - 4;
    const counts = this.#words();
    // Counts are worth more than the end of a long name.
    const task = cut(this.#task, Math.min(left, Math.max(12, Math.floor(left / 2), left - textWidth(counts))));
    const words = cut(counts, left - textWidth(task));
    const failed = this.#failed.length > 0;
    const mark = failed ? paint('red', MARKS.failed) : paint('green', MARKS.done);
    return `${this.settled ? mark : paint(failed ? 'red' : 'yellow', spinner)} ${task}  ${words}${paint('dim', time)}`;
  }

  #words(): string {
    const failed = this.#failed.length > 0 ? `: ${fewOf(this.#failed, 5)}` : '';
    const counts = countsText(this.#counts) + failed;
    if (this.settled) return counts;
    const late = this.#under.size > 0 && this.#under.size <= 3 ? ` · at ${[...this.#under].join(', ')}` : '';
    return `${this.#ended}/${this.#hosts.length}${counts === '' ? '' : ` · ${counts}`}${late}`;
  }
}
