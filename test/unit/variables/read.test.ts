import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { describeError } from '../../../src/errors.ts';
import { assembleInventory } from '../../../src/inventory/assemble.ts';
import { readExtraVars } from '../../../src/inventory/extra-vars.ts';
import type { Inventory } from '../../../src/inventory/inventory.ts';
import { withLayers } from '../../../src/inventory/layers.ts';
import { parseIni } from '../../../src/inventory/parse-ini.ts';
import { playbook } from '../../../src/runner/playbook.ts';
import { Secret } from '../../../src/secret.ts';
import { type ValuesOf, type Variables, variable } from '../../../src/variables/declaration.ts';
import { DeclaredVariables } from '../../../src/variables/read.ts';

async function inventoryOf(text: string, extraVars: readonly string[]): Promise<Inventory> {
  const extra = await readExtraVars(extraVars, { passwords: [], keepSealed: false }, []);
  return withLayers(assembleInventory([parseIni(text, '/inv/hosts.ini')]), { inventory: [], playbook: [], extra });
}

const TWO = '[web]\nw1\nw2\n[web:vars]\n';

async function read(variables: Variables, lines: string, extraVars: readonly string[] = []) {
  const inventory = await inventoryOf(TWO + lines, extraVars);
  return new DeclaredVariables(variables, (host) => inventory.varsOf(host));
}

async function complaint(variables: Variables, lines: string, extraVars: readonly string[] = []): Promise<string> {
  const declared = await read(variables, lines, extraVars);
  try {
    declared.check(['w1', 'w2']);
  } catch (error) {
    return describeError(error);
  }
  return '';
}

describe('a value', () => {
  it.each<[string, Variables[string], string, unknown]>([
    ['of a text', variable.text('x'), 'v = hello there', 'hello there'],
    ['of a text that looks like a number', variable.text('x'), 'v = 1.10', '1.10'],
    ['of a flag', variable.flag('x'), 'v = yes', true],
    ['of a whole number', variable.integer('x', { min: 1, max: 9 }), 'v = 9', 9],
    ['of a port', variable.port('x'), 'v = 8080', 8080],
    ['of a few words', variable.oneOf(['red', 'green'], 'x'), 'v = Green', 'green'],
    ['of a time', variable.duration('x'), 'v = 1h30m', 5_400_000],
    ['of a size', variable.bytes('x'), 'v = 2GiB', 2 * 1024 ** 3],
    ['of a path on the host', variable.hostPath('x'), 'v = /srv//data/', '/srv/data'],
    ['of a path here, from the file that sets it', variable.path('x'), 'v = files/a', '/inv/files/a'],
    ['of a path in one’s home', variable.path('x'), 'v = ~/a', join(homedir(), 'a')],
    ['of a list with commas', variable.list('x'), 'v = a, b,c', ['a', 'b', 'c']],
    ['of a list of Python', variable.list('x'), "v = ['a', 2]", ['a', '2']],
    ['nobody sets', variable.text('x', { default: 'd' }), '', 'd'],
    ['nobody sets and that has no default', variable.text('x'), '', undefined],
    ['by another of its names', variable.text('x', { aliases: ['old_v'] }), 'old_v = a', 'a'],
    ['by the name that is declared', variable.text('x', { name: 'LOUD' }), 'LOUD = a\nv = b', 'a'],
  ])('%s', async (_, declaration, lines, value) => {
    const declared = await read({ v: declaration }, lines);
    expect(declared.check(['w1', 'w2'])).toEqual([]);
    expect(declared.valuesOf('w2').v).toEqual(value);
  });

  it('given with -e stands above the inventory, and its path starts where one stands', async () => {
    const declared = await read({ v: variable.path('x') }, 'v = a', ['v=b']);
    expect(declared.valuesOf('w1').v).toBe(join(process.cwd(), 'b'));
  });

  it('that is a secret is seen nowhere', async () => {
    const declared = await read({ token: variable.secret('x') }, 'token = hunter2hunter2');
    const { token } = declared.valuesOf('w1');
    expect(token).toBeInstanceOf(Secret);
    expect(JSON.stringify(declared.valuesOf('w1'))).toBe('{"token":"***"}');
    expect((token as Secret).reveal()).toBe('hunter2hunter2');
  });
});

describe('a complaint', () => {
  it.each<[string, Variables, string, string[], string]>([
    [
      'names variable, file and line, and what is allowed',
      { v: variable.integer('x', { max: 9 }) },
      'v = many',
      [],
      '/inv/hosts.ini:5: v must be a whole number from 0 to 9, not "many"',
    ],
    [
      'names the command line',
      { v: variable.port('x') },
      '',
      ['v=0'],
      'command line (-e): v must be a whole number from 1 to 65535, not "0"',
    ],
    [
      'of a value that is missing says how to set it',
      { v: variable.text('what it is for', { required: true, example: 'abc' }) },
      '',
      [],
      'v is not set for w1, w2: what it is for\n  → Set it in the inventory, or: -e v=abc',
    ],
    [
      'of a value that is missing names what is there by a near name',
      { greeting: variable.text('x', { required: true }) },
      'greting = hi',
      [],
      'greeting is not set for w1, w2: x\n  → Is it greting (/inv/hosts.ini:5) that should be greeting?',
    ],
    [
      'of a name after -e that is nearly one of the playbook',
      { greeting: variable.text('x') },
      '',
      ['greting=hi'],
      'command line (-e): greting is no variable of this playbook\n  → Did you mean greeting?',
    ],
    [
      'of an empty value says so',
      { v: variable.text('x', { example: 'abc' }) },
      'v =',
      [],
      '/inv/hosts.ini:5: v has no value\n  → Give it one, such as abc, or delete the line to have the default.',
    ],
    [
      'about an item of a list',
      { v: variable.of({ type: 'even', read: () => ({ ok: false, problem: 'is odd' }) }, 'x') },
      'v = 3',
      [],
      '/inv/hosts.ini:5: v 3 is odd',
    ],
    [
      'about a secret does not show it',
      { v: variable.secret('x') },
      "v = ['hunter2']",
      [],
      '/inv/hosts.ini:5: v is not of its kind: secret',
    ],
    [
      'is one of several, all of which are told at once',
      { a: variable.port('x'), b: variable.flag('x') },
      'a = x\nb = x',
      [],
      'The variables are not in order:\n  /inv/hosts.ini:5: a must be a whole number from 1 to 65535, not "x"\n  /inv/hosts.ini:6: b must be true or false, not "x"',
    ],
    ['is not made about names that are like no other', { greeting: variable.text('x') }, 'colour = red', ['n=1'], ''],
    [
      'is not made about a near name where the right one is set',
      { port: variable.port('x') },
      'port = 1\nports = 2',
      [],
      '',
    ],
  ])('%s', async (_, variables, lines, extraVars, text) => {
    expect(await complaint(variables, lines, extraVars)).toBe(text);
  });

  it('about a near name in an inventory is a doubt only: inventories serve others too', async () => {
    const declared = await read({ greeting: variable.text('x') }, 'greting = hi');
    expect(declared.check(['w1', 'w2'])).toEqual([
      { file: '/inv/hosts.ini', line: 5, message: 'greting is no variable of this playbook. Did you mean greeting?' },
    ]);
  });

  it('is made about the hosts of the run only', async () => {
    const inventory = await inventoryOf('[web]\nw1 v=1\nw2\n', []);
    const declared = new DeclaredVariables({ v: variable.text('x', { required: true }) }, (host) =>
      inventory.varsOf(host),
    );
    expect(declared.check(['w1'])).toEqual([]);
    expect(() => declared.valuesOf('w2')).toThrow('v is not set for w2');
  });

  it('names a few of many hosts', async () => {
    const hosts = Array.from({ length: 30 }, (_, n) => `h${n}`);
    const declared = new DeclaredVariables({ v: variable.text('x', { required: true }) }, () => new Map());
    expect(() => declared.check(hosts)).toThrow('v is not set for h0, h1, h2, 27 more: x');
  });
});

describe('one value for the whole run', () => {
  it('is the one that all hosts have', async () => {
    expect((await read({ v: variable.list('x') }, 'v = a,b')).value('v', ['w1', 'w2'])).toEqual(['a', 'b']);
  });

  it('is an error where hosts differ in it', async () => {
    const inventory = await inventoryOf('[web]\nw1 keep=1\nw2 keep=2\nw3\n', []);
    const declared = new DeclaredVariables({ keep: variable.integer('x') }, (host) => inventory.varsOf(host));
    expect(() => declared.value('keep', ['w1', 'w2'])).toThrow(
      'keep must be the same on all hosts: it is 1 on w1 (/inv/hosts.ini:2) and 2 on w2 (/inv/hosts.ini:3)',
    );
    expect(() => declared.value('keep', ['w2', 'w3'])).toThrow('and nothing on w3');
  });
});

describe('the types of values', () => {
  it('follow the declarations', () => {
    const variables = {
      text: variable.text('x'),
      greeting: variable.text('x', { default: 'hello' }),
      keep: variable.integer('x', { required: true, min: 1 }),
      colour: variable.oneOf(['red', 'green'], 'x', { default: 'red' }),
      token: variable.secret('x', { required: true }),
      hosts: variable.list('x', { default: [] }),
      wait: variable.duration('x', { default: 1000, min: '1s' }),
    };
    type Values = ValuesOf<typeof variables>;
    expectTypeOf<Values>().toEqualTypeOf<{
      readonly text: string | undefined;
      readonly greeting: string;
      readonly keep: number;
      readonly colour: 'red' | 'green';
      readonly token: Secret;
      readonly hosts: readonly string[];
      readonly wait: number;
    }>();
    playbook({
      name: 'p',
      description: '',
      hosts: 'all',
      variables,
      plays(run) {
        expectTypeOf(run.valuesOf('h').greeting).toEqualTypeOf<string>();
        expectTypeOf(run.value('keep')).toEqualTypeOf<number>();
        // @ts-expect-error nobody declared it
        run.value('other');
        return [];
      },
    });
    // @ts-expect-error a default is of its kind
    variable.port('x', { default: 'http' });
  });
});
