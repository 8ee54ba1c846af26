import { expect, it } from 'vitest';
import { Turns } from '../../../src/connection/turns.ts';

it('so many pieces of work are under way at a time and no more, in their order, also when some fail', async () => {
  const turns = new Turns(3);
  let running = 0;
  let most = 0;
  const begun: number[] = [];
  const work = (n: number) =>
    turns.take(async () => {
      begun.push(n);
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running--;
      if (n % 2) throw new Error(`${n}`);
      return n;
    });
  const numbers = Array.from({ length: 20 }, (_, n) => n);
  const results = await Promise.allSettled(numbers.map(work));
  expect(most).toBe(3);
  expect(begun).toEqual(numbers);
  expect(results.map(({ status }) => status)).toEqual(numbers.map((n) => (n % 2 ? 'rejected' : 'fulfilled')));
  await expect(work(2)).resolves.toBe(2);
});
