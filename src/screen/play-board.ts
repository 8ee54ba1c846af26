import { CONTROL, type RunEvent, type TaskStatus } from '../runner/events.ts';
import { formatDuration, type Paint } from './words.ts';

/** Above this many hosts a row for each would be slower to draw than the work takes. */
const MOST_ROWS = 10;

/** What one play looks like at this moment: a row for each host, or one row for all of them. */
export class PlayBoard {
  readonly rows: BoardRow[];
  readonly #byHost = new Map<string, BoardRow>();

  constructor(hosts: readonly string[], control: boolean, paint: Paint) {
    const width = Math.max(...[control ? CONTROL : '', ...hosts].map((host) => host.length));
    if (hosts.length <= MOST_ROWS) {
      this.rows = hosts.map((host) => new BoardRow(host, host.padEnd(width), [host], paint));
    } else this.rows = [new BoardRow('hosts', `${hosts.length} hosts`.padEnd(width), hosts, paint)];
    if (control) this.rows.push(new BoardRow(CONTROL, CONTROL.padEnd(width), [CONTROL], paint));
    for (const row of this.rows) for (const host of row.hosts) this.#byHost.set(host, row);
  }

  note(event: RunEvent): void {
    if (event.type === 'play-end') for (const row of this.rows) row.end();
    else if ('host' in event) this.#byHost.get(event.host)?.note(event);
  }
}

class BoardRow {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly ended: Promise<void>;
  end!: () => void;
  readonly #label: string;
  readonly #paint: Paint;
  readonly #started = performance.now();
  readonly #current = new Map<string, string>();
  readonly #counts = new Map<TaskStatus, number>();
  #progress = '';
  #over = false;
  #failure = '';
  #tookMs = 0;

  constructor(name: string, label: string, hosts: readonly string[], paint: Paint) {
    this.name = name;
    this.#label = label;
    this.hosts = hosts;
    this.#paint = paint;
    this.ended = new Promise((resolve) => {
      this.end = () => {
        this.#over = true;
        resolve();
      };
    });
  }

  get failed(): boolean {
    return this.#failure !== '';
  }

  get idle(): boolean {
    return this.#counts.size === 0;
  }

  note(event: Extract<RunEvent, { host: string }>): void {
    if (event.type === 'task-start') {
      this.#current.set(event.host, event.task);
      this.#progress = '';
    } else if (event.type === 'progress') {
      const percent = event.total > 0 ? `${Math.floor((100 * event.done) / event.total)} %` : '';
      this.#progress = ` ${percent}`;
    } else {
      this.#counts.set(event.status, (this.#counts.get(event.status) ?? 0) + 1);
      this.#tookMs = performance.now() - this.#started;
      if (event.error) this.#failure = `${event.task}: ${event.error.message}`;
    }
  }

  title(): string {
    const elapsedMs = this.#over ? this.#tookMs : performance.now() - this.#started;
    const time = this.#paint('dim', formatDuration(elapsedMs));
    if (this.#failure) return `${this.#label}  ${this.#failure}  ${time}`;
    if (this.#over) return `${this.#label}  ${this.#tally()}  ${time}`;
    return `${this.#label}  ${this.#now()}${this.#progress}  ${time}`;
  }

  #tally(): string {
    const words = [...this.#counts].map(([status, count]) => `${count} ${status}`);
    return words.length > 0 ? words.join(', ') : 'nothing to do';
  }

  #now(): string {
    const tasks = [...this.#current];
    if (tasks.length === 0) return 'waiting';
    if (this.hosts.length === 1) return tasks[0]![1];
    return tasks
      .slice(-3)
      .map(([host, task]) => `${host}: ${task}`)
      .join(' · ');
  }
}
