import { PlayError } from '../errors.ts';

/**
 * An absolute path without `..` and without slashes at its end, as it was given otherwise.
 * @throws PlayError for anything else: it is a fault of the playbook, or of a variable in it that was empty.
 */
export function checkedPath(path: string, what: string): string {
  if (!path.startsWith('/') || /(^|\/)\.\.?(\/|$)/.test(path)) {
    throw new PlayError(`${what} wants an absolute path without . or .. in it, not '${path}'`, {
      next: 'Look at the variable that the path is made of.',
    });
  }
  return path.replace(/(?<=.)\/+$/, '');
}
