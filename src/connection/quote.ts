/** Quotes any string as exactly one word of POSIX `sh`. NUL cannot be carried by a shell and is refused. */
export function quote(word: string): string {
  if (word.includes('\0')) throw new RangeError('a shell word cannot hold a NUL character');
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
