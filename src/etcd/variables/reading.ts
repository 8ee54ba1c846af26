import { InputError } from '../../errors.ts';
import { placeOf, quoted, readOne } from '../../variables/read-value.ts';
import { knowsSetting } from '../versions.ts';
import { declared, type VariableDeclaration, versionsText } from './declarations.ts';
import type { GivenVariable, VariableWarning } from './settings.ts';
import { unknownVariable } from './unknown.ts';

export type Declared = typeof declared;
export type Values = { [K in keyof Declared]?: Declared[K] extends VariableDeclaration<infer T> ? T : never };
/** Where each value was written, by the same keys. */
export type Places = Partial<Record<keyof Declared, GivenVariable>>;

export interface ReadVariables {
  values: Values;
  places: Places;
  errors: InputError[];
  warnings: VariableWarning[];
}

/** Each variable by itself: known, written once, of the right kind, known to the version. */
export function readValues(vars: ReadonlyMap<string, GivenVariable>): ReadVariables {
  const read: ReadVariables = { values: {}, places: {}, errors: [], warnings: [] };
  for (const variable of vars.values()) {
    const found = unknownVariable(variable.name);
    if (found?.error) read.errors.push(new InputError(found.message, { ...placeOf(variable), next: found.next }));
    else if (found) read.warnings.push({ message: `${found.message}. ${found.next}`, ...placeOf(variable) });
  }
  for (const [key, declaration] of Object.entries(declared) as [keyof Declared, VariableDeclaration][]) {
    const given = [declaration.name, ...(declaration.aliases ?? [])].flatMap((name) => vars.get(name) ?? []);
    const [variable, other] = given;
    if (variable === undefined) continue;
    read.places[key] = variable;
    const reading = readOne(variable, declaration);
    if (reading instanceof InputError) {
      read.errors.push(reading);
      continue;
    }
    (read.values as Record<string, unknown>)[key] = reading.value;
    const second = other && readOne(other, declaration);
    if (other && (second instanceof InputError || String(second?.value) !== String(reading.value))) {
      read.errors.push(
        new InputError(
          `${variable.name} and ${other.name} mean the same but differ: ${quoted(variable.value)} (${variable.origin.file}:${variable.origin.line}) and ${quoted(other.value)}`,
          { ...placeOf(other), next: `Keep ${declaration.name}, delete the other.` },
        ),
      );
    }
  }
  const version = read.values.version ?? declared.version.default!;
  for (const [key, declaration] of Object.entries(declared) as [keyof Declared, VariableDeclaration][]) {
    const { setting, translated } = declaration;
    const variable = read.places[key];
    if (!variable || setting === undefined || translated !== undefined || knowsSetting(version, setting)) continue;
    const message = `etcd ${version} does not know ${variable.name}; these versions do: ${versionsText(declaration)}`;
    read.errors.push(new InputError(message, { ...placeOf(variable), next: 'Delete it, or choose another version.' }));
  }
  return read;
}
