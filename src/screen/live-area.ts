import { textWidth, withoutColour } from './width.ts';

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const ERASE_LINE_END = '\u001b[K';
const ERASE_BELOW = '\u001b[J';

/** What of a terminal this needs. */
export interface TerminalOut extends NodeJS.WritableStream {
  columns?: number;
  rows?: number;
}

/**
 * A few lines at the foot of a terminal that are drawn again and again, with all that is printed going above them. Each
 * frame is one write that overwrites the last one in place, so nothing flickers.
 */
export class LiveArea {
  readonly #out: TerminalOut;
  #shown: readonly string[] = [];
  #above = '';
  #hidden = false;
  #shownColumns = 0;

  constructor(out: TerminalOut) {
    this.#out = out;
  }

  /** A terminal that does not know its size says 0. */
  get columns(): number {
    return this.#out.columns || 80;
  }

  /** How many lines there may be: more than the window holds could not be overwritten. */
  get room(): number {
    return Math.max(1, (this.#out.rows || 24) - 2);
  }

  /** Above the area, for good. It is there with the next frame, and at once where there is no area. */
  print(text: string): void {
    if (this.#shown.length > 0) this.#above += `${text}\n`;
    else this.#out.write(`${text}\n`);
  }

  /** Draws these lines, each of which fits into the window. */
  draw(lines: readonly string[]): void {
    const same = lines.length === this.#shown.length && lines.every((line, index) => line === this.#shown[index]);
    if (same && this.#above === '') return;
    const begin = (this.#hidden ? '' : HIDE_CURSOR) + this.#toTop();
    this.#hidden = true;
    // After a change of the window's width, what is left of broken lines would be joined with ours.
    const begun = this.#above !== '' || this.#shownColumns !== this.columns ? ERASE_BELOW : '';
    const body = lines.map((line) => `${line}${ERASE_LINE_END}\n`).join('');
    this.#out.write(begin + begun + this.#above + body + ERASE_BELOW);
    this.#shown = lines;
    this.#shownColumns = this.columns;
    this.#above = '';
  }

  /** Leaves these lines where they are, and the cursor below them. */
  release(lines: readonly string[] = this.#shown): void {
    this.draw(lines);
    this.#shown = [];
    if (this.#hidden) this.#out.write(SHOW_CURSOR);
    this.#hidden = false;
  }

  /** A window that became narrower since has broken lines in two; where it did not, this is just their number. */
  #toTop(): string {
    const { columns } = this;
    const rows = this.#shown.reduce((sum, line) => sum + Math.max(1, Math.ceil(shownWidth(line) / columns)), 0);
    return rows > 0 ? `\r\u001b[${rows}A` : '';
  }
}

function shownWidth(line: string): number {
  return textWidth(withoutColour(line));
}
