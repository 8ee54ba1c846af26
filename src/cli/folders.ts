import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the package itself stands: src/cli and dist/src/cli are at different depths. */
export const PACKAGE_ROOT = findRoot();

/** The user's own folders first: the working directory, then beside each inventory; the package's own last. */
export function searchFolders(name: string, inventoryDirs: readonly string[]): string[] {
  return [...new Set([resolve(name), ...inventoryDirs.map((dir) => join(dir, name)), join(PACKAGE_ROOT, name)])];
}

function findRoot(): string {
  const here = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
  return here.endsWith('/dist') ? here.slice(0, -'/dist'.length) : here;
}
