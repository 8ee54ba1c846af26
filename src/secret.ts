import { inspect } from 'node:util';

/** A value that may be secret, as itself: for the one place that uses it. */
export function revealed(value: unknown): unknown {
  return value instanceof Secret ? value.reveal() : value;
}

/** A value that prints as `***` everywhere: string, JSON, console. Only {@link Secret.reveal} gives it. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
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
