import { expect, it } from 'vitest';
import { patienceMs } from '../../../src/runner/host-lock.ts';

const [EARLY, LATE] = ['2026-11-21T10:00:00.000Z', '2026-11-21T10:00:00.001Z'];
const begun = (since: string, pid: string) => ({ since, process: { pid } });

it.each([
  ['gone: what it has begun ends', true, EARLY, LATE, 120_000],
  ['gone, and had begun later', true, LATE, EARLY, 120_000],
  ['at work, and was there first', false, EARLY, LATE, 0],
  ['at work, and came later: it finds us where it goes next', false, LATE, EARLY, 10_000],
])('the holder is %s', (_, gone, holder, own, patience) => {
  const [ours, theirs] = [begun(own, '7'), begun(holder, '8')];
  expect(patienceMs({ gone, own: ours, holder: theirs })).toBe(patience);
});

it('one of two gives way where both began in the same moment, and nobody for whom says nothing', () => {
  const [a, b] = [begun(EARLY, '7'), begun(EARLY, '8')];
  const each = [patienceMs({ gone: false, own: a, holder: b }), patienceMs({ gone: false, own: b, holder: a })];
  expect(each).toEqual([10_000, 0]);
  expect(patienceMs({ gone: false, own: a, holder: undefined })).toBe(0);
});
