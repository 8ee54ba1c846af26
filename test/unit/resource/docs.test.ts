import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const RESOURCES = join(ROOT, 'src/resource');
const source = readdirSync(RESOURCES)
  .map((name) => readFileSync(join(RESOURCES, name), 'utf8'))
  .join('\n');
const exported = readFileSync(join(ROOT, 'src/index.ts'), 'utf8');
const page = readFileSync(join(ROOT, 'docs/resources.md'), 'utf8');

/** The options of a wish by its name, with those of what it extends. */
function optionsOf(type: string): string[] {
  const [, given = ''] = new RegExp(`^export type ${type} = (.*);$`, 'm').exec(source) ?? [];
  if (given) return inherited(given);
  const interfaceOf = new RegExp(`^export interface ${type}(?: extends ([^{]*))? \\{\\n([\\s\\S]*?)^\\}`, 'm');
  const [, parents = '', body] = interfaceOf.exec(source) ?? [];
  if (body === undefined) throw new Error(`no interface ${type}`);
  const own = [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, name]) => name!);
  return [...own, ...inherited(parents)];
}

/** Of `A, Omit<B, 'x' | 'y'>`. */
function inherited(types: string): string[] {
  return [...types.matchAll(/Omit<(\w+), ([^>]*)>|(\w+)/g)].flatMap(([, from, left = '', whole]) =>
    optionsOf((from ?? whole)!).filter((name) => !left.includes(`'${name}'`)),
  );
}

/** The options that the page has in the table of each resource. */
const described = new Map(
  page.split(/^### /m).flatMap((section) => {
    const name = /^(\w+)\n/.exec(section)?.[1];
    const rows = [...section.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, cell]) => cell!.match(/\w+/g) ?? []);
    return name ? [[name, rows] as const] : [];
  }),
);

/** From `export { type GroupWish, group } from './resource/group.ts'`. */
const resources = [...exported.matchAll(/type (\w+Wish), (\w+) \} from '\.\/resource/g)].map(
  ([, wish, name]) => [name!, wish!] as const,
);

describe('the page of resources', () => {
  it('has all that are exported, and no others', () => {
    expect([...described.keys()].sort()).toEqual(resources.map(([name]) => name).sort());
  });

  it.each(resources)('has the options of %s as %s has them', (name, wish) => {
    expect(described.get(name)?.toSorted()).toEqual(optionsOf(wish).sort());
  });
});
