import { readFileSync } from 'node:fs';
import { asPlayError, ExitCode, InputError, PlayError } from '../errors.ts';
import { type CodePlace, codeLine } from '../fault.ts';
import { suggest } from '../inventory/suggest.ts';

/** Why a playbook file could not be loaded, with the line that is at fault. Nothing was touched by then. */
export function loadFault(thrown: unknown, file: string): PlayError {
  if (thrown instanceof PlayError && thrown.exitCode === ExitCode.input) return thrown;
  if (!(thrown instanceof Error)) return asPlayError(thrown);
  const syntax = /^(?:\w*Error: )?(.*?)\s+(\/.+):(\d+):\d+\s*$/s.exec(thrown.message);
  if (syntax && /ParseError|SyntaxError/.test(`${thrown.message} ${thrown.name}`)) {
    const [, words = '', at = file, line] = syntax;
    return inputFault(`this is no TypeScript: ${words.trim()}`, { file: at, line: Number(line) });
  }
  const missing = /^Cannot find (?:module|package) '([^']+)'/.exec(thrown.message)?.[1];
  if (missing !== undefined) {
    const importer = (thrown as { requireStack?: string[] }).requireStack?.[0] ?? file;
    const path = importer.startsWith('/') ? importer : file;
    const next = /^[./]/.test(missing)
      ? 'Correct the path; it starts at the file that imports it.'
      : `Install it where the playbook stands: npm install ${missing}`;
    return inputFault(`there is no '${missing}' to import`, { file: path, line: lineWith(path, missing) }, next);
  }
  const { message, file: at, line, code, details, next } = asPlayError(thrown);
  const place = at === undefined || line === undefined ? { file } : { file: at, line, code };
  return new InputError(message, { ...place, details, cause: thrown, ...(next !== undefined && { next }) });
}

/** What is imported from a module by name and is not in it: a compiler leaves that to be found when it is used. */
export function missingImport(file: string, modules: Readonly<Record<string, object>>): InputError | undefined {
  const text = readFileSync(file, 'utf8');
  for (const [, names = '', from = ''] of text.matchAll(/^import\s*\{([^}]*)\}\s*from\s*['"]([^'"]+)['"]/gm)) {
    const exported = modules[from];
    if (!exported) continue;
    const wanted = names.split(',').map((name) => name.trim().replace(/\s+as\s.*$/s, ''));
    const unknown = wanted.find((name) => /^[a-z]/.test(name) && !/^type\s/.test(name) && !(name in exported));
    if (unknown === undefined) continue;
    const near = suggest(unknown, Object.keys(exported));
    const next = near ? `Did you mean ${near}?` : undefined;
    return inputFault(`'${from}' has no '${unknown}'`, { file, line: lineWith(file, unknown) }, next);
  }
  return undefined;
}

function inputFault(message: string, place: CodePlace, next?: string): InputError {
  return new InputError(message, { ...place, code: codeLine(place), ...(next !== undefined && { next }) });
}

/** The first line of a file that has this word in it. */
function lineWith(file: string, word: string): number {
  const whole = new RegExp(`(?<![\\w$])${word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w$])`);
  try {
    return Math.max(
      1,
      readFileSync(file, 'utf8')
        .split('\n')
        .findIndex((line) => whole.test(line)) + 1,
    );
  } catch {
    return 1;
  }
}
