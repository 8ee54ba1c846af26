import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { LIBRARY } from './package-root.ts';

/** A line of code that someone must look at. */
export interface CodePlace {
  file: string;
  line: number;
}

/**
 * The lines of the user's own files that an error came through, innermost first; none for a fault of this library: what is
 * thrown there is thrown for someone else.
 * @param library the folders of its code.
 */
export function userPlaces(stack: string, library: readonly string[] = LIBRARY): CodePlace[] {
  return stack.split('\n').flatMap((frame) => {
    const [, path, line] = /^\s+at (?:async )?(?:[^(/]*\()?((?:file:\/\/)?\/.+):(\d+):\d+\)?$/.exec(frame) ?? [];
    if (path === undefined) return [];
    const file = path.startsWith('file://') ? fileURLToPath(path) : path;
    return library.some((folder) => file.startsWith(folder)) || file.includes('/node_modules/')
      ? []
      : [{ file, line: Number(line) }];
  });
}

/** That line as it stands in the file; undefined where it cannot be read. */
export function codeLine({ file, line }: CodePlace): string | undefined {
  try {
    return readFileSync(file, 'utf8').split('\n')[line - 1]?.trimEnd() || undefined;
  } catch {
    return undefined;
  }
}

/** What was thrown, in the words of who wrote the code: a compiler has named imports anew. */
export function faultWords(error: Error): string {
  const words = error.message.replace(/\(0 , _\w+\.(\w+)\)/g, '$1').replace(/\b_\w+\.default\b/g, 'the default import');
  // A plain error is someone's own words; others name the kind of fault.
  return error.name === 'Error' ? words || 'an error without a message' : `${error.name}: ${words}`;
}
