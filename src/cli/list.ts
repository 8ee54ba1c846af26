import { ExitCode } from '../errors.ts';
import { searchFolders } from './folders.ts';
import { loadPlaybook, playbooksIn } from './load-playbook.ts';

/** `play list`: the playbooks of the working directory and of the package, a line each. */
export async function listPlaybooks(): Promise<number> {
  const folders = searchFolders('playbooks', []);
  const names = [...new Set(folders.flatMap(playbooksIn).map(({ name }) => name))].sort();
  const width = Math.max(0, ...names.map((name) => name.length));
  for (const name of names) {
    const { description } = await loadPlaybook(name, folders);
    process.stdout.write(`${name.padEnd(width)}  ${description}\n`);
  }
  return ExitCode.done;
}
