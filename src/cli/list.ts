import { ExitCode } from '../errors.ts';
import { legible } from '../screen/legible.ts';
import type { ShowArguments } from './arguments.ts';
import { searchFolders } from './folders.ts';
import { loadPlaybook, playbooksIn } from './load-playbook.ts';

/** `play list`: the playbooks of the working directory and of the package, a line each. */
export async function listPlaybooks({ output }: ShowArguments): Promise<number> {
  const folders = searchFolders('playbooks', []);
  const names = [...new Set(folders.flatMap(playbooksIn).map(({ name }) => name))].sort();
  const width = Math.max(0, ...names.map((name) => name.length));
  for (const name of names) {
    const { description } = await loadPlaybook(name, folders);
    const line =
      output === 'json'
        ? JSON.stringify({ type: 'playbook', name, description })
        : legible(`${name.padEnd(width)}  ${description}`);
    process.stdout.write(`${line}\n`);
  }
  return ExitCode.done;
}
