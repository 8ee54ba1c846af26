import { match, NOT_A_LITERAL, type Scan } from './scan.ts';

const DIGITS = '[0-9](?:_?[0-9])*';
const BASED = /0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+/y;
const FLOAT = new RegExp(
  `(?:${DIGITS}\\.(?:${DIGITS})?|\\.${DIGITS})(?:[eE][+-]?${DIGITS})?|${DIGITS}[eE][+-]?${DIGITS}`,
  'y',
);
// No leading zeros but in zero itself: `0123` is a syntax error in Python, and so stays text.
const INT = /[1-9](?:_?[0-9])*|0(?:_?0)*/y;
const GLUED = /[\w.'"\u0080-\uffff]/;

/** Python's limit for integers written in decimal (`sys.int_info.default_max_str_digits`). */
const MAX_DIGITS = 4300;

/** Reads a Python number without a sign. Integers beyond ±(2^53 − 1) become bigint, so that none is rounded. */
export function readNumber(scan: Scan): { kind: 'int' | 'float'; value: number | bigint } | undefined {
  const based = match(scan, BASED)?.[0];
  const float = based === undefined ? match(scan, FLOAT)?.[0] : undefined;
  const text = (based ?? float ?? match(scan, INT)?.[0])?.replaceAll('_', '');
  if (text === undefined) return undefined;
  if (GLUED.test(scan.text[scan.at] ?? '')) throw NOT_A_LITERAL;
  if (float !== undefined) return { kind: 'float', value: Number(text) };
  if (based === undefined && text.length > MAX_DIGITS) throw NOT_A_LITERAL;
  const value = Number(text);
  return { kind: 'int', value: Number.isSafeInteger(value) ? value : BigInt(text) };
}
