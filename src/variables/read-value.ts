import { InputError } from '../errors.ts';
import type { Variable } from '../inventory/inventory.ts';
import { spelling } from '../inventory/value.ts';
import { revealed, Secret } from '../secret.ts';
import type { VariableDeclaration } from './declaration.ts';

/** What a variable comes to, or what is wrong with it: a complaint with its name, file and line. */
export function readOne(variable: Variable, declaration: VariableDeclaration): { value: unknown } | InputError {
  const place = placeOf(variable);
  const { kind, example } = declaration;
  if (variable.value === null || (typeof variable.value === 'string' && variable.value.trim() === '')) {
    const such = example === undefined ? '' : `, such as ${example}`;
    return new InputError(`${variable.name} has no value`, {
      ...place,
      next: `Give it one${such}, or delete the line to have the default.`,
    });
  }
  const value = revealed(variable.value);
  const written = { spelling: variable.value instanceof Secret ? String(value) : spelling(variable), ...variable };
  const reading = kind.read(value, written);
  if (reading.ok) return { value: reading.value };
  // What is wrong with it would tell of it.
  if (variable.value instanceof Secret || kind.secret) {
    const source = variable.value instanceof Secret ? ', which comes from a vault,' : '';
    const message = `${variable.name}${source} is not of its kind: ${kind.type}`;
    return new InputError(message, { ...place, ...(example && { next: `Give it a value such as ${example}.` }) });
  }
  const shown = quoted(variable.value);
  const message = reading.problem.startsWith('must')
    ? `${variable.name} ${reading.problem}, not ${shown}`
    : `${variable.name} ${shown} ${reading.problem}`;
  const comment = typeof variable.value === 'string' && /\s[#;]/.test(variable.value);
  const next = comment
    ? 'In [group:vars] a "#" after a value is part of the value: give the comment a line of its own.'
    : reading.next;
  return new InputError(message, { ...place, ...(next && { next }) });
}

export function placeOf({ origin }: Pick<Variable, 'origin'>): { file: string; line: number } {
  return { file: origin.file, line: origin.line };
}

export function quoted(value: unknown): string {
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
