import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the package itself stands: above this file, whatever it has been built into. */
export const PACKAGE_ROOT = rootAbove(dirname(fileURLToPath(import.meta.url)));

/** Where its own code lies, as it was written and as it was built. */
export const LIBRARY = [join(PACKAGE_ROOT, 'src/'), join(PACKAGE_ROOT, 'dist/src/')];

function rootAbove(folder: string): string {
  if (existsSync(join(folder, 'package.json')) || dirname(folder) === folder) return folder;
  return rootAbove(dirname(folder));
}
