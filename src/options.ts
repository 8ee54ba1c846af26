import { types } from 'node:util';
import { PlayError, placed } from './errors.ts';
import { suggest } from './inventory/suggest.ts';
import { Secret } from './secret.ts';

/** What is wrong with a value: where in it, what in words, and what may be meant. */
interface Fault {
  at: string;
  words: string;
  next?: string | undefined;
}

/** What an option takes. */
export interface Kind<T> {
  readonly words: string;
  readonly needed?: boolean;
  /** Undefined where the value is one of these. */
  fault(value: unknown): Fault | undefined;
  /** For the compiler only: it holds the kinds against the types. */
  readonly of?: T;
}

/** The options of a function: no compiler looks at a playbook, so what these say is checked when it is run. */
export type Options<W> = {
  readonly [K in keyof W]-?: Kind<W[K]> & (Record<never, never> extends Pick<W, K> ? unknown : { needed: true });
};

/**
 * The same options, when they are as declared.
 * @param what the function that they are given to.
 * @throws PlayError that names the option and the line of the playbook.
 */
export function checkedOptions<W extends object>(what: string, given: W, options: Options<W>): W {
  const fault = faultOf(given, options);
  if (!fault) return given;
  const { at, words, next } = fault;
  const message = at === '' ? `${what} ${words}` : `${what}: ${at.replace(/^\./, '')} ${words}`;
  throw placed(new PlayError(message, next === undefined ? {} : { next }));
}

function faultOf<W>(given: unknown, options: Options<W>): Fault | undefined {
  if (!isObject(given)) return { at: '', words: `takes an object of options, not ${inWords(given)}` };
  const known: Readonly<Record<string, Kind<unknown>>> = options;
  const stray = Object.keys(given).find((key) => !Object.hasOwn(known, key) && given[key] !== undefined);
  if (stray !== undefined) {
    const near = suggest(stray, Object.keys(known));
    const next = near ? `Did you mean ${near}?` : `Its options are: ${Object.keys(known).join(', ')}.`;
    return { at: '', words: `has no option '${stray}'`, next };
  }
  for (const [key, kind] of Object.entries(known)) {
    const value = given[key];
    if (value === undefined && !kind.needed) continue;
    if (!(key in given)) return { at: `.${key}`, words: `must be ${kind.words}, and is not given` };
    const fault = kind.fault(value);
    if (fault) return { ...fault, at: `.${key}${fault.at}` };
  }
  return undefined;
}

/** A kind of one's own. `meant`: what may stand in the place of a value that is none. */
export function kind<T>(
  words: string,
  fits: (value: unknown) => boolean,
  meant: (value: unknown) => string | undefined = () => undefined,
): Kind<T> {
  const fault = (value: unknown): Fault | undefined => {
    if (fits(value)) return undefined;
    const next = value === undefined ? 'Look at the variable that it is made of.' : meant(value);
    return { at: '', words: `must be ${words}, not ${inWords(value)}`, next };
  };
  return { words, fault };
}

/** Must be given. */
export function needed<T>(one: Kind<T>): Kind<T> & { needed: true } {
  return { ...one, needed: true };
}

export const text = kind<string>('a text', (value) => typeof value === 'string');
export const flag = kind<boolean>('true or false', (value) => typeof value === 'boolean');
export const number = kind<number>('a number', (value) => typeof value === 'number' && !Number.isNaN(value));
export const mode = kind<number>('permission bits such as 0o644', (value) => typeof value === 'number');
export const secret: Kind<Secret> = {
  words: 'a Secret',
  fault: (value) => {
    if (value instanceof Secret) return undefined;
    // Most likely it is what should be one.
    const words = `must be a Secret, not ${typeof value === 'string' ? 'a text' : inWords(value)}`;
    return { at: '', words, next: 'Make one by new Secret(…), or declare its variable by variable.secret.' };
  },
};
export const textOrSecret = kind<string | Secret>(
  'a text or a Secret',
  (value) => typeof value === 'string' || value instanceof Secret,
);
export const textOrNumber = kind<string | number>(
  'a text or a number',
  (value) => typeof value === 'string' || typeof value === 'number',
);
/** A text is none: a backslash in it would have to be written twice, and one that was not would be lost in silence. */
export const expression = kind<RegExp>('a regular expression such as /^x/', types.isRegExp, asExpression);
/** A function, of whatever type. */
export const code = kind<never>('a function', (value) => typeof value === 'function');

export function asExpression(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? `Did you mean /${value.replaceAll('/', '\\/')}/?` : undefined;
}

/** One of some words. */
export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  return kind(
    `one of ${words.map((word) => `'${word}'`).join(', ')}`,
    (value) => words.some((word) => word === value),
    (value) => {
      const near = typeof value === 'string' ? suggest(value, words) : undefined;
      return near && `Did you mean '${near}'?`;
    },
  );
}

/** A list of what is all of one kind. */
export function list<T>(element: Kind<T>, what: string): Kind<readonly T[]> {
  const itself = kind(`a list of ${what}`, Array.isArray, (value) =>
    element.fault(value) || value === undefined ? undefined : 'Put it in brackets: [ … ].',
  );
  const fault = (value: unknown) => itself.fault(value) ?? firstFault(value as unknown[], element, (at) => `[${at}]`);
  return { words: itself.words, fault };
}

/** Names of the user's own, with values that are all of one kind. */
export function record<T>(element: Kind<T>, what: string): Kind<Readonly<Record<string, T>>> {
  const itself = kind(`an object of ${what}`, isObject);
  const fault = (value: unknown) => itself.fault(value) ?? firstFault(value as object, element, (at) => `['${at}']`);
  return { words: itself.words, fault };
}

/** An object with options of its own. */
export function object<W>(options: Options<W>): Kind<W> {
  return { words: `an object of ${Object.keys(options).join(', ')}`, fault: (value) => faultOf(value, options) };
}

function firstFault(values: object, element: Kind<unknown>, place: (key: string) => string): Fault | undefined {
  for (const [key, value] of Object.entries(values)) {
    const fault = element.fault(value);
    if (fault) return { ...fault, at: place(key) + fault.at };
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !types.isPromise(value);
}

/** A value, as it can be told to whoever wrote it. */
export function inWords(value: unknown): string {
  if (typeof value === 'string') return value.length > 60 || /\p{Cc}/u.test(value) ? 'a text' : `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (types.isPromise(value)) return 'a promise';
  if (value instanceof Secret) return 'a Secret';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
