import { match, NOT_A_LITERAL, peek, type Scan } from './scan.ts';

const START = /([rR][bB]?|[bB][rR]?|[uU])?('''|"""|'|")/y;
const OCTAL = /[0-7]{1,3}/y;
const HEX = { x: /x([0-9a-fA-F]{2})/y, u: /u([0-9a-fA-F]{4})/y, U: /U([0-9a-fA-F]{8})/y };
const SIMPLE = new Map([
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
]);

/** Reads one Python string or bytes literal, or several in a row, which Python joins. */
export function readText(scan: Scan): { kind: 'text' | 'bytes'; value: string } | undefined {
  const parts: string[] = [];
  let bytes: boolean | undefined;
  for (let start = match(scan, START); start; start = match(scan, START)) {
    const prefix = (start[1] ?? '').toLowerCase();
    const isBytes = prefix.includes('b');
    if (bytes !== undefined && isBytes !== bytes) throw NOT_A_LITERAL;
    bytes = isBytes;
    parts.push(body(scan, start[2]!, prefix.includes('r'), isBytes));
    peek(scan);
  }
  if (bytes === undefined) return undefined;
  const value = parts.join('');
  return bytes ? { kind: 'bytes', value: Buffer.from(value, 'latin1').toString() } : { kind: 'text', value };
}

function body(scan: Scan, quote: string, raw: boolean, bytes: boolean): string {
  let text = '';
  while (!scan.text.startsWith(quote, scan.at)) {
    const char = next(scan, bytes);
    if (char !== '\\') text += char;
    else if (raw) text += char + next(scan, bytes);
    else text += readEscape(scan, bytes);
  }
  scan.at += quote.length;
  return text;
}

function next(scan: Scan, bytes: boolean): string {
  const char = scan.text[scan.at];
  if (char === undefined || (bytes && char > '\x7f')) throw NOT_A_LITERAL;
  scan.at += 1;
  return char;
}

/** What stands for the escape after a backslash. An escape that Python does not know keeps its backslash. */
function readEscape(scan: Scan, bytes: boolean): string {
  const octal = match(scan, OCTAL);
  if (octal) {
    const code = Number.parseInt(octal[0], 8);
    return String.fromCharCode(bytes ? code & 0xff : code);
  }
  const char = next(scan, bytes);
  const simple = SIMPLE.get(char);
  if (simple !== undefined) return simple;
  scan.at -= 1;
  if (char === 'x' || (!bytes && (char === 'u' || char === 'U'))) {
    const hex = match(scan, HEX[char]);
    const code = hex ? Number.parseInt(hex[1]!, 16) : Number.NaN;
    if (!(code <= 0x10ffff)) throw NOT_A_LITERAL;
    return String.fromCodePoint(code);
  }
  // A character by its name: the table of names is not ours to carry.
  if (char === 'N' && !bytes) throw NOT_A_LITERAL;
  return '\\';
}
