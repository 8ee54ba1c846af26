import { PlayError } from '../errors.ts';
import { checkedOptions, list, needed, type Options, text } from '../options.ts';
import { checkedPath } from './checked-path.ts';
import { diffEdit, EDIT_OPTIONS, type EditOptions, textProbe } from './edited-text.ts';
import { checkPrecautions } from './in-place.ts';
import { folderOf } from './need.ts';
import type { Resource } from './resource.ts';

export interface BlockInFileWish extends EditOptions {
  /** An absolute path. */
  path: string;
  /** Tells this block from others in the same file: letters, digits, dots, dashes and blanks. */
  name: string;
  /** The lines of the block; none at all removes it, with its marks. */
  lines: readonly string[];
  /** What begins a comment in the file, for the marks. Default: `#`. */
  comment?: string;
}

const OPTIONS: Options<BlockInFileWish> = {
  path: needed(text),
  name: needed(text),
  lines: needed(list(text, 'texts')),
  comment: text,
  ...EDIT_OPTIONS,
};

/**
 * Lines of a file between two marks of ours; what stands outside of them is not touched. A new block goes to the end.
 * @throws PlayError for a name that cannot stand in a mark, and for lines with a line break in them.
 */
export function blockInFile(wish: BlockInFileWish): Resource {
  const { path: given, name, lines, comment = '#', ...options } = checkedOptions('blockInFile', wish, OPTIONS);
  const path = checkedPath(given, 'a block in a file');
  checkPrecautions(options);
  if (!/^[\w.-]+( [\w.-]+)*$/.test(name)) {
    const next = 'Letters, digits, _ . and -, and blanks between them.';
    throw new PlayError(`a block in ${path} cannot be called '${name}'`, { next });
  }
  if ([comment, ...lines].some((line) => /[\r\n\0]/.test(line))) {
    throw new PlayError(`the block ${name} in ${path} has a line break within a line`, {
      next: "Give each line of its own: text.split('\\n').",
    });
  }
  const marks: Marks = [`${comment} BEGIN etcd-play: ${name}`, `${comment} END etcd-play: ${name}`];
  if (lines.some((line) => marks.includes(line))) throw new PlayError(`the block ${name} holds its own mark`);
  const edit = (text: string, inItsManner: (piece: string) => string) => ({
    text: withBlock(text, marks, lines.map(inItsManner)),
    summary: lines.length === 0 ? `no block ${name}` : `block ${name}, ${count(lines.length)}`,
  });
  return {
    kind: 'block',
    id: path,
    paths: [path],
    needs: [folderOf(path)],
    probe: textProbe(path),
    follows: true,
    compare: (found) => diffEdit(found, path, edit, options),
  };
}

export type Marks = [begin: string, end: string];

/** The text with these lines between the marks; in its old place, or at the end. */
export function withBlock(text: string, [begin, end]: Marks, lines: readonly string[]): string {
  const eol = /^[^\n]*\r\n/.test(text) ? '\r\n' : '\n';
  const all = text.split(eol);
  const first = all.indexOf(begin);
  const last = all.indexOf(end, first + 1);
  const block = lines.length > 0 ? [begin, ...lines, end] : [];
  if (first >= 0 && last > first) return all.toSpliced(first, last - first + 1, ...block).join(eol);
  // A mark without the other: someone edited it. What is between cannot be known, so only the mark goes.
  const rest = all.filter((line) => line !== begin && line !== end).join(eol);
  if (block.length === 0) return rest;
  return `${rest}${rest === '' || rest.endsWith('\n') ? '' : eol}${block.join(eol)}${eol}`;
}

function count(lines: number): string {
  return lines === 1 ? '1 line' : `${lines} lines`;
}
