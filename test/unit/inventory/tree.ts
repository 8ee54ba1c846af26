import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A directory of the machine's own, made for a test. */
export function tree() {
  const root = mkdtempSync(join(tmpdir(), 'tree'));
  return {
    root,
    /** Writes files, given by their paths within the tree. */
    write(files: Readonly<Record<string, string>>): void {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        writeFileSync(join(root, path), text);
      }
    },
    path: (name: string) => join(root, name),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
