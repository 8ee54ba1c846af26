import { mkdirSync, symlinkSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { describeError, InputError } from '../../../src/errors.ts';
import { loadInventory } from '../../../src/inventory/load.ts';
import { selectHosts } from '../../../src/inventory/pattern.ts';
import { tree } from './tree.ts';

const files = tree();
afterAll(() => files.remove());

/** What a source and `-e` words are refused with; undefined where they are taken. */
async function refusal(source: string, extraVars: string[] = []): Promise<InputError | undefined> {
  try {
    await loadInventory([source], { extraVars });
    return undefined;
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

const repeated = (count: number, text: (index: number) => string, between = '\n') =>
  Array.from({ length: count }, (_, index) => text(index)).join(between);

describe('a YAML file', () => {
  it.each([
    ['lists a hundred thousand deep', `a: ${'['.repeat(1e5)}${']'.repeat(1e5)}`, /too deep/],
    ['maps a thousand deep', repeated(1000, (n) => `${' '.repeat(n)}a:`), /too deep/],
    ['lists 250 deep', `a: ${'['.repeat(250)}${']'.repeat(250)}`, /too deep/],
    ['lists 150 deep', `a: ${'['.repeat(150)}${']'.repeat(150)}`, undefined],
    [
      'aliases of aliases',
      `a0: &a0 [x]\n${repeated(30, (n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`)}`,
      /stand for too much/,
    ],
    [
      'maps merged into maps',
      `m0: &m0 {${repeated(2000, (n) => `k${n}: 1`, ', ')}}\n${repeated(2000, (n) => `m${n + 1}: &m${n + 1} {<<: *m${n}}`)}`,
      /stand for too much/,
    ],
    ['twenty thousand aliases', `a: &a x\nl: [${repeated(20_000, () => '*a', ', ')}]`, undefined],
    ['an alias of itself', 'a: &a [*a]', /contains itself/],
    ['an alias before its anchor', 'a: *b\nb: &b 1', /no anchor &b for the alias/],
    ['text that is binary', repeated(500, (n) => String.fromCharCode((n * 37) % 128), ''), /\w/],
    ['names that JavaScript knows', '__proto__: {a: 1}\nconstructor: 1\nhasOwnProperty: 2', undefined],
  ])('with %s is read or refused at once', { timeout: 10_000 }, async (_, text, expected) => {
    files.write({ 'yaml/hosts': 'h1\n', 'yaml/group_vars/all.yml': text });
    const error = await refusal(files.path('yaml/hosts'));
    if (expected === undefined) expect(error).toBeUndefined();
    else {
      expect(error?.message).toMatch(expected);
      expect(error).toMatchObject({ file: files.path('yaml/group_vars/all.yml'), line: expect.any(Number) });
    }
  });
});

describe('a password that cannot be read', () => {
  it.each([
    ['an alias', 'p.yml', 'all: {vars: {ansible_password: *Hunter2}}'],
    ['an alias on the next line', 'p.yml', 'all:\n  vars:\n    ansible_password:\n      *Hunter2\n'],
    ['a tag', 'p.yml', 'all: {vars: {ansible_become_pass: !Hunter2 x}}'],
    ['a tag of a map', 'p.yml', 'all: {vars: {ansible_become_pass: !Hunter2 {}}}'],
    ['a date', 'p.yml', 'all: {vars: {api_token: 2020-22-44}}'],
    ['a reserved sign', 'p.yml', 'all:\n  vars:\n    api_token: %Hunter2\n'],
    ['two words', 'p.yml', 'all:\n  vars:\n    api_token: "Hunter2" Hunter2\n'],
    ['JSON', 'p.json', '{"all": {"vars": {"api_token": "Hunter2" "Hunter2"}}}'],
    ['an open quote', 'p.ini', 'h ansible_password="Hunter2\n'],
    ['two words in INI', 'p.ini', 'h ansible_password=x Hunter2\n'],
    ['a line without =', 'p.ini', '[a]\n[a:vars]\nansible_password Hunter2\n'],
    ['a line among hosts', 'p.ini', '[a]\nansible_password=Hunter2\n'],
    ['a line among hosts, with a bracket', 'p.ini', 'ansible_password=Hunter2[\n'],
    ['a line among hosts, spaced', 'p.ini', 'ansible_password = Hunter2\n'],
    ['a line among children', 'p.ini', '[a:children]\nansible_password=Hunter2\n'],
    ['a line among children, spaced', 'p.ini', '[a:children]\nansible_password = Hunter2\n'],
    ['a section', 'p.ini', '[ansible_password=Hunter2 x]\n'],
  ])('because it is %s is not shown', async (_, name, text) => {
    files.write({ [name]: text });
    const error = await refusal(files.path(name));
    expect(error).toMatchObject({ file: files.path(name), line: expect.any(Number) });
    expect(describeError(error)).not.toMatch(/Hunter2|2020-22-44/);
  });

  it.each([
    'ansible_password=Hunter2 "x',
    '{ansible_password: *Hunter2}',
    '{"ansible_password": Hunter2',
    './ansible_password=Hunter2',
  ])('in -e %s is not shown', async (word) => {
    files.write({ 'e/hosts': 'h1\n' });
    const error = await refusal(files.path('e/hosts'), [word]);
    expect(error).toBeInstanceOf(InputError);
    expect(describeError(error)).not.toContain('Hunter2');
  });
});

describe('a directory that holds itself by a link', () => {
  it('is refused as an inventory', async () => {
    files.write({ 'loop/hosts': 'h1\n', 'loop/sub/more': 'h2\n' });
    for (const name of ['one', 'two', 'three']) symlinkSync('..', files.path(`loop/sub/${name}`));
    expect((await refusal(files.path('loop')))?.message).toMatch(/holds itself/);
  });

  it('is refused as a directory of variables', async () => {
    files.write({ 'vars/hosts': 'h1\n' });
    mkdirSync(files.path('vars/group_vars/all'), { recursive: true });
    symlinkSync('.', files.path('vars/group_vars/all/again'));
    expect((await refusal(files.path('vars/hosts')))?.message).toMatch(/holds itself/);
  });
});

describe('ten thousand hosts', () => {
  it.each([
    ['INI', 'big.ini', `[web]\n${repeated(10_000, (n) => `web${n} a=${n} b="x y" c=[1,2]`)}\n[web:vars]\nx=1\n`],
    ['YAML', 'big.yml', `web:\n  hosts:\n${repeated(10_000, (n) => `    web${n}: {a: ${n}, b: "x y"}`)}\n`],
  ])('in %s are read and chosen from in time', { timeout: 10_000 }, async (_, name, text) => {
    files.write({ [name]: text });
    const inventory = await loadInventory([files.path(name)]);
    expect(selectHosts(inventory, 'all')).toHaveLength(10_000);
    expect(selectHosts(inventory, 'web*:!web1*')).toHaveLength(8_889);
    expect(selectHosts(inventory, '~web\\d{4}$,!web5000')).toHaveLength(8_999);
    expect(() => selectHosts(inventory, 'wbe123')).toThrow(InputError);
  });

  it('may be in groups that lie two thousand deep', { timeout: 10_000 }, async () => {
    const group = (n: number) => `[g${n}]\nweb${n}\n[g${n}:children]\ng${n + 1}`;
    files.write({ 'deep.ini': `${repeated(2_000, group)}\n[g2000]\n[g1999:vars]\nx=1\n` });
    const inventory = await loadInventory([files.path('deep.ini')]);
    expect(selectHosts(inventory, 'g0')).toHaveLength(2_000);
    expect(inventory.varsOf('web1999').get('x')?.value).toBe(1);
  });
});
