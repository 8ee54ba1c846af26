import { PlayError } from '../errors.ts';

/**
 * Quotes any string as exactly one word of POSIX `sh`.
 * @throws PlayError for a NUL, which no shell can carry
 */
export function quote(word: string): string {
  if (word.includes('\0')) {
    const next = 'Look at the variable or the file that it comes from: text has no such character.';
    throw new PlayError('a text for the host holds a NUL character', { next });
  }
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
