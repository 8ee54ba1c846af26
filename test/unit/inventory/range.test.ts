import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../../src/inventory/address.ts';
import { BadRange, expandRange } from '../../../src/inventory/range.ts';

describe('a range of hosts', () => {
  it.each([
    ['web1', 'web1'],
    ['web[1:3]', 'web1 web2 web3'],
    ['web[08:11].x', 'web08.x web09.x web10.x web11.x'],
    ['[0:10:5]', '0 5 10'],
    ['[a:e:2]', 'a c e'],
    ['[y:B]', 'y z A B'],
    ['r[1:2]n[a:b]', 'r1na r1nb r2na r2nb'],
    ['[:1]', '0 1'],
    ['[3:1:-1]', '3'],
    ['[3:1]', ''],
  ])('%s stands for %s', (pattern, hosts) => {
    expect(expandRange(pattern).join(' ')).toBe(hosts);
  });

  it.each([
    '[1',
    '[1]',
    '[1:]',
    '[1:2:3:4]',
    '[01:100]',
    '[b:a]',
    '[a:1]',
    '[1:9:0]',
    '[a:c:0]',
    '[1:2:]',
    'a|[1:2]',
    '[0:100000]',
  ])('is refused: %s', (pattern) => {
    expect(() => expandRange(pattern)).toThrow(BadRange);
  });
});

describe('the address of a host', () => {
  it.each([
    ['web1', 'web1', undefined],
    ['web1:22', 'web1', 22],
    ['web[1:3].example.com:22', 'web[1:3].example.com', 22],
    ['10.0.0.[1:9]:22', '10.0.0.[1:9]', 22],
    ['fe80::1', 'fe80::1', undefined],
    ['[fe80::1]:22', 'fe80::1', 22],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1', undefined],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8', undefined],
    ['größe:22', 'größe', 22],
  ])('%s is host %s and port %s', (text, host, port) => {
    expect(parseAddress(text)).toEqual(port === undefined ? { host } : { host, port });
  });

  it.each(['', 'a-:22', '-a', 'a b', 'web:', 'web[0]', 'a..b'])('is not what %j is', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});
