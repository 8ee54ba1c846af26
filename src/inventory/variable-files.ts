import type { Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { InputError } from '../errors.ts';
import { type DataOptions, type Entry, plain, readData } from './data.ts';
import { descend } from './descend.ts';
import type { Variable, Warning } from './inventory.ts';
import { numberDoubt } from './value.ts';

export type Variables = Map<string, Variable>;

/** What one directory's `group_vars/` and `host_vars/` hold, by the names of groups and hosts. */
export interface VariableFolder {
  groups: ReadonlyMap<string, Variables>;
  hosts: ReadonlyMap<string, Variables>;
}

export interface VariableFolders {
  folders: VariableFolder[];
  warnings: Warning[];
}

interface Names {
  groups: Iterable<string>;
  hosts: Iterable<string>;
}

/** What reading them has given to say. */
interface Said {
  groups: Warning[];
  hosts: Warning[];
}

/** In the order in which Ansible looks: the first that is there is read, and no other. */
const ENDINGS = ['', '.yml', '.yaml', '.json'];

/**
 * Reads `group_vars/` and `host_vars/` of the directories, for the groups and hosts that there are. A group's or host's
 * variables are in a file named for it (`.yml`, `.yaml`, `.json` or no ending), or in a directory of such files, which are
 * read in the order of their names, and whose later ones win.
 *
 * @throws {InputError} for a file that cannot be read or is no map of names and values
 */
export async function readVariableFiles(
  directories: readonly string[],
  names: Names,
  options: DataOptions,
): Promise<VariableFolders> {
  const read = new Map<string, Promise<VariableFolder>>();
  const warnings: Warning[][] = [];
  for (const directory of directories) {
    if (read.has(directory)) continue;
    // All are read at once, and each has a place of its own for what it says: the order is not that of the disk.
    const said: Said = { groups: [], hosts: [] };
    warnings.push(said.groups, said.hosts);
    read.set(directory, readFolder(directory, names, options, said));
  }
  // A directory that several sources share counts at each of its places.
  const folders = await Promise.all(directories.map((directory) => read.get(directory)!));
  return { folders, warnings: warnings.flat() };
}

async function readFolder(
  directory: string,
  { groups, hosts }: Names,
  options: DataOptions,
  said: Said,
): Promise<VariableFolder> {
  const [groupVars, hostVars] = await Promise.all([
    readNamed(join(directory, 'group_vars'), groups, 'group', options, said.groups),
    readNamed(join(directory, 'host_vars'), hosts, 'host', options, said.hosts),
  ]);
  return { groups: groupVars, hosts: hostVars };
}

async function readNamed(
  folder: string,
  names: Iterable<string>,
  kind: 'group' | 'host',
  options: DataOptions,
  warnings: Warning[],
): Promise<Map<string, Variables>> {
  const there = new Set(await entriesOf(folder));
  const read = new Map<string, Variables>();
  if (there.size === 0) return read;
  for (const name of names) {
    const found = ENDINGS.map((ending) => name + ending).filter((entry) => there.has(entry));
    const [entry, ...others] = found;
    if (entry === undefined) continue;
    const path = join(folder, entry);
    for (const other of others) {
      const message = `is not read, because ${entry} is there too; Ansible takes only the first of the two`;
      warnings.push({ message, file: join(folder, other), line: 1 });
    }
    const variables: Variables = new Map();
    for (const file of await filesIn(path)) {
      const scope = `${kind} ${name}`;
      for (const [key, variable] of await readVariableFile(file, scope, options, warnings))
        variables.set(key, variable);
    }
    read.set(name, variables);
  }
  return read;
}

/** The variables in one file: a map of names and values, or nothing. @throws {InputError} */
export async function readVariableFile(
  file: string,
  scope: string,
  options: DataOptions,
  warnings: Warning[],
): Promise<Variables> {
  const { data, warnings: found } = await readData(await contentOf(file), file, options);
  warnings.push(...found);
  // An empty list or text counts as an empty file in Ansible, where emptiness of any kind is false.
  if (data === undefined || (data.kind === 'list' && data.items.length === 0)) return new Map();
  if (data.kind !== 'map') {
    throw new InputError('The file holds no variables', {
      file,
      line: data.line,
      next: 'Write name: value, one to a line',
    });
  }
  return new Map(
    data.entries.map((entry) => {
      const variable = variableOf(entry, file, scope);
      const doubt = typeof variable.value === 'number' ? numberDoubt(entry.name, variable) : undefined;
      if (doubt !== undefined) warnings.push({ message: doubt, file, line: entry.line });
      return [entry.name, variable];
    }),
  );
}

export function variableOf({ name, line, data }: Entry, file: string, scope: string): Variable {
  return { name, value: plain(data), raw: data.raw, origin: { file, line, scope } };
}

/** Text files as a whole; a file that is not valid UTF-8 would change silently on its way. */
export async function contentOf(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InputError(`The file cannot be read: ${reason}`, { file, cause, next: 'Correct its path or its rights' });
  }
  const text = bytes.toString('utf8');
  if (!text.includes('\ufffd') || bytes.equals(Buffer.from(text))) return text;
  const line = text.slice(0, text.indexOf('\ufffd')).split('\n').length;
  throw new InputError('The line is not valid UTF-8', { file, line, next: 'Save the file as UTF-8' });
}

async function filesIn(path: string, above: readonly string[] = []): Promise<string[]> {
  if (!(await isDirectory(path))) return [path];
  const within = await descend(path, above);
  const files: string[] = [];
  for (const entry of (await entriesOf(path)).sort(byCodePoint)) {
    if (entry.startsWith('.') || entry.endsWith('~')) continue;
    const ending = extname(entry);
    const below = join(path, entry);
    if (await isDirectory(below)) {
      if (ending === '') files.push(...(await filesIn(below, within)));
    } else if (ENDINGS.includes(ending)) files.push(below);
  }
  return files;
}

/** Names as Python sorts them; JavaScript's own order differs beyond the basic plane. */
export function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder, { withFileTypes: true })).map((entry: Dirent) => entry.name);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new InputError('The directory cannot be read', { file: folder, cause, next: 'Give yourself the right to' });
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw new InputError('The file cannot be read', { file: path, cause, next: 'Is it a link to nowhere? Delete it' });
  }
}
