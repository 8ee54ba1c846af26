/**
 * White space as Python's `str.strip` and `\s` see it, to be put between the brackets of a regular expression.
 * JavaScript's own differs: it counts the byte order mark and leaves out U+001C–U+001F and U+0085, and then a name would
 * differ from Ansible's by a character that nobody sees.
 */
export const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const IS_SPACE = new RegExp(`^[${SPACE}]$`);
const LINE_BREAKS = '\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029';
const LINE_END = new RegExp(`\\r\\n|[${LINE_BREAKS}]`);

/** The text without white space at either end. */
export function strip(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && IS_SPACE.test(text[start]!)) start += 1;
  while (end > start && IS_SPACE.test(text[end - 1]!)) end -= 1;
  return text.slice(start, end);
}

/** Lines as Python's `str.splitlines` cuts them, which the line numbers in Ansible's messages count too. */
export function splitLines(text: string): string[] {
  return text.split(LINE_END);
}
