import { isDeepStrictEqual } from 'node:util';
import { InputError, ManyErrors } from '../errors.ts';
import type { Variable } from '../inventory/inventory.ts';
import { suggest } from '../inventory/suggest.ts';
import { revealed } from '../secret.ts';
import { type NamedDeclaration, named, type Variables } from './declaration.ts';
import { placeOf, quoted, readOne } from './read-value.ts';

/** Something in the inventory that was hardly meant so. */
export interface VariableWarning {
  message: string;
  file: string;
  line: number;
}

interface HostReading {
  values: Record<string, unknown>;
  places: Record<string, Variable | undefined>;
  missing: NamedDeclaration[];
  errors: InputError[];
  /** Names that nobody declared, and what they were perhaps meant to be. */
  near: { variable: Variable; meant: string }[];
}

export type VarsOf = (host: string) => ReadonlyMap<string, Variable>;

/** The variables that a playbook declared, read for each host that is asked for. */
export class DeclaredVariables {
  readonly #variables: Variables;
  readonly #varsOf: VarsOf;
  readonly #readings = new Map<string, HostReading>();

  constructor(variables: Variables, varsOf: VarsOf) {
    this.#variables = variables;
    this.#varsOf = varsOf;
  }

  /**
   * Reads them for all these hosts, so that nothing is touched before all of them are in order; gives doubts.
   * @throws InputError, or ManyErrors with every complaint, each once.
   */
  check(hosts: readonly string[]): VariableWarning[] {
    if (Object.keys(this.#variables).length === 0) return [];
    const readings = hosts.map((host) => ({ host, ...this.#reading(host) }));
    const near = [...new Map(readings.flatMap((one) => one.near).map((one) => [whereOf(one.variable), one])).values()];
    const typed = near.filter(({ variable }) => isTyped(variable));
    const errors = [
      ...readings.flatMap((one) => one.errors),
      ...typed.map(({ variable, meant }) => {
        const next = `Did you mean ${meant}?`;
        return new InputError(`${variable.name} is no variable of this playbook`, { ...placeOf(variable), next });
      }),
      ...named(this.#variables).flatMap((declaration) => {
        const without = readings.filter(({ missing }) => missing.some(({ name }) => name === declaration.name));
        return without.length > 0 ? [missingError(declaration, without)] : [];
      }),
    ];
    const distinct = [...new Map(errors.map((e) => [`${e.file}\0${e.line}\0${e.message}`, e])).values()];
    if (distinct.length > 1) throw new ManyErrors('The variables are not in order:', distinct);
    if (distinct[0]) throw distinct[0];
    return near.map(({ variable, meant }) => ({
      message: `${variable.name} is no variable of this playbook. Did you mean ${meant}?`,
      ...placeOf(variable),
    }));
  }

  /** Those of one host. @throws InputError. */
  valuesOf(host: string): Record<string, unknown> {
    const { values, errors, missing } = this.#reading(host);
    const error = errors[0] ?? (missing[0] && missingError(missing[0], [{ host, near: [] }]));
    if (error) throw error;
    return values;
  }

  /** One that is the same on all these hosts. @throws InputError where it is not. */
  value(key: string, hosts: readonly string[]): unknown {
    const [first, ...others] = hosts;
    if (first === undefined) return this.#variables[key]?.default;
    const value = this.valuesOf(first)[key];
    const other = others.find((host) => !isDeepStrictEqual(revealed(this.valuesOf(host)[key]), revealed(value)));
    if (other === undefined) return value;
    const { name = key, kind } = this.#variables[key]!;
    const said = (host: string) => {
      const variable = this.#reading(host).places[key];
      return variable
        ? `${kind.secret ? '***' : quoted(variable.value)} on ${host} (${whereOf(variable)})`
        : `nothing on ${host}`;
    };
    throw new InputError(`${name} must be the same on all hosts: it is ${said(first)} and ${said(other)}`, {
      next: `Set it once for all of them: in [all:vars], or -e ${name}=…`,
    });
  }

  #reading(host: string): HostReading {
    let reading = this.#readings.get(host);
    if (!reading) {
      reading = readHost(named(this.#variables), Object.keys(this.#variables), this.#varsOf(host));
      this.#readings.set(host, reading);
    }
    return reading;
  }
}

function readHost(
  declarations: readonly NamedDeclaration[],
  keys: readonly string[],
  vars: ReadonlyMap<string, Variable>,
): HostReading {
  const reading: HostReading = { values: {}, places: {}, missing: [], errors: [], near: [] };
  const unset: string[] = [];
  for (const [index, declaration] of declarations.entries()) {
    const key = keys[index]!;
    const [variable] = [declaration.name, ...(declaration.aliases ?? [])].flatMap((name) => vars.get(name) ?? []);
    reading.places[key] = variable;
    reading.values[key] = declaration.default;
    if (variable) {
      const read = readOne(variable, declaration);
      if (read instanceof InputError) reading.errors.push(read);
      else reading.values[key] = read.value;
      continue;
    }
    unset.push(declaration.name);
    if (declaration.required) reading.missing.push(declaration);
  }
  const known = new Set(declarations.flatMap(({ name, aliases = [] }) => [name, ...aliases]));
  for (const variable of vars.values()) {
    if (known.has(variable.name) || variable.name.startsWith('ansible_')) continue;
    const meant = suggest(variable.name, unset);
    if (meant !== undefined) reading.near.push({ variable, meant });
  }
  return reading;
}

function missingError(
  { name, description, example }: NamedDeclaration,
  without: readonly (Pick<HostReading, 'near'> & { host: string })[],
): InputError {
  const hosts = without.map(({ host }) => host);
  const some = hosts.length > 4 ? [...hosts.slice(0, 3), `${hosts.length - 3} more`] : hosts;
  const near = without.flatMap((one) => one.near).find(({ meant }) => meant === name);
  const next = near
    ? `Is it ${near.variable.name} (${whereOf(near.variable)}) that should be ${name}?`
    : `Set it in the inventory, or: -e ${name}=${example ?? '…'}`;
  return new InputError(`${name} is not set for ${some.join(', ')}: ${description}`, { next });
}

/** Given for this run, and so meant for this playbook; an inventory serves others too. */
function isTyped({ origin }: Variable): boolean {
  return origin.scope === 'command line' && origin.file.startsWith(origin.scope);
}

function whereOf(variable: Variable): string {
  return isTyped(variable) ? `-e ${variable.name}` : `${variable.origin.file}:${variable.origin.line}`;
}
