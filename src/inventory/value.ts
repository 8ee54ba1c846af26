import type { Variable } from './inventory.ts';
import { type Literal, parseLiteral } from './literal.ts';

export interface ReadValue {
  value: unknown;
  /** What the author may not have meant by it: a whole sentence for a warning. */
  doubt?: string;
}

/** A host line takes one layer of quotes off before the value is looked at; a `:vars` line does not. */
export type ValuePlace = 'host line' | 'vars section';

/**
 * The value of a variable as Ansible types it: a Python literal, or else the text itself.
 *
 * @throws {UnhashableKey} from `parseLiteral`
 */
export function readValue(name: string, raw: string, place: ValuePlace): ReadValue {
  const literal = parseLiteral(raw);
  if (!literal) {
    // On a host line a comment is gone by now, so a `#` that is still here was quoted on purpose.
    if (place === 'vars section' && /\s#/.test(raw)) {
      return {
        value: raw,
        doubt: `the comment is part of the value of ${name}; comments need a line of their own here`,
      };
    }
    return { value: raw };
  }
  const doubt = doubtOf(name, raw, literal, place);
  return doubt === undefined ? { value: literal.value } : { value: literal.value, doubt };
}

/** The same doubt about a number of a YAML file, where quotes are of one kind only. */
export function numberDoubt(name: string, { value, raw }: { value: unknown; raw: string }): string | undefined {
  if (String(value) === raw || !/\d/.test(raw)) return undefined;
  const [shown, read, fix] = namesSecret(name) ? [name, '', '…'] : [`${name}: ${raw}`, ` ${value}`, raw];
  return `${shown} is read as the number${read}; write ${name}: '${fix}' to keep the text`;
}

/** Whether a name (or a whole line) speaks of something that no message may show. */
export function namesSecret(text: string): boolean {
  return /pass|\bpwd?\b|_pwd?\b|secret|token|credential|private|key/i.test(text);
}

function doubtOf(name: string, raw: string, { kind, value }: Literal, place: ValuePlace): string | undefined {
  const written = withoutComment(raw);
  const number = (kind === 'int' || kind === 'float') && String(value) !== written;
  const list = kind === 'tuple' && !/^\(.*\)$/.test(written);
  if (!number && !list) return undefined;
  const quoted = (text: string) => (place === 'host line' ? `"'${text}'"` : `'${text}'`);
  const [shown, read, fix] = namesSecret(name)
    ? [name, '', quoted('…')]
    : [`${name}=${written}`, number ? ` ${value}` : '', quoted(written)];
  const as = number ? `the number${read}` : 'a list because of its comma';
  return `${shown} is read as ${as}; write ${name}=${fix} to keep the text`;
}

/**
 * A variable as the text its author saw: `1.10` where the value is the number 1.1. For versions, names and the like, that
 * are text whatever they look like.
 */
export function spelling({ value, raw }: Variable): string {
  return typeof value === 'string' ? value : withoutComment(raw);
}

function withoutComment(raw: string): string {
  const hash = raw.indexOf('#');
  return (hash < 0 ? raw : raw.slice(0, hash)).trim();
}
