import { ExitCode } from '../errors.ts';
import type { Playbook } from '../runner/playbook.ts';
import { legible } from '../screen/legible.ts';
import { type NamedDeclaration, named } from '../variables/declaration.ts';
import { searchFolders } from './folders.ts';
import { loadPlaybook } from './load-playbook.ts';

/** `play <playbook> --help`: what it is for, and what it can be told. Neither inventory nor hosts are looked at. */
export async function showPlaybookHelp(name: string, inventoryDirs: readonly string[]): Promise<number> {
  const playbook = await loadPlaybook(name, searchFolders('playbooks', inventoryDirs));
  const width = Math.min(110, process.stdout.columns || 110);
  process.stdout.write(`${legible(playbookHelp(playbook, name, width))}\n`);
  return ExitCode.done;
}

export function playbookHelp(playbook: Playbook, name: string, width: number): string {
  const { description, hosts, become = true, variables = {}, alsoReads = [] } = playbook;
  const own = named(variables);
  const parts = [
    `play ${name} -i <inventory> [options]`,
    ...wrapped(description, width),
    `For the hosts of '${hosts}'${become ? ', as root' : ''}.`,
    ...[...sections(own, 'Variables'), ...sections(alsoReads, 'Variables')].map(([title, all]) =>
      [`${title}:`, ...variableLines(all, width)].join('\n'),
    ),
  ];
  if (own.length + alsoReads.length > 0) parts.push('Set variables in the inventory, or for one run: -e NAME=value');
  return [...parts, 'Options: play --help'].join('\n\n');
}

function sections(variables: readonly NamedDeclaration[], otherwise: string): Map<string, NamedDeclaration[]> {
  const found = new Map<string, NamedDeclaration[]>();
  for (const variable of variables) {
    const title = variable.section ?? otherwise;
    found.set(title, [...(found.get(title) ?? []), variable]);
  }
  return found;
}

/** Names in a column of their own, unless the window is too narrow for two. */
function variableLines(variables: readonly NamedDeclaration[], width: number): string[] {
  const column = Math.max(...variables.map(({ name }) => name.length)) + 4;
  const beside = width - column >= 30;
  const indent = ' '.repeat(beside ? column : 6);
  return variables.flatMap((variable) => {
    const lines = wrapped(`${plain(variable.description)} [${facts(variable)}]`, width - indent.length);
    const [first = '', ...rest] = lines.map((line) => indent + line);
    const head = `  ${variable.name}`;
    return beside ? [head.padEnd(column) + first.trimStart(), ...rest] : [head, first, ...rest];
  });
}

/** Words that were written for Markdown. A value is shown as it is. */
function plain(text: string): string {
  return text.replaceAll('`', '');
}

/** Type and default of a variable, in words. */
function facts(variable: NamedDeclaration): string {
  const { kind, required, example, aliases = [] } = variable;
  const unset = defaultText(variable);
  return [
    plain(kind.type),
    ...(required ? ['must be set'] : []),
    ...(unset === undefined ? [] : [`default: ${unset}`]),
    ...(example === undefined || unset === example ? [] : [`such as ${example}`]),
    ...(aliases.length > 0 ? [`also ${aliases.join(', ')}`] : []),
  ].join('; ');
}

function defaultText({ kind, otherwise, default: value }: NamedDeclaration): string | undefined {
  if (otherwise !== undefined) return plain(otherwise);
  if (value === undefined) return undefined;
  const text = kind.write?.(value) ?? String(value);
  return text === '' ? 'empty' : text;
}

export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
