import { InputError } from '../errors.ts';
import { parseAddress } from './address.ts';
import type { Warning } from './inventory.ts';
import { UnhashableKey } from './literal.ts';
import { BadRange, expandRange } from './range.ts';
import { SplitError, splitWords } from './split.ts';
import { SPACE, splitLines, strip } from './text.ts';
import { namesSecret, readValue, type ValuePlace } from './value.ts';

export interface Assignment {
  name: string;
  value: unknown;
  raw: string;
  /** Where it has a line of its own, in a YAML inventory. */
  line?: number;
}

/** One line of an inventory, understood but not yet put together with the others. */
export type Statement = { line: number; group: string } & (
  | { kind: 'section'; of: SectionKind }
  | { kind: 'hosts'; hosts: string[]; port?: number; vars: Assignment[] }
  | { kind: 'child'; child: string }
  | { kind: 'variable'; variable: Assignment }
);

export interface IniDocument {
  file: string;
  statements: Statement[];
  warnings: Warning[];
}

type SectionKind = 'hosts' | 'children' | 'vars';

interface Place {
  file: string;
  line: number;
  warnings: Warning[];
}

const SECTION = new RegExp(`^\\[([^:\\]${SPACE}]+)(?::([^:\\]${SPACE}]+))?\\][${SPACE}]*(?:#.*)?$`);
const GROUP_NAME = new RegExp(`^([^:\\]${SPACE}]+)[${SPACE}]*(?:#.*)?$`);

/**
 * Reads an inventory in Ansible's INI format, line by line, into statements in the order of the file.
 * Whether groups exist and how hosts and variables add up is for `assembleInventory`.
 *
 * @param file name for messages
 * @throws {InputError} for a line that Ansible would not take, with file and line
 */
export function parseIni(text: string, file: string): IniDocument {
  const statements: Statement[] = [];
  const warnings: Warning[] = [];
  // Until the first section, lines are hosts of no group.
  let group = 'ungrouped';
  let of: SectionKind = 'hosts';
  for (const [index, untrimmed] of splitLines(text).entries()) {
    const line = strip(untrimmed);
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const place = { file, line: index + 1, warnings };
    const section = SECTION.exec(line);
    if (section) {
      group = section[1]!;
      of = sectionKind(section[2] ?? 'hosts', line, place);
      statements.push({ kind: 'section', line: place.line, group, of });
    } else if (line.startsWith('[') && line.endsWith(']')) {
      throw refuse(
        place,
        `${namesSecret(line) ? 'The line' : `'${line}'`} is not a section`,
        'Write [group], [group:vars] or [group:children], without spaces',
      );
    } else if (of === 'hosts') {
      statements.push({ kind: 'hosts', line: place.line, group, ...parseHosts(line, place) });
    } else if (of === 'children') {
      statements.push({ kind: 'child', line: place.line, group, child: parseChild(line, place) });
    } else {
      statements.push({ kind: 'variable', line: place.line, group, variable: parseVariable(line, place) });
    }
  }
  return { file, statements, warnings };
}

function sectionKind(kind: string, line: string, place: Place): SectionKind {
  if (kind === 'hosts' || kind === 'children' || kind === 'vars') return kind;
  throw refuse(
    place,
    `The section ${line} is of an unknown kind '${kind}'`,
    'After the colon only vars, children or hosts may stand',
  );
}

function parseHosts(line: string, place: Place): { hosts: string[]; port?: number; vars: Assignment[] } {
  const { words, cut } = split(line, place);
  if (cut)
    warn(place, "all from '#' on is left out as a comment, also within a word; quote the value if '#' is part of it");
  const [pattern = '', ...rest] = words;
  refuseSecretName(pattern, place, 'host');
  const { hosts, port } = parsePattern(pattern, place);
  // A name given twice keeps its first place and takes the last value, as in a Python dict.
  const vars = new Map<string, Assignment>();
  for (const word of rest) {
    const equals = word.indexOf('=');
    if (equals < 0) {
      const isComment = word.startsWith(';');
      throw refuse(
        place,
        `${quoteUnlessSecret(word, line)} after the host '${pattern}' is not name=value`,
        isComment
          ? 'After a host a comment begins with #'
          : "Write name=value without spaces round '=', and quote a value that has spaces",
      );
    }
    const assignment = assign(word.slice(0, equals), word.slice(equals + 1), 'host line', place);
    vars.set(assignment.name, assignment);
  }
  return { hosts, ...(port === undefined ? {} : { port }), vars: [...vars.values()] };
}

function split(line: string, place: Place) {
  try {
    return splitWords(line);
  } catch (error) {
    if (!(error instanceof SplitError)) throw error;
    throw refuse(
      place,
      `The host line cannot be read: ${error.message}`,
      'Close the quote, or put a backslash before it if it is part of the value',
      error,
    );
  }
}

function parsePattern(pattern: string, place: Place): { hosts: string[]; port?: number } {
  const address = parseAddress(pattern) ?? { host: pattern };
  if (pattern === '')
    throw refuse(place, 'The name of the host is empty', 'Write the name or address of the host first');
  if (address.port === undefined && strip(pattern).endsWith(':')) {
    throw refuse(place, `The host '${pattern}' ends in ':' but has no port`, 'Write host:port, or leave the colon out');
  }
  const hosts = expand(address.host, place);
  if (hosts.some((host) => strip(host) === '---')) {
    throw refuse(place, "'---' begins a YAML file, not an INI inventory", 'Give the inventory in INI form');
  }
  if (hosts.length === 0) warn(place, `the range in '${pattern}' runs backwards and names no host`);
  if (address.port !== undefined && (address.port < 1 || address.port > 65_535)) {
    warn(place, `${address.port} is not a port: ports are 1 to 65535`);
  }
  return { hosts, ...(address.port === undefined ? {} : { port: address.port }) };
}

/** The hosts that a key of a YAML inventory stands for: as on an INI line, but for the signs that only INI has. */
export function expandHosts(pattern: string, place: Place): { hosts: string[]; port?: number } {
  const { host, port } = parseAddress(pattern) ?? { host: pattern };
  return { hosts: expand(host, place), ...(port === undefined ? {} : { port }) };
}

function expand(pattern: string, place: Place): string[] {
  try {
    return expandRange(pattern);
  } catch (error) {
    if (!(error instanceof BadRange)) throw error;
    const section = pattern.startsWith('[');
    const next = section
      ? 'Only a # comment may follow a section; a range is written host[01:10]'
      : 'Write host[01:10], host[a:f] or host[0:10:2]';
    throw refuse(place, `The host '${pattern}' cannot be read: ${error.message}`, next, error);
  }
}

/** A password under the wrong section would become a name, which is shown everywhere and looked up on the network. */
function refuseSecretName(text: string, place: Place, kind: 'host' | 'group'): void {
  const name = text.slice(0, Math.max(0, text.indexOf('=')));
  if (name === '' || !namesSecret(name)) return;
  const next = 'Variables stand in a section [group:vars], or behind the name of a host';
  throw refuse(place, `${name}=… stands where the name of a ${kind} must`, next);
}

function parseChild(line: string, place: Place): string {
  refuseSecretName(line, place, 'group');
  const found = GROUP_NAME.exec(line);
  if (found) return found[1]!;
  throw refuse(
    place,
    `${namesSecret(line) ? 'The line' : `'${line}'`} is not the name of a group`,
    'A :children section holds one group to a line, without variables',
  );
}

function parseVariable(line: string, place: Place): Assignment {
  const equals = line.indexOf('=');
  if (equals >= 0) return assign(strip(line.slice(0, equals)), strip(line.slice(equals + 1)), 'vars section', place);
  throw refuse(
    place,
    `${quoteUnlessSecret(line, line)} is not name=value`,
    'A :vars section holds one name=value to a line',
  );
}

function assign(name: string, raw: string, valuePlace: ValuePlace, place: Place): Assignment {
  try {
    if (name === '') warn(place, `'=${raw}' sets a variable without a name`);
    const { value, doubt } = readValue(name, raw, valuePlace);
    if (doubt !== undefined) warn(place, doubt);
    return { name, value, raw };
  } catch (error) {
    if (!(error instanceof UnhashableKey)) throw error;
    throw refuse(
      place,
      `The value of ${name} is a Python set or dict with a list, set or dict as its key, which Python does not allow`,
      'Put quotes round the whole value if it is meant as text',
      error,
    );
  }
}

/** A password with a space in it must not be printed word by word. */
function quoteUnlessSecret(text: string, line: string): string {
  return namesSecret(line) ? 'A word' : `'${text}'`;
}

function warn(place: Place, message: string): void {
  place.warnings.push({ message, file: place.file, line: place.line });
}

function refuse({ file, line }: Place, message: string, next: string, cause?: unknown): InputError {
  return new InputError(message, { file, line, next, cause });
}
