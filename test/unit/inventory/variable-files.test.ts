import { chmodSync } from 'node:fs';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../src/errors.ts';
import { graphInventory, listHost, listInventory, pythonJson } from '../../../src/inventory/listing.ts';
import { type LoadOptions, loadInventory } from '../../../src/inventory/load.ts';
import { spelling } from '../../../src/inventory/value.ts';
import { readVaultPassword } from '../../../src/inventory/vault-password.ts';
import { revealed, Secret } from '../../../src/secret.ts';
import { tree } from './tree.ts';

// `a: 1`, encrypted with the password "pw".
const VAULT = `$ANSIBLE_VAULT;1.1;AES256
38373365386461333465333361333835303539666237323632663732333831326566373835343338
3531633739323531376339333336643937363464323362350a373238333239333334643662353165
36353436656431313733646634373534306336396265386434313339626530366464613132633932
3138383038393766390a613663326534323130303266336461373531626232623864306235393237
3637`;

const files = tree();
beforeAll(() => files.write({ hosts: '[g]\nh\n' }));
afterAll(() => files.remove());

async function refusal(sources: string[], options: LoadOptions = {}): Promise<InputError> {
  const error = await loadInventory(sources, options).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(InputError);
  return error as InputError;
}

describe('variable files', () => {
  it('give each variable its place, its spelling, and a warning where a number loses it', async () => {
    files.write({
      'p/hosts': '[g]\nh\n',
      'p/group_vars/g.yml': '# versions\na: 1\nv: 3.10\n',
      'p/host_vars/h': 'a: 2\na: 3\n',
    });
    const inventory = await loadInventory([files.path('p/hosts')]);
    const vars = inventory.varsOf('h');
    expect(vars.get('v')).toMatchObject({
      value: 3.1,
      origin: { file: files.path('p/group_vars/g.yml'), line: 3, scope: 'group g' },
    });
    expect(spelling(vars.get('v')!)).toBe('3.10');
    expect(vars.get('a')).toMatchObject({ value: 3, origin: { file: files.path('p/host_vars/h'), scope: 'host h' } });
    expect(inventory.warnings.map(({ line, message }) => [line, message])).toEqual([
      [3, "v: 3.10 is read as the number 3.1; write v: '3.10' to keep the text"],
      [2, "'a' stands twice in the same map; only the last one counts"],
    ]);
  });

  it('are warned of in their order, however long each takes to be read', async () => {
    const many = Array.from({ length: 30 }, (_, n) => `order/group_vars/g/${String(n).padStart(2, '0')}.yml`);
    files.write({
      'order/hosts': '[g]\nh\n',
      ...Object.fromEntries(many.map((name) => [name, 'v: 3.10\n'])),
      'order/host_vars/h': 'v: 3.20\n',
    });
    const { warnings } = await loadInventory([files.path('order/hosts')]);
    expect(warnings.map(({ file }) => file)).toEqual([...many, 'order/host_vars/h'].map((name) => files.path(name)));
  });

  it('that are passed over beside a directory of the same name are warned of', async () => {
    files.write({ 'q/hosts': '[g]\nh\n', 'q/group_vars/g/a.yml': 'a: 1\n', 'q/group_vars/g.yml': 'a: 2\n' });
    const { warnings } = await loadInventory([files.path('q/hosts')]);
    expect(warnings).toMatchObject([
      { file: files.path('q/group_vars/g.yml'), message: expect.stringMatching(/not read/) },
    ]);
  });

  it('cannot reach the prototype of anything', async () => {
    files.write({ 'r/hosts': 'h\n', 'r/host_vars/h': '__proto__: {x: 1}\na: {__proto__: {x: 1}}\n' });
    const vars = (await loadInventory([files.path('r/hosts')])).varsOf('h');
    expect(Object.keys(vars.get('a')?.value as object)).toEqual(['__proto__']);
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it.each<[string, string, number, RegExp]>([
    ['a bracket left open', 'a: 1\nb: [1,\nc: 2\n', 3, /not valid YAML/],
    ['a tab', 'a:\n\tb: 1\n', 2, /not valid YAML/],
    ['two values on a line', 'a: b: c\n', 1, /not valid YAML/],
    ['a list', '- a\n', 1, /no variables/],
    ['a text', 'just words\n', 1, /no variables/],
    ['two documents', 'a: 1\n---\nb: 2\n', 2, /not valid YAML/],
    ['an unquoted template', 'a: 1\nb: {{ a }}\n', 2, /key must be a word/],
    ['an unknown tag', 'a: 1\nb: !ruby x\n', 2, /tag !ruby is not known/],
    ['an impossible date', 'a: 2024-13-01\n', 1, /looks like a date/],
    ['an alias without an anchor', 'a: *b\n', 1, /./],
    ['a value within itself', 'a: &a [*a]\n', 1, /contains itself/],
    ['a merge of no map', 'a: {<<: 1}\n', 1, /not a map/],
    ['a !vault that is none', 'a: !vault |\n  secret words\n', 1, /is no vault/],
    ['a damaged vault', '$ANSIBLE_VAULT;1.1;AES256\n6\n', 1, /damaged/],
    ['a vault of another kind', '$ANSIBLE_VAULT;1.0;AES\n61\n', 1, /format '1.0'/],
    ['a vault without a password', VAULT, 1, /no vault password is given/],
    [
      'a value in a vault without a password',
      `a: 1\nb: !vault |\n  ${VAULT.replaceAll('\n', '\n  ')}\n`,
      2,
      /no vault password/,
    ],
  ])('with %s are refused with their line', async (_, text, line, message) => {
    files.write({ 'bad/hosts': 'h\n', 'bad/host_vars/h.yml': text });
    const error = await refusal([files.path('bad/hosts')]);
    expect(error).toMatchObject({ file: files.path('bad/host_vars/h.yml'), line, next: expect.stringMatching(/./) });
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/secret words/);
  });

  it('of aliases upon aliases do not fill the memory', async () => {
    const levels = Array.from(
      { length: 12 },
      (_, n) => `l${n}: &l${n} [${Array(10).fill(n === 0 ? 'x' : `*l${n - 1}`)}]`,
    );
    files.write({ 'bomb/hosts': 'h\n', 'bomb/host_vars/h': `${levels.join('\n')}\n` });
    expect((await refusal([files.path('bomb/hosts')])).message).toMatch(/stand for too much/);
  });
});

describe('a vault', () => {
  it('gives its texts and numbers as secrets, which nothing prints', async () => {
    files.write({ 'v/hosts': 'h\n', 'v/host_vars/h.yml': VAULT });
    const inventory = await loadInventory([files.path('v/hosts')], {
      vaultPasswords: [new Secret('no'), new Secret('pw')],
    });
    const variable = inventory.varsOf('h').get('a')!;
    expect(revealed(variable.value)).toBe('1');
    expect(`${inspect(variable)} ${JSON.stringify(variable)} ${variable.value}`).not.toMatch(/\b1\b(?!,|\s*\})/);
    expect(variable.raw).toBe('***');
    expect(pythonJson(listHost(inventory, 'h'))).toBe('{\n    "a": "***"\n}');
    expect(graphInventory(inventory, 'all', true)).toContain('{a = ***}');
  });

  it('is not opened by another password', async () => {
    files.write({ 'v/hosts': 'h\n', 'v/host_vars/h.yml': VAULT });
    const error = await refusal([files.path('v/hosts')], { vaultPasswords: [new Secret('no')] });
    expect(error).toMatchObject({ line: 1, message: 'The vault password does not open this vault' });
  });

  it('in a value stays closed for who only shows the inventory without a password', async () => {
    files.write({ 's/hosts': 'h\n', 's/host_vars/h.yml': `b: !vault |\n  ${VAULT.replaceAll('\n', '\n  ')}\n` });
    const inventory = await loadInventory([files.path('s/hosts')], { keepSealed: true });
    expect(pythonJson(listInventory(inventory))).toContain('"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\\n');
    expect(() => revealed(inventory.varsOf('h').get('b')?.value)).toThrow(/no vault password/);
  });

  it('takes its password from a file, or from what a script prints', () => {
    files.write({ file: '  pw \n', script: '#!/bin/sh\necho pw\n', failing: '#!/bin/sh\nexit 3\n', empty: '\n' });
    for (const script of ['script', 'failing']) chmodSync(files.path(script), 0o755);
    expect(readVaultPassword(files.path('file')).reveal()).toBe('pw');
    expect(readVaultPassword(files.path('script')).reveal()).toBe('pw');
    expect(() => readVaultPassword(files.path('failing'))).toThrow(/exit status 3/);
    expect(() => readVaultPassword(files.path('empty'))).toThrow(/is empty/);
    expect(() => readVaultPassword(files.path('nosuch'))).toThrow(/does not exist/);
  });
});

describe('-e', () => {
  const values = async (...extraVars: string[]) => {
    const vars = (await loadInventory([files.path('hosts')], { extraVars })).varsOf('h');
    return Object.fromEntries([...vars].map(([name, { value }]) => [name, value]));
  };

  it('takes pairs, JSON, YAML and files, the later above the earlier and all above the inventory', async () => {
    files.write({ 'more.yml': 'c: [1]\nd: yes\n' });
    expect(await values('a=1 b="x y"', '{"b": 2, "e": null}', '{f: no}', `@${files.path('more.yml')}`, 'c=')).toEqual({
      a: '1',
      b: 2,
      c: '',
      d: true,
      e: null,
      f: false,
    });
    expect((await loadInventory([files.path('hosts')], { extraVars: ['a=1'] })).varsOf('h').get('a')?.origin).toEqual({
      file: 'command line (-e)',
      line: 0,
      scope: 'command line',
    });
  });

  it.each([
    ['a word', 'word', /-e word is not NAME=value/],
    ['a path', './vars.yml', /looks like a file/],
    ['a list', '[1]', /is a list/],
    ['an open quote', 'a="b', /quote " is not closed/],
    ['broken YAML', '{a: [}', /not valid YAML/],
    ['a file that is not there', '@/nosuch.yml', /cannot be read/],
  ])('refuses %s', async (_, word, message) => {
    expect((await refusal([files.path('hosts')], { extraVars: [word] })).message).toMatch(message);
  });

  it('does not print what may be a password', async () => {
    const { message } = await refusal([files.path('hosts')], { extraVars: ['password=a b'] });
    expect(message).toBe('What stands after -e is not NAME=value');
    const { message: other } = await refusal([files.path('hosts')], { extraVars: ['app_pin=a b'] });
    expect(other).toBe('-e app_pin=… is not NAME=value');
  });
});

describe('an inventory in YAML', () => {
  it.each<[string, string, number, RegExp]>([
    ['nothing', '', 1, /is empty/],
    ['a list of groups', '- web\n', 1, /must be a map/],
    ['a list of hosts', 'web:\n  hosts:\n    - w1\n', 3, /'hosts' of the group 'web' must be a map/],
    ['a misspelt part', 'web:\n  host:\n    w1:\n', 2, /'host' means nothing/],
    ['a host that is a number', 'web:\n  hosts:\n    12:\n', 3, /must be text/],
    ['variables of a host that are a text', 'web:\n  hosts:\n    w1: x\n', 3, /must be a map/],
    ['the configuration of a plugin', 'plugin: aws_ec2\n', 1, /plugin/],
    ['a bad range', 'web:\n  hosts:\n    w[3:x]:\n', 3, /range/],
    ['a group within itself', 'web:\n  children:\n    web:\n', 3, /child of itself/],
  ])('is refused for %s', async (_, text, line, message) => {
    files.write({ 'bad.yml': text });
    const error = await refusal([files.path('bad.yml')]);
    expect(error).toMatchObject({ file: files.path('bad.yml'), line });
    expect(error.message).toMatch(message);
  });

  it('names the line of each variable', async () => {
    files.write({ 'good.yml': 'web:\n  hosts:\n    w1:\n      a: 1\n      b: 2\n  vars:\n    c: 3\n' });
    const vars = (await loadInventory([files.path('good.yml')])).varsOf('w1');
    expect([...vars.values()].map(({ name, origin }) => [name, origin.line])).toEqual([
      ['c', 7],
      ['a', 4],
      ['b', 5],
    ]);
  });
});

describe('an inventory directory', () => {
  it('passes over what Ansible passes over, and warns of .ini files', async () => {
    files.write({
      'dir/hosts': 'h\n',
      'dir/web.ini': 'w\n',
      'dir/notes.md': '[[[',
      'dir/.git': '[[[',
      'dir/old~': '[[[',
    });
    const inventory = await loadInventory([files.path('dir')]);
    expect([...inventory.hosts.keys()]).toEqual(['h']);
    expect(inventory.warnings).toMatchObject([{ file: files.path('dir/web.ini') }]);
  });

  it('with nothing but .ini files is an error that says why', async () => {
    files.write({ 'only/web.ini': 'w\n' });
    expect(await refusal([files.path('only')])).toMatchObject({ next: expect.stringMatching(/\.ini/) });
  });
});
