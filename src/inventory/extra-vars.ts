import { InputError } from '../errors.ts';
import { type DataOptions, readData } from './data.ts';
import type { Variable, Warning } from './inventory.ts';
import { readPairs, UnbalancedPairs } from './key-value.ts';
import { namesSecret } from './value.ts';
import { readVariableFile, variableOf } from './variable-files.ts';

const FILE = 'command line (-e)';
const SCOPE = 'command line';

/**
 * Variables from `-e`, each of which is `NAME=value` (several in one word, split nearly as a shell does; always text), a map
 * in JSON or YAML, or `@file`. Later ones win.
 *
 * @throws {InputError}
 */
export async function readExtraVars(
  words: readonly string[],
  options: DataOptions,
  warnings: Warning[],
): Promise<Map<string, Variable>> {
  const extra = new Map<string, Variable>();
  for (const word of words) {
    for (const [name, variable] of await readWord(word, options, warnings)) extra.set(name, variable);
  }
  return extra;
}

async function readWord(
  word: string,
  options: DataOptions,
  warnings: Warning[],
): Promise<Iterable<[string, Variable]>> {
  if (word === '') return [];
  if (word.startsWith('@')) return readVariableFile(word.slice(1), SCOPE, options, warnings);
  if (/^[[{]/.test(word)) return inlineData(word, options, warnings);
  if (/^[/.]/.test(word)) {
    const shown = namesSecret(word) ? '…' : word;
    throw new InputError(`-e ${shown} looks like a file`, { next: `Put an @ before its path: -e @${shown}` });
  }
  return pairs(word);
}

async function inlineData(
  word: string,
  options: DataOptions,
  warnings: Warning[],
): Promise<Iterable<[string, Variable]>> {
  const { data, warnings: found } = await readData(word, FILE, options);
  warnings.push(...found);
  if (data?.kind === 'map') {
    return data.entries.map((entry) => [entry.name, variableOf(entry, FILE, SCOPE)] as [string, Variable]);
  }
  throw new InputError('What stands after -e is a list, not a map of names and values', {
    next: `Say, for instance: -e '{"ETCD_VERSION": "3.5.16"}'`,
  });
}

function pairs(word: string): [string, Variable][] {
  // The name may be told; the value may be a secret, whatever its name.
  const name = /^[\w.-]+(?==)/.exec(word)?.[0];
  const shown = namesSecret(word) ? 'What stands after -e' : `-e ${name === undefined ? word : `${name}=…`}`;
  const next = 'Say, for instance: -e ETCD_VERSION=3.5.16';
  try {
    return readPairs(word).map(({ name, value }) => {
      if (name === undefined || name === '') throw new InputError(`${shown} is not NAME=value`, { next });
      return [name, { name, value, raw: value, origin: { file: FILE, line: 0, scope: SCOPE } }];
    });
  } catch (cause) {
    if (!(cause instanceof UnbalancedPairs)) throw cause;
    const advice = 'Close each quote and each {{ with its like; quote the whole word for the shell';
    throw new InputError(`${shown} cannot be split: ${cause.message}`, { cause, next: advice });
  }
}
