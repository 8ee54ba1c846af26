import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** Files of tests run side by side, and a lab that is opened anew takes down the one of that name. */
it('no two files of tests open labs of one name', () => {
  const folder = new URL('../../e2e/', import.meta.url);
  const owner = new Map<string, string>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.test.ts'))) {
    const text = readFileSync(new URL(file, folder), 'utf8');
    const names = [...text.matchAll(/(?:^const LAB = |\bname: )'([\w-]+)'/gm)].map((match) => match[1]!);
    const own = /openLab\(\{ name: LAB/.test(text) ? [/^const LAB = '([\w-]+)'/m.exec(text)?.[1]] : [];
    const opened = [...own, ...names.filter((name) => text.includes(`openLab({ name: '${name}'`))];
    expect(opened.filter(Boolean), file).not.toEqual([]);
    for (const name of new Set(opened)) {
      expect(owner.get(name!), `${file} and another one: ${name}`).toBeUndefined();
      owner.set(name!, file);
    }
  }
});
