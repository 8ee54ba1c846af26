import { describe, expect, test } from 'vitest';
import { addressIn, chooseSubnet, gatewayOf, hostNumber, maxHosts } from '../../lab/subnet.ts';

describe('a lab has a subnet of its own', () => {
  test('always the same for a name', () => {
    expect(chooseSubnet('create', new Set())).toBe(chooseSubnet('create', new Set()));
  });

  test('the next free one when another lab has it, also past the end of the range', () => {
    const first = chooseSubnet('create', new Set());
    expect(chooseSubnet('create', new Set([first]))).toBe((first + 1) % 256);
    const all = new Set(Array.from({ length: 256 }, (_, i) => i));
    const free = (first + 255) % 256;
    all.delete(free);
    expect(chooseSubnet('create', all)).toBe(free);
  });

  test('and says so when none is free', () => {
    expect(() => chooseSubnet('create', new Set(Array.from({ length: 256 }, (_, i) => i)))).toThrow(/down --all/);
  });
});

describe('a host has its address by its number', () => {
  test.each([
    ['h1', '.7.11'],
    [3, '.7.13'],
    [`h${maxHosts}`, `.7.${10 + maxHosts}`],
  ])('%s', (host, end) => expect(addressIn(7, host).endsWith(end)).toBe(true));

  test.each(['h0', 'h01', 'h1x', 'x', 'h201', '', 0, 1.5])('%s is no host', (host) =>
    expect(() => hostNumber(host)).toThrow(/no host/),
  );

  test("which is never the machine's own", () => expect(gatewayOf(7).endsWith('.7.1')).toBe(true));
});
