type Piece = { star: true } | { star: false; accepts: (char: string) => boolean };

/**
 * A test for whole names by a shell pattern, as Python's `fnmatch` reads it: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`; case
 * counts, and a bracket that is not closed stands for itself. It takes time in proportion to pattern × name at worst,
 * which a regular expression made of the same pattern does not.
 */
export function globMatcher(pattern: string): (name: string) => boolean {
  const pieces = parse([...pattern]);
  return (name) => matches(pieces, [...name]);
}

function parse(pattern: string[]): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    if (char === '*') pieces.push({ star: true });
    else if (char === '?') pieces.push({ star: false, accepts: () => true });
    else {
      const end = char === '[' ? closing(pattern, at) : -1;
      if (end < 0) pieces.push({ star: false, accepts: (given) => given === char });
      else {
        pieces.push({ star: false, accepts: charSet(pattern.slice(at + 1, end)) });
        at = end;
      }
    }
  }
  return pieces;
}

/** Where the set that opens at `at` closes; a `]` as its first character belongs to it. */
function closing(pattern: string[], at: number): number {
  const first = at + (pattern[at + 1] === '!' ? 2 : 1);
  return pattern.indexOf(']', pattern[first] === ']' ? first + 1 : first);
}

function charSet(set: string[]): (char: string) => boolean {
  const negated = set[0] === '!';
  const chars = negated ? set.slice(1) : set;
  const ranges: [string, string][] = [];
  for (let at = 0; at < chars.length; at++) {
    const last = chars[at + 1] === '-' ? chars[at + 2] : undefined;
    ranges.push([chars[at]!, last ?? chars[at]!]);
    if (last !== undefined) at += 2;
  }
  return (char) => ranges.some(([first, last]) => first <= char && char <= last) !== negated;
}

function matches(pieces: Piece[], name: string[]): boolean {
  let piece = 0;
  let at = 0;
  // Where to go on when a later piece fails: only the last star can usefully take more.
  let retry: { piece: number; at: number } | undefined;
  while (at < name.length) {
    const current = pieces[piece];
    if (current?.star) {
      piece += 1;
      retry = { piece, at };
    } else if (current?.accepts(name[at]!)) {
      piece += 1;
      at += 1;
    } else if (retry) {
      retry.at += 1;
      ({ piece, at } = retry);
    } else return false;
  }
  return pieces.slice(piece).every((left) => left.star);
}
