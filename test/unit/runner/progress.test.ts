import { expect, it } from 'vitest';
import { paced } from '../../../src/runner/progress.ts';

it('progress is told ten times a second, and its end', () => {
  let nowMs = 0;
  const told: string[] = [];
  const progress = paced(
    (done, total) => void told.push(`${nowMs}: ${done}/${total}`),
    () => nowMs,
  );
  for (let done = 10; done <= 100; done += 10) {
    nowMs += 30;
    progress(done, 100);
  }
  expect(told).toEqual(['30: 10/100', '150: 50/100', '270: 90/100', '300: 100/100']);
});
