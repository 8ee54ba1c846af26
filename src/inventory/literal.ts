import { readNumber } from './literal-number.ts';
import { readText } from './literal-text.ts';
import { match, NOT_A_LITERAL, peek, type Scan, take } from './scan.ts';

export interface Literal {
  kind: 'text' | 'bytes' | 'int' | 'float' | 'bool' | 'none' | 'list' | 'tuple' | 'set' | 'dict';
  /** Lists, tuples and sets are arrays; dicts are plain objects with keys as JSON writes them; bytes are text. */
  value: unknown;
  /** Python cannot take it for a member of a set or a key: it is, or is a tuple that holds, a list, set or dict. */
  mutable?: boolean;
}

/** Thrown for a set or dict that Python itself cannot build, with a list, set or dict as a key. Ansible stops there too. */
export class UnhashableKey extends Error {}

interface Reading extends Scan {
  depth: number;
  /** Python builds sets and dicts only once all of the text is well-formed: bad syntax wins over a bad key. */
  unhashable: boolean;
}

const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const SIMPLE_TEXT = /^[A-Za-z_/][\w/.:@-]*$/;

/** Python's own limit for brackets within brackets; it bounds our recursion too. */
const MAX_DEPTH = 200;

/**
 * Reads a Python literal as `ast.literal_eval` does: numbers, strings, bytes, True, False, None, and lists, tuples, sets
 * and dicts of them. A comment after it is left out.
 *
 * @returns undefined when the text is something else, which then stands for itself. Three kinds of Python's have no like
 * here and count as something else: complex numbers, `...`, and strings with `\N{NAME}`.
 * @throws {UnhashableKey}
 */
export function parseLiteral(text: string): Literal | undefined {
  // Most values are names, paths and words; they need no reader.
  if (SIMPLE_TEXT.test(text) && !['True', 'False', 'None'].includes(text)) return undefined;
  const scan: Reading = { text, at: 0, depth: 0, unhashable: false };
  try {
    const first = item(scan);
    const whole = take(scan, ',') ? tuple([first, ...rest(scan, '')]) : first;
    if (peek(scan) !== '') return undefined;
    if (scan.unhashable) throw new UnhashableKey();
    return whole;
  } catch (error) {
    if (error === NOT_A_LITERAL) return undefined;
    throw error;
  }
}

function item(scan: Reading): Literal {
  const sign = peek(scan);
  if (sign !== '-' && sign !== '+') return atom(scan);
  scan.at += 1;
  peek(scan);
  const digits = scan.at;
  const { kind, value } = atom(scan);
  // One sign at most, and before a number only: `-True` and `--1` are not literals.
  if ((kind !== 'int' && kind !== 'float') || /^[\s(]*[-+]/.test(scan.text.slice(digits))) throw NOT_A_LITERAL;
  return { kind, value: sign === '-' ? negative(kind, value as number | bigint) : value };
}

function negative(kind: 'int' | 'float', value: number | bigint): number | bigint {
  // Python's integer zero has no sign, JavaScript's has.
  return kind === 'int' && value === 0 ? 0 : -value;
}

function atom(scan: Reading): Literal {
  switch (peek(scan)) {
    case '(':
      return bracketed(scan, parenthesis);
    case '[':
      return bracketed(scan, () => list(rest(scan, ']')));
    case '{':
      return bracketed(scan, brace);
  }
  return readText(scan) ?? readNumber(scan) ?? word(scan);
}

function bracketed(scan: Reading, read: (scan: Reading) => Literal): Literal {
  scan.at += 1;
  scan.depth += 1;
  if (scan.depth > MAX_DEPTH) throw NOT_A_LITERAL;
  const literal = read(scan);
  scan.depth -= 1;
  return literal;
}

/** Items up to the closing bracket; '' stands for the end of the text. */
function rest(scan: Reading, close: string): Literal[] {
  const items: Literal[] = [];
  while (!take(scan, close)) {
    items.push(item(scan));
    if (take(scan, ',')) continue;
    if (!take(scan, close)) throw NOT_A_LITERAL;
    break;
  }
  return items;
}

function list(items: Literal[]): Literal {
  return { kind: 'list', value: items.map(({ value }) => value), mutable: true };
}

function tuple(items: Literal[]): Literal {
  return { kind: 'tuple', value: items.map(({ value }) => value), mutable: items.some(({ mutable }) => mutable) };
}

function parenthesis(scan: Reading): Literal {
  if (take(scan, ')')) return tuple([]);
  const first = item(scan);
  if (take(scan, ',')) return tuple([first, ...rest(scan, ')')]);
  if (!take(scan, ')')) throw NOT_A_LITERAL;
  return first;
}

function brace(scan: Reading): Literal {
  if (take(scan, '}')) return { kind: 'dict', value: {}, mutable: true };
  const first = item(scan);
  if (take(scan, ':')) return dict(scan, first);
  const items = [first];
  if (take(scan, ',')) items.push(...rest(scan, '}'));
  else if (!take(scan, '}')) throw NOT_A_LITERAL;
  if (items.some(({ mutable }) => mutable)) scan.unhashable = true;
  const members = new Map<unknown, unknown>();
  for (const member of items) if (!members.has(identity(member))) members.set(identity(member), member.value);
  return { kind: 'set', value: [...members.values()], mutable: true };
}

function dict(scan: Reading, firstKey: Literal): Literal {
  const entries = new Map<unknown, [string, unknown]>();
  let key = firstKey;
  for (;;) {
    if (key.mutable) scan.unhashable = true;
    const known = entries.get(identity(key));
    entries.set(identity(key), [known?.[0] ?? keyText(key), item(scan).value]);
    if (!take(scan, ',') || peek(scan) === '}') break;
    key = item(scan);
    if (!take(scan, ':')) throw NOT_A_LITERAL;
  }
  if (!take(scan, '}')) throw NOT_A_LITERAL;
  // fromEntries defines own properties: a key named `__proto__` stays data.
  return { kind: 'dict', value: Object.fromEntries(entries.values()), mutable: true };
}

/** Equal for what is equal in Python, where True is 1 and two equal tuples are one key. */
function identity({ kind, value, mutable }: Literal): unknown {
  if (kind === 'bool') return Number(value);
  return kind === 'tuple' ? `(${keyText({ kind, value })}` : mutable ? undefined : value;
}

function keyText({ kind, value }: Literal): string {
  if (kind === 'float' && Number.isInteger(value)) return `${value}.0`;
  if (kind === 'tuple') return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}` : part));
  return String(value);
}

function word(scan: Reading): Literal {
  switch (match(scan, WORD)?.[0]) {
    case 'True':
      return { kind: 'bool', value: true };
    case 'False':
      return { kind: 'bool', value: false };
    case 'None':
      return { kind: 'none', value: null };
    case 'set':
      if (take(scan, '(') && take(scan, ')')) return { kind: 'set', value: [], mutable: true };
  }
  throw NOT_A_LITERAL;
}
