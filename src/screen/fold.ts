import { stacked } from './stacked.ts';
import { textWidth, withoutColour } from './width.ts';

/**
 * A text for a window that is narrower than some of its lines: these go on below, between words and under their own
 * beginning. Tables are turned; command lines stay as they are: broken, they could not be copied.
 */
export function folded(text: string, columns: number | undefined): string {
  if (columns === undefined) return text;
  return stacked(text.split('\n'), columns)
    .flatMap((line) => foldedLine(line, columns))
    .join('\n');
}

function foldedLine(line: string, columns: number): string[] {
  if (widthOf(line) <= columns || !isProse(line)) return [line];
  const own = /^\s*(?:(?:→|\d+\.)\s+)?/.exec(line)![0].length;
  const under = ' '.repeat(Math.min(own === 0 ? 2 : own, Math.floor(columns / 2)));
  const lines: string[] = [];
  for (const word of line.match(/\s*\S+/g) ?? []) {
    const last = lines.at(-1);
    if (last === undefined) lines.push(word);
    else if (widthOf(last + word) <= columns) lines[lines.length - 1] = last + word;
    else lines.push(under + word.trimStart());
  }
  return lines;
}

/** No table, and no line with options or settings in it, as a command has. */
function isProse(line: string): boolean {
  return !/[|=]|(?:^|\s)--?\w|^\s*[+-]/.test(line);
}

function widthOf(line: string): number {
  return textWidth(withoutColour(line));
}
