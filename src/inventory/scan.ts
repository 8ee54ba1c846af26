/** A place in a text that is being read as a Python literal. */
export interface Scan {
  readonly text: string;
  at: number;
}

/** Ends the reading: the text is no literal. Made once, because most values are plain text and a stack costs time. */
export const NOT_A_LITERAL = new Error('not a literal');

// A comment runs to the end of the text, so one within brackets leaves them open, as in Python.
const BLANK = /[ \t\f]*(?:#.*)?/y;

/** What the sticky pattern matches here, and steps over it. */
export function match(scan: Scan, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = scan.at;
  const found = pattern.exec(scan.text);
  if (!found) return undefined;
  scan.at += found[0].length;
  return found;
}

/** The next character, after blanks and comments; '' at the end. */
export function peek(scan: Scan): string {
  match(scan, BLANK);
  return scan.text[scan.at] ?? '';
}

/** Steps over `char` if it comes next ('' stands for the end of the text). */
export function take(scan: Scan, char: string): boolean {
  if (peek(scan) !== char) return false;
  scan.at += char.length;
  return true;
}
