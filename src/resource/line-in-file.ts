import { types } from 'node:util';
import { PlayError } from '../errors.ts';
import { asExpression, checkedOptions, expression, flag, kind, needed, type Options, text } from '../options.ts';
import { checkedPath } from './checked-path.ts';
import { diffEdit, EDIT_OPTIONS, type Edited, type EditOptions, textProbe } from './edited-text.ts';
import { checkPrecautions } from './in-place.ts';
import { folderOf } from './need.ts';
import type { Resource } from './resource.ts';

export interface LineWish {
  /** The line, without its end. With `present: false` and a `match` it may be left out. */
  line?: string;
  /** The line that this one stands for: the last that matches is replaced (all that match are removed). */
  match?: RegExp;
  /** Default: true. */
  present?: boolean;
  /** Where a new line goes: after the last line that matches. Default, and where none matches: the end. */
  after?: RegExp;
  /** Where a new line goes: before the first line that matches, or the beginning. */
  before?: RegExp | 'beginning';
}

export interface LineInFileWish extends LineWish, EditOptions {
  /** An absolute path. */
  path: string;
}

const OPTIONS: Options<LineInFileWish> = {
  path: needed(text),
  line: text,
  match: expression,
  present: flag,
  after: expression,
  before: kind(
    "a regular expression such as /^x/, or 'beginning'",
    (value) => value === 'beginning' || types.isRegExp(value),
    asExpression,
  ),
  ...EDIT_OPTIONS,
};

/**
 * One line of a file; the rest stays as it is, byte for byte. Expressions are matched against each line without its end.
 * Write `match` so that it finds the line as it will be, too, or the line is put beside what it has replaced before.
 * @throws PlayError for a line with a line break in it, and where neither line nor match is given.
 */
export function lineInFile(wish: LineInFileWish): Resource {
  const { path: given, line, match, present, after, before, ...options } = checkedOptions('lineInFile', wish, OPTIONS);
  const path = checkedPath(given, 'a line in a file');
  checkPrecautions(options);
  if (line !== undefined && /[\r\n\0]/.test(line)) {
    throw new PlayError('a line in a file is one line: it has a line break in it', { next: 'Give each line its own.' });
  }
  if (line === undefined && (present !== false || !match)) {
    throw new PlayError(`a line in ${path} needs its text, or, to be removed, a match`);
  }
  const places = { ...(match && { match }), ...(after && { after }), ...(before && { before }) };
  const edit = (text: string, inItsManner: (piece: string) => string) =>
    withLine(text, {
      ...places,
      present: present ?? true,
      ...(line === undefined ? {} : { line: inItsManner(line) }),
    });
  return {
    kind: 'line',
    id: path,
    paths: [path],
    needs: [folderOf(path)],
    probe: textProbe(path),
    follows: true,
    compare: (found) => diffEdit(found, path, edit, options),
  };
}

/** The text with the line as it is wanted, and what was done. Lines end as those of the text do. */
export function withLine(text: string, wish: LineWish): Edited {
  const { line, match, present = true, after, before } = wish;
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const bare = lines.map((one) => one.replace(/\r?\n$/, ''));
  const isMeant = match ? matches(match) : (one: string) => one === line;
  if (!present) {
    const kept = lines.filter((_, index) => !isMeant(bare[index]!));
    return { text: kept.join(''), summary: count(lines.length - kept.length, 'removed') };
  }
  const at = bare.findLastIndex(isMeant);
  if (at >= 0) {
    if (bare[at] !== line) lines[at] = line + lines[at]!.slice(bare[at]!.length);
    return { text: lines.join(''), summary: count(1, 'replaced') };
  }
  if (bare.includes(line!)) return { text, summary: '' };
  const end = lines[0]?.endsWith('\r\n') ? '\r\n' : '\n';
  const place = newPlace(bare, after && matches(after), before === 'beginning' ? before : before && matches(before));
  if (place > 0 && !lines[place - 1]!.endsWith('\n')) lines[place - 1] += end;
  return { text: lines.toSpliced(place, 0, line + end).join(''), summary: count(1, 'new') };
}

type Matches = (line: string) => boolean;

/** With the flags g or y an expression would remember where it was. */
function matches(expression: RegExp): Matches {
  const stateless = new RegExp(expression.source, expression.flags.replace(/[gy]/g, ''));
  return (line) => stateless.test(line);
}

function newPlace(lines: readonly string[], after?: Matches, before?: Matches | 'beginning'): number {
  if (before === 'beginning') return 0;
  const found = before ? lines.findIndex(before) : after ? lines.findLastIndex(after) : -1;
  if (found < 0) return lines.length;
  return before ? found : found + 1;
}

function count(lines: number, what: string): string {
  return lines === 1 ? `1 line ${what}` : `${lines} lines ${what}`;
}
