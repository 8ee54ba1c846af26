import { realpath } from 'node:fs/promises';
import { InputError } from '../errors.ts';

/**
 * The real directories on the way down to this one, it included: links may lead back up, and several such would be
 * followed for ever.
 * @throws {InputError} where it is on that way already
 */
export async function descend(directory: string, above: readonly string[]): Promise<string[]> {
  const real = await realpath(directory);
  if (!above.includes(real)) return [...above, real];
  const next = 'Delete the link that leads back up';
  throw new InputError('The directory holds itself, by a link', { file: directory, next });
}
