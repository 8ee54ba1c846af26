import { InputError } from '../errors.ts';
import { type Data, type DataOptions, type Entry, plain, readData } from './data.ts';
import { type Assignment, expandHosts, type IniDocument, type Statement } from './parse-ini.ts';

/**
 * Reads an inventory in the shape of Ansible's yaml plugin, from YAML or JSON: groups at the top, in each of them `hosts`,
 * `vars` and `children`, which hold groups again.
 *
 * @throws {InputError} with file and line. (Ansible warns of what it does not understand, and leaves it out.)
 */
export async function parseYamlInventory(text: string, file: string, options: DataOptions): Promise<IniDocument> {
  const { data, warnings } = await readData(text, file, options);
  if (data === undefined) {
    throw new InputError('The inventory is empty', { file, line: 1, next: 'Add a group: all: {hosts: {web1: }}' });
  }
  const groups = entriesOf(data, 'The inventory', file);
  if (groups.some(({ name }) => name === 'plugin')) {
    const next = 'Inventory plugins are not run: give its hosts in INI or YAML form';
    throw new InputError('The file is the configuration of an inventory plugin', { file, line: data.line, next });
  }
  const document: IniDocument = { file, statements: [], warnings };
  for (const group of groups) addGroup(document, group);
  return document;
}

function addGroup(document: IniDocument, { name: group, isText, line, data }: Entry): void {
  const { file, statements } = document;
  if (!isText || group === '') throw badName(file, line, 'group', group);
  statements.push({ kind: 'section', line, group, of: 'hosts' });
  if (isNothing(data)) return;
  for (const { name: part, line: partLine, data: inside } of entriesOf(data, `The group '${group}'`, file)) {
    const entries = isNothing(inside) ? [] : partEntries(part, inside, group, file);
    switch (part) {
      case 'vars':
        for (const entry of entries) {
          statements.push({ kind: 'variable', line: entry.line, group, variable: assignment(entry) });
        }
        break;
      case 'children':
        for (const entry of entries) {
          addGroup(document, entry);
          statements.push({ kind: 'child', line: entry.line, group, child: entry.name });
        }
        break;
      case 'hosts':
        for (const entry of entries) statements.push(hostStatement(document, entry, group));
        break;
      default: {
        const message = `'${part}' means nothing in the group '${group}'`;
        const next = 'A group has hosts, vars and children; other groups stand under children';
        throw new InputError(message, { file, line: partLine, next });
      }
    }
  }
}

/** One name alone may be written as text: `hosts: web1`. */
function partEntries(part: string, data: Data, group: string, file: string): Entry[] {
  if (data.kind === 'scalar' && typeof data.value === 'string') {
    const nothing: Data = { kind: 'scalar', line: data.line, raw: '', value: null };
    return [{ name: data.value, isText: true, line: data.line, data: nothing }];
  }
  return entriesOf(data, `'${part}' of the group '${group}'`, file);
}

function hostStatement(document: IniDocument, { name, isText, line, data }: Entry, group: string): Statement {
  const { file, warnings } = document;
  if (!isText || name === '') throw badName(file, line, 'host', name);
  const vars = isNothing(data) ? [] : entriesOf(data, `The host '${name}'`, file).map(assignment);
  return { kind: 'hosts', line, group, vars, ...expandHosts(name, { file, line, warnings }) };
}

function assignment({ name, line, data }: Entry): Assignment {
  return { name, line, value: plain(data), raw: data.raw };
}

function isNothing(data: Data): boolean {
  return data.kind === 'scalar' && data.value === null;
}

function entriesOf(data: Data, what: string, file: string): Entry[] {
  if (data.kind === 'map') return data.entries;
  const next =
    data.kind === 'list' ? 'Write name: instead of - name, one to a line' : 'Write names with a colon behind';
  throw new InputError(`${what} must be a map`, { file, line: data.line, next });
}

function badName(file: string, line: number, kind: string, name: string): InputError {
  return new InputError(`The name of a ${kind} must be text, and ${name || 'an empty one'} is not`, {
    file,
    line,
    next: 'Put it in quotes',
  });
}
