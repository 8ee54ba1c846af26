import { readPairs } from '../inventory/key-value.ts';
import { type NamedDeclaration, named, type Variables } from '../variables/declaration.ts';

/** What a playbook declares: its own variables, and those of others that it reads. */
export interface Declared {
  variables?: Variables;
  alsoReads?: readonly NamedDeclaration[];
}

/**
 * The words of a command line as they may be kept. Of the words behind `-e` only those values stay that are known to be no
 * secrets, because the playbook declares them as something else or they are Ansible's own; all others are `***`.
 *
 * @param extraVars the words behind `-e`, as the command line was read
 */
export function recordedWords(
  words: readonly string[],
  extraVars: readonly string[],
  { variables = {}, alsoReads = [] }: Declared = {},
): string[] {
  const open = new Set(
    [...named(variables), ...alsoReads].flatMap(({ name, aliases = [], kind }) =>
      kind.secret ? [] : [name, ...aliases],
    ),
  );
  const isOpen = (name: string) => open.has(name) || name.startsWith('ansible_');
  // The longest first: one may be part of another.
  const given = extraVars.filter((text) => text !== '').sort((a, b) => b.length - a.length);
  return words.map((word) => {
    const text = given.find((one) => word.includes(one));
    return text === undefined ? word : word.replace(text, () => masked(text, isOpen));
  });
}

function masked(text: string, isOpen: (name: string) => boolean): string {
  if (text.startsWith('@')) return text;
  if (/^[[{]/.test(text)) return '***';
  try {
    const pairs = readPairs(text);
    if (pairs.every(({ name }) => name !== undefined && isOpen(name))) return text;
    return pairs.map(({ name, value }) => (name ? `${name}=${isOpen(name) ? value : '***'}` : '***')).join(' ');
  } catch {
    return '***';
  }
}

/** A value behind a name that speaks of a secret, wherever it stands: the name stays. */
export function withoutValues(word: string): string {
  return word.replace(/([\w.-]*(?:pass|pwd?\b|secret|token|credential|key)[\w.-]*["']?\s*[=:]).*$/is, '$1***');
}
