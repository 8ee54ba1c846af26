export interface Pair {
  /** undefined for a word that is no pair. */
  name: string | undefined;
  value: string;
}

/** Thrown where a quote or a template's bracket is left open; the message is a clause about it. */
export class UnbalancedPairs extends Error {}

const ESCAPE = /\\(?:U([0-9a-fA-F]{8})|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\\'"abfnrtv]))/g;
const SIMPLE: Record<string, string> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/**
 * `a=1 b="two words"` as Ansible splits it: at spaces and line ends, but not within quotes nor within `{{ }}`, `{% %}` and
 * `{# #}`. One layer of quotes comes off a value that has it all round; escapes such as `\n` and `\u00e9` are read
 * everywhere; `\=` is no sign of a pair.
 *
 * @throws {UnbalancedPairs}
 */
export function readPairs(text: string): Pair[] {
  return splitArguments(text).map((written) => {
    const word = written.replace(ESCAPE, (found, long, short, hex, simple) => {
      if (simple !== undefined) return SIMPLE[simple]!;
      const code = Number.parseInt(long ?? short ?? hex, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : found;
    });
    // A name has at least one character, so an equals sign at the beginning parts nothing.
    let equals = word.indexOf('=', 1);
    while (equals > 0 && word[equals - 1] === '\\') equals = word.indexOf('=', equals + 1);
    if (equals < 0) return { name: undefined, value: word };
    return { name: word.slice(0, equals).trim(), value: unquoted(word.slice(equals + 1).trim()) };
  });
}

function unquoted(text: string): string {
  const quote = text[0];
  const isQuoted = text.length > 1 && (quote === '"' || quote === "'") && text.endsWith(quote) && text.at(-2) !== '\\';
  return isQuoted ? text.slice(1, -1) : text;
}

const OPENING = ['{{', '{%', '{#'];
const CLOSING = ['}}', '%}', '#}'];

function splitArguments(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  const depth = [0, 0, 0];
  const isOpen = () => quote !== '' || depth.some((count) => count > 0);
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if ((char === ' ' || char === '\n') && !isOpen()) {
      if (word !== '') words.push(word);
      word = '';
      continue;
    }
    word += char;
    if ((char === '"' || char === "'") && text[at - 1] !== '\\') {
      if (quote === '') quote = char;
      else if (quote === char) quote = '';
    }
    const two = text.slice(at, at + 2);
    const opens = OPENING.indexOf(two);
    const closes = CLOSING.indexOf(two);
    if (opens >= 0) depth[opens]! += 1;
    if (closes >= 0 && depth[closes]! > 0) depth[closes]! -= 1;
    if (opens >= 0 || closes >= 0) {
      word += text[at + 1];
      at += 1;
    }
  }
  if (isOpen())
    throw new UnbalancedPairs(quote ? `a quote ${quote} is not closed` : 'a template bracket is not closed');
  if (word !== '') words.push(word);
  return words;
}
