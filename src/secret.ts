import { inspect } from 'node:util';

/** A value that may be secret, as itself: for the one place that uses it. */
export function revealed(value: unknown): unknown {
  return value instanceof Secret ? value.reveal() : value;
}

/** Texts that are secrets, or lines of one. */
const known = new Set<string>();
let search: RegExp | undefined;

/** Shorter ones would be found in ordinary words. */
const LEAST_LENGTH = 6;
const LEAST_LINE_LENGTH = 16;
/** Versions, ports, addresses: all that is in an encrypted file is a secret, and not all of it is worth hiding. */
const ORDINARY = /^[\d.:]{1,15}$/;

function remember(value: string): void {
  const lines = value.split('\n').map((line) => line.trim());
  const parts = lines.length > 1 ? lines.filter((line) => line.length >= LEAST_LINE_LENGTH) : [];
  for (const part of [value.trim(), ...parts]) {
    if (part.length < LEAST_LENGTH || ORDINARY.test(part) || known.has(part)) continue;
    known.add(part);
    search = undefined;
  }
}

/**
 * The text with `***` in the place of each secret that there is in this process: for what others wrote, such as the last
 * words of a command. A net below: whoever handles a secret must not let it come so far.
 */
export function conceal(text: string): string {
  if (known.size === 0) return text;
  // The longest first: one may be part of another.
  search ??= new RegExp(
    [...known]
      .sort((a, b) => b.length - a.length)
      .map((part) => part.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&'))
      .join('|'),
    'g',
  );
  return text.replace(search, '***');
}

/** So many characters of a secret in a row tell it, however what lies around them was quoted. */
const FRAGMENT_LENGTH = 8;
const fragments = new Set<string>();
let fragmented = 0;

/**
 * As {@link conceal}, and with `***` for each line that holds a part of a secret: for scripts and for what hosts say, where
 * a value may stand as a shell, JSON or a program of its own writes it.
 */
export function concealLines(text: string): string {
  if (known.size === 0) return text;
  if (fragmented !== known.size) {
    for (const part of known) {
      for (let at = 0; at + FRAGMENT_LENGTH <= part.length; at++) fragments.add(part.slice(at, at + FRAGMENT_LENGTH));
    }
    fragmented = known.size;
  }
  return conceal(text)
    .split('\n')
    .map((line) => (holdsFragment(line) ? '***' : line))
    .join('\n');
}

function holdsFragment(line: string): boolean {
  for (let at = 0; at + FRAGMENT_LENGTH <= line.length; at++) {
    if (fragments.has(line.slice(at, at + FRAGMENT_LENGTH))) return true;
  }
  return false;
}

/** A value that prints as `***` everywhere: string, JSON, console. Only {@link Secret.reveal} gives it. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    remember(value);
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [inspect.custom](): string {
    return '***';
  }
}
