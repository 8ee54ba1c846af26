import { PlayError } from '../errors.ts';
import { checkedPath } from './checked-path.ts';
import { inEncoding, readHostText, rewrite, textProbe } from './edited-text.ts';
import { ProbeError, type Resource } from './resource.ts';

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

export interface LineInFileWish extends LineWish {
  path: string;
  /** No diff is made of the file. */
  secret?: boolean;
}

/**
 * One line of a file that is there; the rest stays as it is, byte for byte. Expressions are matched against each line
 * without its end.
 * @throws PlayError for a line with a line break in it, and where neither line nor match is given.
 */
export function lineInFile({ path: given, secret = false, ...wish }: LineInFileWish): Resource {
  const path = checkedPath(given, 'a line in a file');
  if (wish.line !== undefined && /[\r\n\0]/.test(wish.line)) {
    throw new PlayError('a line in a file is one line: it has a line break in it', { next: 'Give each line its own.' });
  }
  if (wish.line === undefined && (wish.present !== false || !wish.match)) {
    throw new PlayError(`a line in ${path} needs its text, or, to be removed, a match`);
  }
  return {
    kind: 'line',
    id: wish.line === undefined ? `${path} ${wish.match}` : path,
    paths: [path],
    probe: textProbe(path),
    follows: true,
    compare(found) {
      const present = wish.present ?? true;
      const before = readHostText(found, path);
      if (!before && !present) return undefined;
      if (!before) throw new ProbeError(`${path} is not there, and so has no lines to be edited`);
      const { encoding } = before;
      const line = wish.line === undefined ? {} : { line: inEncoding(wish.line, encoding) };
      const edited = withLine(before.text, { ...wish, ...line });
      if (edited.text === before.text) return undefined;
      const { diff, ...change } = rewrite(path, before, edited.text, found.stat(path));
      return { summary: edited.summary, ...change, ...(diff && !secret ? { diff } : {}) };
    },
  };
}

/** The text with the line as it is wanted, and what was done. Lines end as those of the text do. */
export function withLine(text: string, wish: LineWish): { text: string; summary: string } {
  const { line, match, present = true, after, before } = wish;
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const bare = lines.map((one) => one.replace(/\r?\n$/, ''));
  const matches = (expression: RegExp) => {
    const stateless = new RegExp(expression.source, expression.flags.replace(/[gy]/g, ''));
    return (one: string) => stateless.test(one);
  };
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

function newPlace(lines: readonly string[], after?: Matches, before?: Matches | 'beginning'): number {
  if (before === 'beginning') return 0;
  const place = before ? lines.findIndex(before) : after ? lines.findLastIndex(after) + 1 : -1;
  return place > 0 || (before && place === 0) ? place : lines.length;
}

function count(lines: number, what: string): string {
  return lines === 1 ? `1 line ${what}` : `${lines} lines ${what}`;
}
