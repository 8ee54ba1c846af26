import { join, resolve } from 'node:path';
import { PACKAGE_ROOT } from '../package-root.ts';

/** The user's own folders first: the working directory, then beside each inventory; the package's own last. */
export function searchFolders(name: string, inventoryDirs: readonly string[]): string[] {
  return [...new Set([resolve(name), ...inventoryDirs.map((dir) => join(dir, name)), join(PACKAGE_ROOT, name)])];
}
