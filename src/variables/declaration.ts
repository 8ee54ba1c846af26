import type { Kind } from './kinds.ts';
import * as kinds from './kinds.ts';

/** All that is to be said of one variable: what is read, checked and shown comes from here. */
export interface VariableDeclaration<T = unknown> {
  /** Its name in inventories and after `-e`. Default: the name under which the playbook declares it. */
  readonly name?: string;
  /** Other names that mean the same. */
  readonly aliases?: readonly string[];
  readonly kind: Kind<T>;
  readonly description: string;
  /** What it is where nobody sets it. */
  readonly default?: NoInfer<T>;
  /** What holds where nobody sets it, in words. */
  readonly otherwise?: string;
  /** It must be set on each host. */
  readonly required?: boolean;
  readonly example?: string;
  /** A heading to stand under in `play <playbook> --help`. */
  readonly section?: string;
}

/** The variables of a playbook, by name. */
export type Variables = Readonly<Record<string, VariableDeclaration>>;

/** What the variables of one host come to. */
export type ValuesOf<V extends Variables> = {
  readonly [K in keyof V]: V[K] extends VariableDeclaration<infer T> ? T : never;
};

export type NamedDeclaration = VariableDeclaration & { readonly name: string };

export function named(variables: Variables): NamedDeclaration[] {
  return Object.entries(variables).map(([name, declaration]) => ({ name, ...declaration }));
}

export type VariableOptions<T> = Pick<
  VariableDeclaration<T>,
  'name' | 'aliases' | 'default' | 'otherwise' | 'required' | 'example' | 'section'
>;

/** It may be undefined, unless it is required or has a default. */
type Settled<T, O> = O extends { required: true } | { default: T } ? T : T | undefined;

interface Limits<L> {
  min?: L | undefined;
  max?: L | undefined;
}

function of<T, const O extends VariableOptions<T> = Record<never, never>>(
  kind: Kind<T>,
  description: string,
  options?: O,
): VariableDeclaration<Settled<T, O>> {
  return { ...options, kind, description } as unknown as VariableDeclaration<Settled<T, O>>;
}

const simple =
  <T>(kind: Kind<T>) =>
  <const O extends VariableOptions<T> = Record<never, never>>(description: string, options?: O) =>
    of<T, O>(kind, description, options);

const between =
  <T, L>(kindOf: (limits: Limits<L>) => Kind<T>) =>
  <const O extends VariableOptions<T> & Limits<L> = Record<never, never>>(description: string, options?: O) => {
    const { min, max, ...rest } = { ...options };
    return of<T, O>(kindOf({ min: min as L, max: max as L }), description, rest as unknown as O);
  };

/** Declares a variable of a playbook: what it is for, and options. */
export const variable = {
  /** Of any {@link Kind}, one's own too. */
  of,
  text: simple(kinds.text),
  /** A value that is `***` wherever it might be seen; its `reveal()` gives it. */
  secret: simple(kinds.secret),
  flag: simple(kinds.flag),
  /** A whole number, from 0 on where no least is given. */
  integer: between(({ min = 0, max = Number.MAX_SAFE_INTEGER }: Limits<number>) => kinds.integer('number', min, max)),
  port: simple(kinds.port),
  /** A time such as `90m` or `12h`, in milliseconds; its limits are written so too. */
  duration: between(({ min = '0s', max = '876000h' }: Limits<string>) => kinds.duration(min, max)),
  /** A size such as `2GiB`, in bytes. */
  bytes: between(({ min = 0, max = 1024 ** 5 }: Limits<number>) => kinds.bytes(min, max)),
  /** An absolute path on a host. */
  hostPath: simple(kinds.hostPath),
  /** A path on the control machine, made absolute from the file that sets it; from the working directory for `-e`. */
  path: simple(kinds.pathHere),
  /** `a,b,c`, or a list of YAML or JSON. */
  list: simple(kinds.listOf(kinds.text)),
  oneOf: <const T extends string, const O extends VariableOptions<T> = Record<never, never>>(
    values: readonly T[],
    description: string,
    options?: O,
  ) => of<T, O>(kinds.oneOf(values), description, options),
};
