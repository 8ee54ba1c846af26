import { describe, expect, it } from 'vitest';
import type { Change } from '../../../src/resource/resource.ts';
import { diffSysctl, parseValues, sysctl } from '../../../src/resource/sysctl.ts';
import { onThisMachine } from './on-this-machine.ts';

const { look } = onThisMachine();
const file: Change = { summary: 'new file', apply: 'put' };

describe('the difference of settings of the kernel', () => {
  it.each<[string, Change | undefined, string | undefined, string, string | undefined]>([
    ['is nothing where file and value are as wanted', undefined, '60', '60', undefined],
    ['is the value alone', undefined, '30', '60', 'a.b 30 → 60'],
    ['is the file alone', file, '60', '60', 'new file'],
    ['is both', file, '30', '60', 'new file, a.b 30 → 60'],
    ['takes blanks of any kind for the same', undefined, '1024 65535', '1024\t65535', undefined],
  ])('%s', (_, file, running, wanted, summary) => {
    expect(diffSysctl(file, new Map([['a.b', running]]), new Map([['a.b', wanted]]))?.summary).toBe(summary);
  });

  it('writes the value before the file: what the kernel refuses does not wait there for a boot', () => {
    const change = diffSysctl(file, new Map([['a.b', '1']]), new Map([['a.b', '2']]));
    expect(change?.apply).toBe(`printf '%s\\n' 2 >/proc/sys/a/b\nput`);
  });

  it('cannot be told where the kernel has no such setting', () => {
    const none = new Map([['a.b', undefined]]);
    expect(() => diffSysctl(undefined, none, new Map([['a.b', '1']]))).toThrow('has no setting a.b');
  });

  it('is read from lines, one for each setting', () => {
    const values = parseValues('=1\n-\n=32768\t60999\n', ['a', 'b', 'c', 'd']);
    expect([...values.values()]).toEqual(['1', undefined, '32768 60999', undefined]);
  });

  it('is found on this machine, by names with dots and with slashes', async () => {
    const change = await look(
      sysctl({ name: 'x', values: { 'kernel.ostype': 'none', 'net/ipv4/ip_forward': 7, 'net.ipv4.conf.lo/x': 1 } }),
    ).catch((error: Error) => error.message);
    expect(change).toBe('the kernel of this host has no setting net.ipv4.conf.lo/x, or none that can be read');
    const two = await look(sysctl({ name: 'x', values: { 'kernel.ostype': 'none', 'net/ipv4/ip_forward': 7 } }));
    expect(two?.summary).toMatch(/^new file, kernel.ostype Linux → none, net\/ipv4\/ip_forward [01] → 7$/);
  });

  it.each([
    [{ name: '../x' }, "cannot be called '../x'"],
    [{ values: { swappiness: 1 } }, "no setting of the kernel is called 'swappiness'"],
    [{ values: { 'vm.swap pi': 1 } }, "no setting of the kernel is called 'vm.swap pi'"],
    [{ values: { 'vm.x': 'a\nb' } }, 'vm.x cannot be set'],
    [{ values: { 'vm.x': ' ' } }, 'vm.x cannot be set'],
    [{ values: { 'vm/../../etc/x': '1' } }, 'no setting of the kernel'],
    [{ values: { 'vm...x': '1' } }, 'no setting of the kernel'],
  ])('is refused for %j', (wrong, words) => {
    expect(() => sysctl({ name: 'x', values: {}, ...wrong })).toThrow(words);
  });
});
