import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/errors.ts';
import { assembleInventory } from '../../../src/inventory/assemble.ts';
import { parseIni } from '../../../src/inventory/parse-ini.ts';
import { selectHosts } from '../../../src/inventory/pattern.ts';
import { processorMs } from '../processor-time.ts';
import { chance } from './random.ts';

const text = 'lone\n[web]\nweb[1:4]\n[db]\ndb1\nweb2\n10.0.0.1\n2001:db8::1\n[empty]\n[site:children]\nweb\ndb\n';
const inventory = assembleInventory([parseIni(text, 'hosts.ini')]);

function refusal(pattern: string, limit?: string): InputError {
  try {
    selectHosts(inventory, pattern, limit);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error(`not refused: ${pattern}`);
}

describe('a pattern', () => {
  it.each([
    ['all', 'lone web1 web2 web3 web4 db1 10.0.0.1 2001:db8::1'],
    ['web', 'web1 web2 web3 web4'],
    ['db1,web3', 'db1 web3'],
    ['web:db', 'web1 web2 web3 web4 db1 10.0.0.1 2001:db8::1'],
    ['web:&db', 'web2'],
    ['!web2,web', 'web1 web3 web4'],
    ['!site', 'lone'],
    ['web[0]', 'web1'],
    ['web[-1]', 'web4'],
    ['web[1:2]', 'web2 web3'],
    ['web[2:]', 'web3 web4'],
    ['w*', 'web1 web2 web3 web4'],
    ['web?', 'web1 web2 web3 web4'],
    ['~web[13]$', 'web1 web3'],
    ['~(?P<x>w)eb1', 'web1'],
    ['2001:db8::1', '2001:db8::1'],
    ['10.0.0.1:lone', '10.0.0.1 lone'],
    ['ungrouped', 'lone'],
    ['lone,empty', 'lone'],
    // This machine is there for whoever says its name, as ansible --list-hosts has it.
    ['localhost', 'localhost'],
    ['127.0.0.1', '127.0.0.1'],
    ['localhost,lone', 'localhost lone'],
    ['lone,localhost', 'lone localhost'],
    ['localhost[0]', 'localhost'],
    ['lo*', 'lone'],
    ['~lo', 'lone'],
    ['web:!localhost', 'web1 web2 web3 web4'],
  ])('%s names %s', (pattern, hosts) => {
    expect(selectHosts(inventory, pattern).join(' ')).toBe(hosts);
  });

  it.each([
    ['wbe', "No host and no group is named 'wbe'", /Did you mean 'web'/],
    ['web,!bd1', "No host and no group is named 'bd1'", /Did you mean 'db1'/],
    ['web:&localhost', "The pattern 'web:&localhost' names no host", /groups/],
    ['zzzzzz', "No host and no group is named 'zzzzzz'", /The groups are: web, db, empty, site/],
    ['empty', "The pattern 'empty' names no host", /groups/],
    ['web[4]', "There is no host 'web[4]'", /'web' has 4/],
    ['~(', "The pattern '~(' is not a regular expression", /regular expression/],
    ['', 'The pattern is empty', /'all'/],
    ['!', "No host and no group is named ''", /./],
  ])('%j that names nothing is refused: %s', (pattern, message, next) => {
    expect(refusal(pattern)).toMatchObject({ message, next: expect.stringMatching(next) });
  });

  it('of an inventory without hosts is refused', () => {
    expect(() => selectHosts(assembleInventory([]), 'all')).toThrow("The pattern 'all' names no host");
  });

  it('never ends in anything but hosts or an InputError: 20,000 random patterns', () => {
    const random = chance(5);
    const pieces = [
      'web',
      'db',
      '*',
      '?',
      '[',
      ']',
      '[0]',
      '[1:2]',
      '~',
      '!',
      '&',
      ',',
      ':',
      '(',
      ')',
      '+',
      '\\',
      ' ',
      '1',
      '.',
      '@',
      '-',
    ];
    for (let round = 0; round < 20_000; round++) {
      const pattern = random.some(pieces, random.below(8)).join('');
      try {
        selectHosts(inventory, pattern, random.percent(50) ? 'all' : undefined);
      } catch (error) {
        if (!(error instanceof InputError)) throw new Error(`on ${JSON.stringify(pattern)}`, { cause: error });
      }
    }
  });

  it('of many stars is matched without trying all ways', () => {
    const long = assembleInventory([parseIni(`${'a'.repeat(2000)}\n`, 'x')]);
    const start = processorMs();
    expect(() => selectHosts(long, `${'*a'.repeat(500)}*b`)).toThrow(InputError);
    expect(processorMs() - start).toBeLessThan(1000);
  });
});

describe('a limit', () => {
  it.each([
    ['web', 'web2', 'web2'],
    ['web', '!web2', 'web1 web3 web4'],
    ['web', 'db', 'web2'],
    ['web', 'web3,web1', 'web1 web3'],
  ])('on %s to %s leaves %s', (pattern, limit, hosts) => {
    expect(selectHosts(inventory, pattern, limit).join(' ')).toBe(hosts);
  });

  it('may be a file of patterns', () => {
    const folder = mkdtempSync(join(tmpdir(), 'li mit:'));
    const file = join(folder, 'site.retry');
    writeFileSync(file, '# failed\nweb1\n\n  web4 \n');
    expect(selectHosts(inventory, 'web', `@${file}`)).toEqual(['web1', 'web4']);
    expect(selectHosts(inventory, `@${file}`)).toEqual(['web1', 'web4']);
    writeFileSync(file, Buffer.from([0xff, 0xfe, 0x0a]));
    expect(refusal('web', `@${file}`)).toMatchObject({ file, message: 'The file of patterns cannot be read' });
    writeFileSync(file, '\n');
    expect(refusal('web', `@${file}`)).toMatchObject({ file, message: 'The file of patterns is empty' });
    expect(refusal('web', `@${folder}`)).toMatchObject({ message: 'The file of patterns is a directory' });
    rmSync(folder, { recursive: true });
    expect(refusal('web', `@${file}`)).toMatchObject({ file, message: 'The file of patterns cannot be read' });
  });

  it.each([
    ['web', 'lone', "The limit 'lone' leaves no host of 'web'"],
    ['web', 'wbe1', "No host and no group is named 'wbe1'"],
    ['web', '', 'The limit is empty'],
  ])('on %s to %j is refused: %s', (pattern, limit, message) => {
    expect(refusal(pattern, limit)).toMatchObject({ message });
  });
});
