const WIDE =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]|[\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|.\ufe0f)/u;
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]/u;
/** Nearly all texts: nothing in them takes more or less than a column. */
const PLAIN = /^[\u0020-\u007e\u00a1-\u02ff\u0370-\u0482\u2010-\u2026]*$/;

const segmenter = new Intl.Segmenter();

/** How many columns of a terminal a text takes; it holds no colours and no line breaks. */
export function textWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += signWidth(segment);
  return width;
}

function signWidth(sign: string): number {
  if (NO_WIDTH.test(sign)) return 0;
  return WIDE.test(sign) ? 2 : 1;
}

/** The text in at most so many columns: what is too much is cut off at its end. */
export function cut(text: string, columns: number): string {
  return textWidth(text) <= columns ? text : columns < 1 ? '' : `${head(text, columns - 1)}…`;
}

/** The same, cut in the middle: names of hosts often differ at their ends. */
export function cutName(name: string, columns: number): string {
  if (textWidth(name) <= columns || columns < 3) return cut(name, columns);
  const signs = [...segmenter.segment(name)].map(({ segment }) => segment);
  const end = head(signs.toReversed(), Math.floor((columns - 1) / 2));
  const tail = [...segmenter.segment(end)]
    .map(({ segment }) => segment)
    .toReversed()
    .join('');
  return `${head(name, columns - 1 - textWidth(tail))}…${tail}`;
}

/** The whole text, in pieces of at most so many columns. */
export function pieces(text: string, columns: number): string[] {
  const all: string[] = [];
  for (const { segment } of segmenter.segment(text)) {
    const last = all.at(-1);
    if (last === undefined || textWidth(last + segment) > columns) all.push(segment);
    else all[all.length - 1] = last + segment;
  }
  return all;
}

export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - textWidth(text)));
}

/** As many of the first signs as there is room for. */
function head(text: string | readonly string[], columns: number): string {
  const signs = typeof text === 'string' ? [...segmenter.segment(text)].map(({ segment }) => segment) : text;
  let left = columns;
  let taken = '';
  for (const sign of signs) {
    left -= signWidth(sign);
    if (left < 0) break;
    taken += sign;
  }
  return taken;
}

/** Colours take no columns. */
export function withoutColour(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
  return text.replace(/\u001b\[[\d;]*m/g, '');
}
