import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { InputError } from '../errors.ts';
import { Secret } from '../secret.ts';

/**
 * The vault password from a file or, if the file is executable, from what it prints, as in Ansible.
 * @throws {InputError}
 */
export function readVaultPassword(file: string): Secret {
  const password = isExecutable(file) ? fromScript(file) : fromFile(file);
  if (password !== '') return new Secret(password);
  throw new InputError('The vault password is empty', { file, next: 'Put the password into the file, on one line' });
}

function isExecutable(file: string): boolean {
  try {
    return (statSync(file).mode & 0o111) !== 0 && !statSync(file).isDirectory();
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function fromFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function fromScript(file: string): string {
  // The terminal stays the script's own: it may ask a question.
  const { status, stdout, error } = spawnSync(resolve(file), {
    stdio: ['inherit', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (error) {
    const next = 'If the file holds the password itself, take its execute bit away: chmod a-x';
    throw new InputError(`The vault password script cannot be run: ${error.message}`, { file, next, cause: error });
  }
  if (status !== 0) {
    const next = 'Run it by hand: it must print the password and end with status 0';
    throw new InputError(`The vault password script ended with exit status ${status}`, { file, next });
  }
  return stdout.replace(/^[\r\n]+|[\r\n]+$/g, '');
}

function unreadable(file: string, cause: unknown): InputError {
  const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  const message = missing ? 'The vault password file does not exist' : 'The vault password file cannot be read';
  return new InputError(message, { file, cause, next: 'Correct the path after --vault-password-file' });
}
