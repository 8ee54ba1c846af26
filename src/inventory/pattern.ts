import { readFileSync } from 'node:fs';
import { InputError } from '../errors.ts';
import { globMatcher } from './glob.ts';
import { implicitVars } from './implicit.ts';
import type { Inventory } from './inventory.ts';
import { splitPattern } from './split-pattern.ts';
import { suggest } from './suggest.ts';
import { splitLines, strip } from './text.ts';

const SUBSCRIPT = /^(.+)\[(?:(-?[0-9]+)|([0-9]+)[:-]([0-9]*))\]$/;

/**
 * Hosts that a pattern names, in the pattern's order: `all`, a host, a group, several of them (`web,db` or `web:db`),
 * `&` for "only those also in", `!` for "but not", wildcards, `~` and a regular expression (which must match from the
 * beginning), `[0]`, `[-1]`, `[1:3]` (both ends included) after a group, and `@file` for a file with one pattern to a
 * line. `localhost` is this machine, also where the inventory does not name it; `all` and wildcards never mean that.
 *
 * @param limit another pattern, of `--limit`: only hosts that it names too are left.
 * @throws {InputError} when one of the patterns names neither host nor group, and when no host is left. (Ansible only
 * warns: there a mistyped `!group` runs on the hosts it should have spared.)
 */
export function selectHosts(inventory: Inventory, pattern: string, limit?: string): string[] {
  const patterns = withFiles(pattern);
  if (patterns.length === 0) {
    throw new InputError('The pattern is empty', { next: "Name hosts or groups, or write 'all'" });
  }
  let hosts = evaluate(inventory, patterns);
  if (hosts.length === 0) {
    const next =
      inventory.hosts.size === 0 ? 'The inventory is empty: add hosts to it' : 'Look at the groups in the inventory';
    throw new InputError(`The pattern '${pattern}' names no host`, { next });
  }
  if (limit !== undefined) {
    const limits = withFiles(limit);
    // To Ansible an empty limit is none: `-l "$HOSTS"` with HOSTS unset runs everywhere.
    if (limits.length === 0)
      throw new InputError('The limit is empty', { next: 'Name hosts or groups, or leave -l out' });
    const within = new Set(evaluate(inventory, limits));
    hosts = hosts.filter((host) => within.has(host));
    if (hosts.length === 0) {
      const next = 'The limit must name some of the hosts that the pattern names';
      throw new InputError(`The limit '${limit}' leaves no host of '${pattern}'`, { next });
    }
  }
  return hosts;
}

/** The hosts of all patterns together; `&` and `!` apply last, wherever they stand. */
function evaluate(inventory: Inventory, patterns: readonly string[]): string[] {
  const [only, but] = ['&', '!'].map((sign) => patterns.filter((pattern) => pattern.startsWith(sign)));
  const plain = patterns.filter((pattern) => !/^[&!]/.test(pattern));
  let hosts = new Set((plain.length > 0 ? plain : ['all']).flatMap((pattern) => matchOne(inventory, pattern)));
  for (const pattern of only!) {
    const others = new Set(matchOne(inventory, pattern.slice(1)));
    hosts = new Set([...hosts].filter((host) => others.has(host)));
  }
  for (const pattern of but!) for (const host of matchOne(inventory, pattern.slice(1))) hosts.delete(host);
  return [...hosts];
}

function matchOne(inventory: Inventory, pattern: string): string[] {
  if (inventory.hosts.has(pattern)) return [pattern];
  const subscript = pattern.startsWith('~') ? null : SUBSCRIPT.exec(pattern);
  const name = subscript?.[1] ?? pattern;
  const test = matcher(name);
  const groups = [...inventory.groups.keys()].filter(test);
  // A host may come up several times here, and Ansible counts it as often when it takes the n-th.
  const hosts = groups.flatMap((group) => inventory.hostsOf(group));
  if (groups.length === 0 || name.startsWith('~') || /[.?*[]/.test(name)) {
    hosts.push(...[...inventory.hosts.keys()].filter(test));
  }
  if (hosts.length === 0 && implicitVars(name)) hosts.push(name);
  if (hosts.length === 0 && groups.length === 0) throw nothingMatches(inventory, name);
  return subscript && hosts.length > 0 ? takeSubscript(hosts, subscript, pattern) : hosts;
}

function takeSubscript(hosts: string[], [, name, single, first, last]: RegExpExecArray, pattern: string): string[] {
  const start = Number(single ?? first);
  // `[2:0]` is [2] in Ansible, since an end of 0 counts as none.
  if (single === undefined && last === '') return hosts.slice(start);
  if (single === undefined && Number(last) !== 0) return hosts.slice(start, Number(last) + 1);
  const host = hosts.at(start);
  if (host !== undefined) return [host];
  const next = `'${name}' has ${hosts.length}: the first is [0], the last [-1]`;
  throw new InputError(`There is no host '${pattern}'`, { next });
}

function matcher(pattern: string): (name: string) => boolean {
  if (!pattern.startsWith('~')) return globMatcher(pattern);
  try {
    const [, flags, source] = /^(?:\(\?([ism]+)\))?(.*)$/s.exec(pattern.slice(1))!;
    const regex = new RegExp(fromPython(source!), `y${flags ?? ''}`);
    return (name) => {
      regex.lastIndex = 0;
      return regex.test(name);
    };
  } catch (cause) {
    const next =
      'After ~ a regular expression must follow; put a backslash before characters that stand for themselves';
    throw new InputError(`The pattern '${pattern}' is not a regular expression`, { next, cause });
  }
}

/** Python's spelling of what JavaScript writes otherwise. */
function fromPython(source: string): string {
  return source.replace(/\\[\s\S]|\(\?P<|\(\?P=(\w+)\)/g, (found, name) => {
    if (found === '(?P<') return '(?<';
    if (name !== undefined) return `\\k<${name}>`;
    return found === '\\A' ? '^' : found === '\\Z' ? '$' : found;
  });
}

/** `@file` becomes the lines of the file, each one pattern; empty lines and comments are left out. */
function withFiles(pattern: string): string[] {
  // Not split first: a path may hold colons and spaces.
  const parts = pattern.startsWith('@') && !pattern.includes(',') ? [pattern] : splitPattern(pattern);
  return parts.flatMap((part) => (part.startsWith('@') ? fileLines(part.slice(1)) : [part]));
}

function fileLines(file: string): string[] {
  let text: string;
  try {
    const bytes = readFileSync(file);
    text = bytes.toString('utf8');
    if (!Buffer.from(text).equals(bytes)) throw new Error('it is not valid UTF-8');
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === 'EISDIR' ? 'is a directory' : 'cannot be read';
    throw new InputError(`The file of patterns ${reason}`, {
      file,
      cause,
      next: 'After @ the path of a file must follow',
    });
  }
  const lines = splitLines(text)
    .map(strip)
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length > 0) return lines;
  throw new InputError('The file of patterns is empty', { file, next: 'Put one host or pattern on each of its lines' });
}

function nothingMatches(inventory: Inventory, pattern: string): InputError {
  const groups = [...inventory.groups.keys()].filter((name) => name !== 'all' && name !== 'ungrouped');
  const near = suggest(pattern, [...groups, ...inventory.hosts.keys()]);
  const known = groups.length > 0 ? `The groups are: ${groups.slice(0, 10).join(', ')}` : 'The inventory has no groups';
  const next = near === undefined ? known : `Did you mean '${near}'?`;
  return new InputError(`No host and no group is named '${pattern}'`, { next });
}
