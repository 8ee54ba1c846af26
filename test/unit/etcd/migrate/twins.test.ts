import { expect, it } from 'vitest';
import { endsTogether, isOwnLease, leaseIdFor, shortestMs, ttlAt } from '../../../../src/etcd/migrate/leases.ts';
import { sharedStart } from '../../../../src/etcd/migrate/look-up.ts';
import { isChosen, judgeTwin, type Twin, twinName } from '../../../../src/etcd/migrate/twins.ts';

const END = 1_800_000_000_400;
const twin = (value: string, lease = 0n, endsAtMs?: number): Twin => ({
  value: Buffer.from(value),
  modRevision: 1n,
  lease,
  endsAtMs,
});
const own = leaseIdFor(END);

it.each([
  ['nothing is there', undefined, undefined, 'missing'],
  ['the same', undefined, twin('v'), 'same'],
  ['another value', undefined, twin('w'), 'other value'],
  ['a lease where v2 has no end', undefined, twin('v', 5n, END), 'other end'],
  ['no lease where v2 has an end', END, twin('v'), 'other end'],
  ["somebody's lease with the same end", END, twin('v', 5n, END - 900), 'same'],
  ["somebody's lease with another end", END, twin('v', 5n, END + 9_000), 'other end'],
  ['a lease of an earlier run', END, twin('v', own, END), 'same'],
  ['a lease of an earlier run that was prolonged', END, twin('v', own, END + 60_000), 'ours'],
  ['a lease of an earlier run that has ended', END, twin('v', own), 'ours'],
  ['another value on a lease of an earlier run', END, twin('w', own, END), 'other value'],
] as const)('%s: %#', (_, endsAtMs, found, verdict) => {
  expect(judgeTwin({ value: 'v', ...(endsAtMs !== undefined && { endsAtMs }) }, found)).toBe(verdict);
});

it.each([
  ['/app/a', '', '', '/app/a'],
  ['/app/a', '/app/', '/', '/a'],
  ['/app/a', '/', 'v2/', 'v2/app/a'],
  ['/app/a', '/app', '', '/a'],
  ['/app/a', '/other', '', undefined],
])('%s with prefix %j and dest_prefix %j is called %s', (name, prefix, destPrefix, called) => {
  const mapping = { prefix, destPrefix };
  expect(isChosen({ name }, mapping) ? twinName({ name }, mapping).toString() : undefined).toBe(called);
});

it('keys that end within the same second share a lease, which is known again', () => {
  expect(leaseIdFor(END)).toBe(leaseIdFor(END - 800));
  expect(leaseIdFor(END)).not.toBe(leaseIdFor(END + 800));
  expect(leaseIdFor(END, 1)).not.toBe(leaseIdFor(END));
  expect([own, leaseIdFor(END, 255)].every(isOwnLease)).toBe(true);
  expect([0n, 5n, 0x694d_0000_0000_0000n].some(isOwnLease)).toBe(false);
  expect(leaseIdFor(END, 255) < 2n ** 63n).toBe(true);
});

it.each([
  [0, true],
  [2_000, true],
  [2_001, false],
  [-3_000, true],
  [-3_001, false],
])('a lease that is told to end %i ms after a key ends with it: %s', (late, together) => {
  expect(endsTogether(END, END + late)).toBe(together);
});

it.each([
  [60_000, 60],
  [900, 1],
  [-5_000, 1],
])('with %i ms left a lease of %i s is asked for', (left, seconds) => {
  expect(ttlAt(END, 1_800_000_000_000 - left)).toBe(seconds);
});

it.each([
  [1_000, 5_000],
  [5_000, 11_000],
])('with an election timeout of %i ms keys need %i ms', (election, least) => {
  expect(shortestMs(election)).toBe(least);
});

it.each([
  [[], ''],
  [['/a/b'], '/a/b'],
  [['/a/b', '/a/c', '/abc'], '/a'],
  [['x', 'y'], ''],
])('%j begin with %j', (names, start) => {
  expect(sharedStart(names.map((name) => Buffer.from(name))).toString()).toBe(start);
});
