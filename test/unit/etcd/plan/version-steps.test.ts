import { expect, it } from 'vitest';
import { mayNotReadLog } from '../../../../src/etcd/plan/version-steps.ts';

it.each<[from: string | undefined, to: string, mayNot: boolean]>([
  ['3.6.16', '3.7.3', true],
  ['3.5.35', '3.6.16', false],
  ['3.7.1', '3.7.3', false],
  ['3.6.11', '3.6.16', false],
  ['3.7.3', '3.6.16', false],
  [undefined, '3.7.3', false],
])('from %s, %s may find what it cannot read in a log: %s', (from, to, mayNot) => {
  expect(mayNotReadLog(from, to)).toBe(mayNot);
});
