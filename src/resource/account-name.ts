import { PlayError } from '../errors.ts';

/**
 * A name that shadow's programs and the fields of /etc/passwd can carry. A number alone would be taken for an id.
 * @throws PlayError for any other.
 */
export function accountName(name: string, what: 'user' | 'group'): string {
  if (/^[A-Za-z_][A-Za-z0-9_.@-]{0,30}\$?$/.test(name)) return name;
  throw new PlayError(`a ${what} cannot be called '${name}'`, {
    next: 'Letters, digits, _ . @ and -, beginning with a letter or _, at most 32.',
  });
}

/** @throws PlayError for what is no number of a user or group. */
export function accountNumber(number: number, what: 'uid' | 'gid'): number {
  if (Number.isInteger(number) && number >= 0 && number < 2 ** 32 - 1) return number;
  throw new PlayError(`${number} is no ${what}`, { next: 'Give a whole number, 0 or more.' });
}
