import { ExitCode } from '../errors.ts';
import { legible } from '../screen/legible.ts';
import type { ShowArguments } from './arguments.ts';
import { searchFolders } from './folders.ts';
import { wrapped } from './help.ts';
import { loadPlaybook, playbooksIn } from './load-playbook.ts';

/** `play list`: the playbooks of the working directory and of the package, a line each. */
export async function listPlaybooks({ output }: ShowArguments): Promise<number> {
  const folders = searchFolders('playbooks', []);
  const names = [...new Set(folders.flatMap(playbooksIn).map(({ name }) => name))].sort();
  const column = Math.max(0, ...names.map((name) => name.length)) + 2;
  for (const name of names) {
    const { description } = await loadPlaybook(name, folders);
    const text =
      output === 'json'
        ? JSON.stringify({ type: 'playbook', name, description })
        : legible(besideName(name, description, column, process.stdout.columns || undefined));
    process.stdout.write(`${text}\n`);
  }
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
