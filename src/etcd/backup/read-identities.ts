import { readFile } from 'node:fs/promises';
import { InputError } from '../../errors.ts';
import { identitiesIn } from './age/keys.ts';

/** The keys in a file that the user named; none where none was. @throws InputError where it holds no key. */
export async function readIdentities(file: string | undefined) {
  if (file === undefined) return [];
  const found = identitiesIn(await readFile(file, 'utf8'));
  if (found) return found;
  throw new InputError('this file holds no key of age', {
    file,
    next: 'It has a line AGE-SECRET-KEY-1…: play backups --new-key FILE makes one.',
  });
}
