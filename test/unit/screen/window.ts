import { textWidth } from '../../../src/screen/width.ts';

const segmenter = new Intl.Segmenter();
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what a terminal reads
const PIECES = /\r|\n|\u001b\[(\??)([\d;]*)([A-Za-z])|[^\r\n\u001b]+/g;

/** A terminal's window as it would be seen: reads what is written to it, as far as a screen of ours writes it. */
export class Window {
  readonly columns: number;
  readonly rows: number;
  cursorVisible = true;
  /** Each piece as it was written: one frame should be one. */
  readonly writes: string[] = [];
  /** A line that was longer than the window, and so took two. */
  broken = false;
  readonly #history: string[] = [];
  /** A sign for each column; the second half of a wide one is empty. */
  readonly #lines: string[][] = [[]];
  #row = 0;
  #column = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** All that was ever seen, also what went out at the top. */
  get text(): string {
    const seen = this.#lines.map((line) => line.join('').trimEnd());
    return [...this.#history, ...seen].join('\n').trimEnd();
  }

  write(text: string): boolean {
    this.writes.push(text);
    for (const [piece, mark, count, letter] of text.matchAll(PIECES)) {
      if (piece === '\n') this.#down();
      else if (piece === '\r') this.#column = 0;
      else if (letter === undefined) this.#put(piece);
      else if (mark === '?') this.cursorVisible = letter === 'h';
      else this.#control(Number(count || '1'), letter);
    }
    return true;
  }

  on(): this {
    return this;
  }

  #control(count: number, letter: string): void {
    if (letter === 'A') this.#row = Math.max(0, this.#row - count);
    else if (letter === 'K') this.#line().length = this.#column;
    else if (letter === 'J') {
      this.#line().length = this.#column;
      this.#lines.length = this.#row + 1;
    } else if (letter !== 'm') throw new Error(`this window does not know CSI ${letter}`);
  }

  #line(): string[] {
    this.#lines[this.#row] ??= [];
    const line = this.#lines[this.#row]!;
    while (line.length < this.#column) line.push(' ');
    return line;
  }

  /** As a terminal driver has it: a line feed is a carriage return too. */
  #down(): void {
    this.#column = 0;
    this.#row++;
    this.#line();
    if (this.#row < this.rows) return;
    this.#history.push(this.#lines.shift()!.join('').trimEnd());
    this.#row--;
  }

  #put(text: string): void {
    for (const { segment } of segmenter.segment(text)) {
      const width = textWidth(segment);
      if (this.#column + width > this.columns) {
        this.broken = true;
        this.#down();
      }
      const line = this.#line();
      line[this.#column] = segment;
      for (let more = 1; more < width; more++) line[this.#column + more] = '';
      this.#column += width;
    }
  }
}
