import { CONTROL, type RunEvent, type TaskStatus } from '../runner/events.ts';
import { HostRow } from './host-row.ts';
import { TaskRow } from './task-row.ts';
import { cutName, textWidth } from './width.ts';
import type { Paint } from './words.ts';

/** Above this many hosts a row for each would not fit into a window. */
const MOST_ROWS = 10;

/** One line of a board. */
export interface BoardRow {
  note(event: HostEvent): void;
  /** The play is over: what has not ended will not. */
  end(): void;
  /** Nothing can happen to it any more. */
  readonly settled: boolean;
  line(columns: number, spinner: string): string;
}

export type HostEvent = Extract<RunEvent, { type: 'task-start' | 'task-end' | 'progress' }>;
export type Counts = Map<TaskStatus, number>;

/** What one play looks like at this moment: a row for each host, or, where they are many, a row for each task. */
export class PlayBoard {
  readonly #rows: BoardRow[];
  readonly #byName = new Map<string, BoardRow>();
  readonly #byTask: boolean;
  readonly #hosts: readonly string[];
  readonly #paint: Paint;

  constructor(hosts: readonly string[], control: boolean, paint: Paint) {
    this.#hosts = hosts;
    this.#paint = paint;
    this.#byTask = hosts.length > MOST_ROWS;
    const named = this.#byTask ? [] : [...hosts, ...(control ? [CONTROL] : [])];
    const nameColumns = sharedColumns(named);
    this.#rows = named.map((name) => new HostRow(name, nameColumns, paint));
    for (const [index, name] of named.entries()) this.#byName.set(name, this.#rows[index]!);
  }

  note(event: RunEvent): void {
    if (event.type === 'play-end') for (const row of this.#rows) row.end();
    else if (event.type === 'task-start' || event.type === 'task-end' || event.type === 'progress') {
      (this.#byTask ? this.#taskRow(event) : this.#byName.get(event.host))?.note(event);
    }
  }

  #taskRow({ task, host }: HostEvent): BoardRow {
    let row = this.#byName.get(task);
    if (!row) {
      row = new TaskRow(task, host === CONTROL ? [CONTROL] : this.#hosts, this.#paint);
      this.#byName.set(task, row);
      this.#rows.push(row);
    }
    return row;
  }

  /** The rows to draw now, the last ones where there is not room for all. */
  lines(columns: number, room: number, spinner = ' '): string[] {
    return this.#rows.slice(-room).map((row) => row.line(columns, spinner));
  }

  /** Takes away the first rows that are settled, to be printed for good. Rows of hosts stay to the end of the play. */
  takeSettled(columns: number): string[] {
    if (!this.#byTask) return [];
    const open = this.#rows.findIndex((row) => !row.settled);
    return this.#rows.splice(0, open < 0 ? this.#rows.length : open).map((row) => row.line(columns, ' '));
  }
}

/** A third of the row, and more where names would be the same when they are cut, as long as there is room for a few words. */
function sharedColumns(names: readonly string[]): (columns: number) => number {
  const widest = Math.max(...names.map(textWidth));
  const known = new Map<number, number>();
  const find = (columns: number) => {
    const least = Math.min(widest, Math.max(8, Math.floor(columns / 3)));
    for (let width = least; width <= Math.min(widest, columns - FEW_WORDS); width++) {
      if (new Set(names.map((name) => cutName(name, width))).size === names.length) return width;
    }
    return least;
  };
  return (columns) => {
    const width = known.get(columns) ?? find(columns);
    known.set(columns, width);
    return width;
  };
}

/** With mark, gaps and time. */
const FEW_WORDS = 20;
