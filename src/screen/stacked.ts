import { textWidth } from './width.ts';

const RULE = /^\+(?:-+\+)+$/;

/**
 * Framed tables that a window is too narrow for are turned: a block of lines for each row, a line for each cell that is
 * not empty, behind the title of its column. All other lines stay as they are. Lines have no colours.
 */
export function stacked(lines: readonly string[], columns: number): string[] {
  const out: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    if (!RULE.test(line) || textWidth(line) <= columns) {
      out.push(line);
      continue;
    }
    const end = endOfTable(lines, at);
    const head = end === undefined ? undefined : cells(lines[at + 1]!);
    if (end === undefined || head === undefined) {
      out.push(line);
      continue;
    }
    for (const row of lines.slice(at + 3, end)) out.push(...block(head, cells(row)));
    at = end;
  }
  return out;
}

/** The place of the rule that ends the table that begins here: rule, head, rule, rows, rule. */
function endOfTable(lines: readonly string[], at: number): number | undefined {
  if (!isRow(lines[at + 1]) || lines[at + 2] !== lines[at]) return undefined;
  let end = at + 3;
  while (isRow(lines[end])) end++;
  return lines[end] === lines[at] ? end : undefined;
}

const isRow = (line: string | undefined): boolean => line !== undefined && /^\| .* \|$/.test(line);

const cells = (row: string): string[] =>
  row
    .slice(2, -2)
    .split(' | ')
    .map((cell) => cell.trim());

function block(head: readonly string[], row: readonly string[]): string[] {
  const width = Math.max(...head.map((title) => textWidth(title)));
  return row.flatMap((cell, column) => {
    if (cell === '') return [];
    return [`${column === 0 ? '- ' : '  '}${head[column]!.padEnd(width)}  ${cell}`];
  });
}
