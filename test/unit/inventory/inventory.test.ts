import { describe, expect, it } from 'vitest';
import { assembleInventory } from '../../../src/inventory/assemble.ts';
import { parseIni } from '../../../src/inventory/parse-ini.ts';
import { spelling } from '../../../src/inventory/value.ts';
import { processorMs } from '../processor-time.ts';

const read = (...texts: string[]) => assembleInventory(texts.map((text, index) => parseIni(text, `${index}.ini`)));

const plain = (vars: ReadonlyMap<string, { value: unknown }>) =>
  Object.fromEntries([...vars].map(([name, { value }]) => [name, value]));

describe('the variables of a host', () => {
  const nested = '[top:children]\nmid\n[mid:children]\nlow\n[low]\nh\n';
  it.each([
    ['its own before those of its groups', '[g]\nh v=host\n[g:vars]\nv=group\n', 'host'],
    ["a child's before its parent's", `${nested}[low:vars]\nv=low\n[top:vars]\nv=top\n[mid:vars]\nv=mid\n`, 'low'],
    ["a group's before those of all", `${nested}[top:vars]\nv=top\n[all:vars]\nv=all\n`, 'top'],
    ['the later in the alphabet of two groups as deep', '[b]\nh\n[a]\nh\n[b:vars]\nv=b\n[a:vars]\nv=a\n', 'b'],
    [
      'the one of higher priority of two groups as deep',
      '[a]\nh\n[b]\nh\n[a:vars]\nv=a\nansible_group_priority=5\n[b:vars]\nv=b\n',
      'a',
    ],
    [
      'the deeper one, counted by the longest way, whatever the priority',
      '[z]\nh\n[a]\nh\n[x:children]\na\n[z:vars]\nv=z\nansible_group_priority=9\n[a:vars]\nv=a\n[x]\n',
      'a',
    ],
    ['the last of two lines', '[g]\nh v=1\nh v=2\n', 2],
  ])('are taken in order: %s', (_, text, value) => {
    expect(read(text).varsOf('h').get('v')?.value).toBe(value);
  });

  it('say where they were written', () => {
    const vars = read('[g]\nh a=1\n', '# more\n[g]\n[g:vars]\nb = "x"\n').varsOf('h');
    expect(vars.get('a')).toEqual({
      name: 'a',
      value: 1,
      raw: '1',
      origin: { file: '0.ini', line: 2, scope: 'host h' },
    });
    expect(vars.get('b')).toEqual({
      name: 'b',
      value: 'x',
      raw: '"x"',
      origin: { file: '1.ini', line: 4, scope: 'group g' },
    });
  });

  it('from a later inventory win over those of an earlier one in the same group or host', () => {
    const inventory = read('[g]\nh a=1 b=1\n[g:vars]\nc=1\n', '[g]\nh a=2\ni\n[g:vars]\nc=2\n');
    expect(plain(inventory.varsOf('h'))).toEqual({ a: 2, b: 1, c: 2 });
    expect(inventory.hostsOf('g')).toEqual(['h', 'i']);
    expect(inventory.sources).toEqual(['0.ini', '1.ini']);
  });

  it('hold the port of host:port as ansible_port', () => {
    const inventory = read('h:2222\n[fe80::1]:23\n10.0.0.1\n');
    expect([...inventory.hosts.values()].map(({ name, port }) => [name, port])).toEqual([
      ['h', 2222],
      ['fe80::1', 23],
      ['10.0.0.1', undefined],
    ]);
    expect(plain(inventory.varsOf('h'))).toEqual({ ansible_port: 2222 });
  });

  it('cannot reach the prototype of anything', () => {
    const vars = read(`h __proto__=1 a="{'__proto__': {'x': 1}}"\n`).varsOf('h');
    expect(vars.get('__proto__')?.value).toBe(1);
    expect(Object.keys(vars.get('a')?.value as object)).toEqual(['__proto__']);
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it('have a spelling, for what is text whatever it looks like', () => {
    const vars = read(`[g]\nh a=1.10 b="x y" c=01\n[g:vars]\nd=3.10 # newest\ne='3.5'\n`).varsOf('h');
    expect([...vars.values()].map(spelling)).toEqual(['3.10', '3.5', '1.10', 'x y', '01']);
  });

  it('beyond 2^53 keep all their digits', () => {
    expect(read('h a=9007199254740993 b=-1.5 c=0x20000000000001\n').varsOf('h').get('a')?.value).toBe(
      9007199254740993n,
    );
  });
});

describe('the groups of an inventory', () => {
  const inventory = read('lone\n[top:children]\nb\na\n[a]\nh1\n[b]\nh2\nh1\n[c]\nh3\n');

  it('give their hosts breadth first, each once', () => {
    expect(inventory.hostsOf('top')).toEqual(['h1', 'h2']);
    expect(inventory.hostsOf('all')).toEqual(['lone', 'h3', 'h1', 'h2']);
    expect(inventory.hostsOf('nosuch')).toEqual([]);
  });

  it('are listed for a host from least to most specific', () => {
    expect(inventory.groupsOf('h1')).toEqual(['all', 'top', 'a', 'b']);
    expect(inventory.groupsOf('lone')).toEqual(['all', 'ungrouped']);
    expect(inventory.groupsOf('nosuch')).toEqual([]);
    expect(inventory.hosts.get('h1')?.groups).toEqual(['a', 'b']);
  });

  it('take a child in where it is declared, as Ansible does, not where it is named', () => {
    expect(inventory.groups.get('top')?.children).toEqual(['a', 'b']);
  });

  it('hold a host as ungrouped only as long as no group lists it', () => {
    const later = read('h\n', '[g]\nh\n');
    expect(later.groups.get('ungrouped')?.hosts).toEqual([]);
    expect(later.hosts.get('h')?.groups).toEqual(['g']);
    expect(read('[all]\nh\n').groupsOf('h')).toEqual(['all', 'ungrouped']);
  });
});

describe('a large inventory', () => {
  it('of 10,000 hosts in 100 groups is put together within two seconds', () => {
    const text = Array.from({ length: 100 }, (_, g) => `[g${g}]\nh[${g * 100}:${g * 100 + 99}] a=1\n`).join('');
    const start = processorMs();
    const inventory = read(text);
    for (const host of inventory.hostsOf('all')) inventory.varsOf(host);
    expect(inventory.hosts.size).toBe(10_000);
    expect(processorMs() - start).toBeLessThan(2000);
  });
});
