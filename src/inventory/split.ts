export interface SplitLine {
  words: string[];
  /** Whether a comment began right after a word's last character, and so cut the word short. */
  cut: boolean;
}

/** Thrown for a quote that is not closed and for a backslash at the end of the line. */
export class SplitError extends Error {}

/**
 * Splits a line into words as Python's `shlex.split(line, comments=True)` does, which is nearly as a shell does: quotes of
 * both kinds, backslashes (within double quotes only before `"` and `\`), and `#` for a comment, even within a word.
 */
export function splitWords(line: string): SplitLine {
  const words: string[] = [];
  // undefined between words; '' is a word that has begun with quotes and is empty so far.
  let word: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (char === '#') {
      const cut = word !== undefined;
      if (word !== undefined) words.push(word);
      return { words, cut };
    }
    if (char === ' ' || char === '\t' || char === '\r' || char === '\n') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "'") {
      const end = line.indexOf("'", at + 1);
      if (end < 0) throw new SplitError('a single quote is not closed');
      word = (word ?? '') + line.slice(at + 1, end);
      at = end;
    } else if (char === '"') {
      const quoted = doubleQuoted(line, at + 1);
      word = (word ?? '') + quoted.text;
      at = quoted.end;
    } else if (char === '\\') {
      at += 1;
      if (at >= line.length) throw new SplitError('the line ends in a backslash');
      word = (word ?? '') + line[at];
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  return { words, cut: false };
}

function doubleQuoted(line: string, from: number): { text: string; end: number } {
  let text = '';
  for (let at = from; at < line.length; at++) {
    const char = line[at]!;
    if (char === '"') return { text, end: at };
    const next = line[at + 1];
    if (char === '\\' && (next === '"' || next === '\\')) {
      text += next;
      at += 1;
    } else text += char;
  }
  throw new SplitError('a double quote is not closed');
}
