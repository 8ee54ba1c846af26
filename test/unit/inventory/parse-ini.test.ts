import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/errors.ts';
import { assembleInventory } from '../../../src/inventory/assemble.ts';
import { parseIni } from '../../../src/inventory/parse-ini.ts';
import { processorMs } from '../processor-time.ts';
import { REFUSED, TAKEN } from './corpus.ts';
import { chance } from './random.ts';

const read = (text: string) => assembleInventory([parseIni(text, 'hosts.ini')]);

function refusal(text: string): InputError {
  try {
    read(text);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error(`not refused: ${text}`);
}

describe('an inventory that cannot be read', () => {
  it.each(REFUSED)('is refused with file, line and the next step: %j', (text) => {
    const error = refusal(text);
    expect(error.file).toBe('hosts.ini');
    expect(error.line).toBeGreaterThan(0);
    expect(error.next).toMatch(/./);
  });

  it.each([
    ['# one\n[web]\nweb1 port\n', 3, "'port' after the host 'web1' is not name=value"],
    ['[a:children]\nb\n', 2, "The section [a:children] names the group 'b', which is not declared"],
    ['\n[a:vars]\nx=1\n', 2, 'The section [a:vars] is about a group that is not declared'],
    ['[a:children]\nb\n[b:children]\na\n', 4, "The groups 'b' and 'a' are children of each other"],
    ['[a:children]\n\na\n[a]\n', 3, "The group 'a' is made a child of itself"],
    ['[a:children]\nall\n', 2, "'all' cannot be a child of 'a'"],
    ['[web servers]\n', 1, "'[web servers]' is not a section"],
    ['[web:var]\n', 1, "The section [web:var] is of an unknown kind 'var'"],
    [
      'web[0:9999999]\n',
      1,
      "The host 'web[0:9999999]' cannot be read: the range '[0:9999999]' stands for more than 100000 hosts",
    ],
    [
      'w[0:999][0:999]\n',
      1,
      "The host 'w[0:999][0:999]' cannot be read: 'w[0:999][0:999]' stands for more than 100000 hosts",
    ],
  ])('%j is refused at line %i: %s', (text, line, message) => {
    expect(refusal(text)).toMatchObject({ line, message });
  });

  it.each(['h ansible_password=my S3cret\n', '[g]\n[g:vars]\nansible_password S3cret\n'])(
    'is refused without showing a password: %j',
    (text) => {
      const { message, next } = refusal(text);
      expect(`${message} ${next}`).not.toContain('S3cret');
    },
  );
});

describe('a trap in the typing of values', () => {
  const traps: [string, unknown, RegExp | null][] = [
    ['[g:vars]\nv=1.10', 1.1, /v=1\.10 is read as the number 1\.1; write v='1\.10' to keep the text/],
    ['[g:vars]\nv=0x1F # c', 31, /v=0x1F is read as the number 31/],
    ['[g:vars]\nv=1_000', 1000, /is read as the number 1000/],
    ['[g:vars]\nv=80,443', [80, 443], /is read as a list because of its comma/],
    ['[g:vars]\nv=text # c', 'text # c', /the comment is part of the value of v/],
    ['[g:vars]\nv=8080 # c', 8080, null],
    ['[g:vars]\nv=text#c', 'text#c', null],
    ['[g:vars]\nv=1.1', 1.1, null],
    ["[g:vars]\nv='1.10'", '1.10', null],
    ['[g:vars]\nv=0644', '0644', null],
    ['[g]\nh v=1.10', 1.1, /write v="'1\.10'" to keep the text/],
    ['[g]\nh v=a#b', 'a', /all from '#' on is left out as a comment/],
    ["[g]\nh v='a #b'", 'a #b', null],
    ['[g:vars]\nmy_password=1e5', 100_000, /^my_password is read as the number; write my_password='…'/],
  ];
  it.each(traps)(
    '%j is read as Ansible reads it (%j), and a warning says so if it is one: %s',
    (text, value, warning) => {
      const inventory = read(`[g]\nh\n${text}\n`);
      expect(inventory.varsOf('h').get(inventory.varsOf('h').has('v') ? 'v' : 'my_password')?.value).toEqual(value);
      const messages = inventory.warnings.map(({ message }) => message);
      if (warning) expect(messages).toEqual([expect.stringMatching(warning)]);
      else expect(messages).toEqual([]);
    },
  );

  it.each([
    ['h[5:3]\n', 1, /runs backwards and names no host/],
    ['h:70000\n', 1, /70000 is not a port/],
    ['h:22\n\nh:23\n', 3, /the port 23 is not used: 'h' stands further up with port 22/],
    ['same\n[same]\n', 1, /is the name of a host and of a group/],
    ['[g]\n[g:vars]\n=x\n', 3, /sets a variable without a name/],
  ])('%j is warned of at line %i', (text, line, message) => {
    expect(read(text).warnings).toEqual([{ file: 'hosts.ini', line, message: expect.stringMatching(message) }]);
  });
});

describe('any text at all', () => {
  it('is read or refused with an InputError: 20,000 spoilt inventories', () => {
    const random = chance(31_337);
    const seeds = [...TAKEN, ...REFUSED].filter((text) => text.length > 3);
    const pieces = [
      '[',
      ']',
      ':',
      '=',
      '"',
      "'",
      '#',
      ' ',
      '\n',
      '\\',
      '{',
      '(',
      ',',
      '1',
      '[1:9]',
      ':vars]',
      ':children]',
      '\0',
      '\u2028',
      '😀',
    ];
    for (let round = 0; round < 20_000; round++) {
      let text = random.pick(seeds);
      for (let left = 1 + random.below(4); left > 0; left--) {
        const at = random.below(text.length + 1);
        text = text.slice(0, at) + random.pick(pieces) + text.slice(at + random.below(3));
      }
      try {
        const inventory = read(text);
        for (const host of inventory.hosts.keys()) inventory.varsOf(host);
      } catch (error) {
        if (!(error instanceof InputError)) throw new Error(`on ${JSON.stringify(text)}`, { cause: error });
      }
    }
  });

  it.each([
    ['spaces', `h a=${' '.repeat(200_000)}b`],
    ['quotes', `h ${`a="b" `.repeat(50_000)}`],
    ['brackets', `[g]\n[g:vars]\nx=${'['.repeat(100_000)}`],
    ['labels', `${'a-.'.repeat(50_000)}:22`],
    ['colons', `${'a:'.repeat(100_000)}1`],
    ['ranges', `${'[1:1]'.repeat(2000)}`],
  ])('is read in linear time: very many %s', (_, text) => {
    const start = processorMs();
    try {
      read(text);
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
    }
    expect(processorMs() - start).toBeLessThan(2000);
  });
});
