import { asPlayError, ExitCode, ManyErrors, type PlayError } from '../errors.ts';
import { legible } from '../screen/legible.ts';
import { conceal } from '../secret.ts';
import type { ShowArguments } from './arguments.ts';
import { searchFolders } from './folders.ts';
import { wrapped } from './help.ts';
import { loadPlaybook, playbooksIn } from './load-playbook.ts';

/**
 * `play list`: the playbooks of the working directory and of the package, a line each.
 * @throws the error of a playbook that cannot be loaded, when all others are listed.
 */
export async function listPlaybooks({ output }: ShowArguments): Promise<number> {
  const folders = searchFolders('playbooks', []);
  const names = [...new Set(folders.flatMap(playbooksIn).map(({ name }) => name))].sort();
  const column = Math.max(0, ...names.map((name) => name.length)) + 2;
  const errors: PlayError[] = [];
  for (const name of names) {
    const loaded = await loadPlaybook(name, folders).catch(asPlayError);
    const isBroken = loaded instanceof Error;
    if (isBroken) errors.push(loaded);
    const said = isBroken ? { error: conceal(loaded.message) } : { description: loaded.description };
    const words = said.description ?? `cannot be loaded: ${said.error}`;
    const text =
      output === 'json'
        ? JSON.stringify({ type: 'playbook', name, ...said })
        : legible(besideName(name, words, column, process.stdout.columns || undefined));
    process.stdout.write(`${text}\n`);
  }
  if (errors.length > 1) throw new ManyErrors('These playbooks cannot be loaded:', errors);
  if (errors[0]) throw errors[0];
  return ExitCode.done;
}

/** A description behind its name; in a window it goes on under itself, or stands below where that leaves no room. */
export function besideName(name: string, description: string, column: number, columns?: number): string {
  if (columns === undefined) return name.padEnd(column) + description;
  const beside = columns - column >= 24;
  const indent = ' '.repeat(beside ? column : 4);
  const lines = wrapped(description, columns - indent.length).map((line) => indent + line);
  return beside ? name.padEnd(column) + lines.join('\n').trimStart() : [name, ...lines].join('\n');
}
