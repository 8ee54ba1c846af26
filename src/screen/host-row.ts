import type { BoardRow, Counts, HostEvent } from './play-board.ts';
import { cut, cutName, pad, textWidth } from './width.ts';
import { countsText, FAILED, formatDuration, MARKS, type Paint, percent, progressBar } from './words.ts';

/** What takes longer than this has a bar. */
const LONG_MS = 1_000;
const WIDE_COLUMNS = 40;

/** One host: the task it is in, how far that is, and for how long; at the end, what was done there. */
export class HostRow implements BoardRow {
  readonly #name: string;
  readonly #nameColumns: (columns: number) => number;
  readonly #paint: Paint;
  readonly #counts: Counts = new Map();
  #task = '';
  #progress: { done: number; total: number } | undefined;
  #failure = '';
  #over = false;
  #since = performance.now();
  #busySince: number | undefined;
  #busyMs = 0;

  /** `nameColumns`: how much of so many columns its name has. */
  constructor(name: string, nameColumns: (columns: number) => number, paint: Paint) {
    this.#name = name;
    this.#nameColumns = nameColumns;
    this.#paint = paint;
  }

  get settled(): boolean {
    return this.#over;
  }

  note(event: HostEvent): void {
    if (event.type === 'progress') {
      this.#progress = event;
      return;
    }
    this.#progress = undefined;
    const now = performance.now();
    if (event.type === 'task-start') {
      if (this.#task === '') this.#busySince = now;
      this.#task = event.task;
      this.#since = now;
      return;
    }
    // Tasks that were done together end together: what went by is counted once.
    this.#busyMs += now - (this.#busySince ?? now);
    this.#busySince = now;
    this.#task = '';
    this.#counts.set(event.status, (this.#counts.get(event.status) ?? 0) + 1);
    if (event.error) this.#failure = `${event.task}: ${event.summary}`;
  }

  end(): void {
    this.#over = true;
  }

  line(columns: number, spinner: string): string {
    const nameColumns = this.#nameColumns(columns);
    const [mark, words, ms] = this.#now(spinner);
    const time = ms === undefined ? '' : `  ${formatDuration(ms)}`;
    const left = columns - nameColumns - textWidth(time) - 5;
    const name = pad(cutName(this.#name, nameColumns), nameColumns);
    const progress = this.#progressText(left);
    return `${mark} ${name}  ${cut(words, left - textWidth(progress))}${progress}${this.#paint('dim', time)}`;
  }

  /** Worth more than the end of a long name; a bar only for what takes its time, and where there is room. */
  #progressText(columns: number): string {
    if (!this.#progress || this.#over || this.#failure) return '';
    const { done, total } = this.#progress;
    const isLong = performance.now() - this.#since > LONG_MS;
    return (isLong && columns >= WIDE_COLUMNS ? progressBar : percent)(done, total);
  }

  #now(spinner: string): [mark: string, words: string, ms?: number] {
    const paint = this.#paint;
    if (this.#failure) return [paint('red', MARKS.failed), this.#failure, this.#busyMs];
    if (this.#task && !this.#over) {
      return [paint('yellow', spinner), this.#task, performance.now() - this.#since];
    }
    if (this.#counts.size === 0) return [paint('dim', MARKS.idle), this.#over ? 'nothing to do' : 'waiting'];
    const words = countsText(this.#counts);
    if (FAILED.some((status) => this.#counts.has(status))) return [paint('red', MARKS.failed), words, this.#busyMs];
    return [this.#over ? paint('green', MARKS.done) : paint('dim', MARKS.idle), words, this.#busyMs];
  }
}
