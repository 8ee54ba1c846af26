import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type Handlebars from 'handlebars';
import { InputError } from '../errors.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { Secret } from '../secret.ts';

interface Compiled {
  text: string;
  render: (context: object) => string;
}

const compiled = new Map<string, Compiled>();
let engine: typeof Handlebars | undefined;

/**
 * The text of a Handlebars template, taken from the first of the directories that has it. A name in it that the
 * context lacks is an error, not an empty place, and nothing is escaped. So is a secret: whoever wants it in the text
 * reveals it first, and then knows that the text is one.
 * @throws InputError if no directory has it, it cannot be parsed, or it names what is not there.
 */
export function renderTemplate(name: string, context: object, searchDirs: readonly string[]): string {
  const path = searchDirs.map((dir) => join(dir, name)).find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new InputError(`there is no template ${name} in ${searchDirs.join(', ') || 'any directory'}`);
  }
  const text = readFileSync(path, 'utf8');
  let template = compiled.get(path);
  if (template?.text !== text) {
    template = { text, render: compile(text, path) };
    compiled.set(path, template);
  }
  try {
    return template.render(guarded(context) as object);
  } catch (error) {
    throw templateError(error, path);
  }
}

/** The package's own `templates/`. */
export function packageTemplates(): string {
  return join(PACKAGE_ROOT, 'templates');
}

function compile(text: string, path: string): (context: object) => string {
  engine ??= strictEngine();
  try {
    const render = engine.compile(text, { strict: true, noEscape: true, preventIndent: true });
    return (context) => render(context, { allowProtoPropertiesByDefault: false, allowProtoMethodsByDefault: false });
  } catch (error) {
    throw templateError(error, path);
  }
}

/** Handlebars' strict mode lets a missing name pass where it is asked for by a block such as `#if`: here it does not. */
function strictEngine(): typeof Handlebars {
  // The one-file build loads in half the time of the package's main file, and only when something is rendered.
  const load = createRequire(import.meta.url);
  const strict = (load('handlebars/dist/handlebars.min.js') as typeof Handlebars).create();
  for (const name of ['if', 'unless', 'each', 'with', 'lookup']) {
    const helper = strict.helpers[name]!;
    strict.registerHelper(name, function (this: unknown, ...values: unknown[]) {
      const options = values.at(-1) as { loc?: { start: { line: number } } };
      if (values.includes(undefined)) throw new MissingNameError(name, options.loc?.start.line ?? 0);
      return (helper as (...all: unknown[]) => unknown).apply(this, values);
    });
  }
  return strict;
}

/** The same values, with a trap in the place of each secret: as text it would be `***`, and nobody would notice. */
function guarded(value: unknown): unknown {
  if (value instanceof Secret) return SPRUNG;
  if (Array.isArray(value)) return value.some(holdsSecret) ? value.map(guarded) : value;
  if (!holdsSecret(value)) return value;
  return Object.fromEntries(Object.entries(value as object).map(([key, one]) => [key, guarded(one)]));
}

function holdsSecret(value: unknown): boolean {
  if (value instanceof Secret) return true;
  if (Array.isArray(value)) return value.some(holdsSecret);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false;
  return Object.values(value).some(holdsSecret);
}

const SPRUNG = {
  toString(): string {
    throw new InputError('the template takes a secret as text', {
      next: 'Use the resource template, which keeps the file secret, or reveal() the value and say secret: true.',
    });
  },
};

class MissingNameError extends Error {
  readonly line: number;
  constructor(helper: string, line: number) {
    super(`the template asks #${helper} for a name that is not set`);
    this.line = line;
  }
}

/** Handlebars' errors in the words of this package: the file, the line, and the name that is missing. */
function templateError(error: unknown, file: string): InputError {
  if (error instanceof InputError) return error;
  const next = 'Correct the name in the template, or give the variable a value.';
  if (error instanceof MissingNameError)
    return new InputError(error.message, { file, line: error.line, next, cause: error });
  const said = error instanceof Error ? error.message : String(error);
  const [, missing, at] = /^"([^"]+)" not defined in .* - (\d+):\d+$/s.exec(said) ?? [];
  if (missing !== undefined) {
    return new InputError(`the template names ${missing}, which is not set`, {
      file,
      line: Number(at),
      next,
      cause: error,
    });
  }
  const [, line] = /(?:on line |- )(\d+)/.exec(said) ?? [];
  return new InputError(`the template cannot be rendered: ${said}`, { file, line: Number(line ?? 0), cause: error });
}
