import { describe, expect, it } from 'vitest';
import { aheadText, newestFirst, type Ranked, rankBeside } from '../../../../src/etcd/backup/order.ts';

/** `10:00:00 r5 name` */
function one(word: string): Ranked {
  const [time, revision, name = 'a'] = word.split(' ');
  return { name, revision: BigInt(revision!.slice(1)), rankedAt: new Date(`2026-08-01T${time}Z`) };
}

describe('of two backups', () => {
  it.each([
    ['the later one is the newer', '10:00:00 r5', '10:00:01 r5'],
    ['the later one is the newer, with fewer changes too', '10:00:00 r5000', '10:00:01 r3'],
    ['of one second the one with more changes is the newer', '10:00:00 r999', '10:00:00 r1000'],
    ['of one second and revision the order is always the same', '10:00:00 r5 a', '10:00:00 r5 b'],
  ])('%s', (_, older, newer) => {
    const sorted = [one(newer), one(older)];
    expect(sorted.toSorted(newestFirst)).toEqual(sorted);
    expect(sorted.toReversed().toSorted(newestFirst)).toEqual(sorted);
  });
});

describe('a backup that is made beside others', () => {
  it.each([
    ['counts as of its own time', '10:00:00', [], '10:00:00.000'],
    ['counts as of its own time where all are older', '10:00:01', ['10:00:00 r5', '09:00:00 r7'], '10:00:01.000'],
    ['counts as newer than one of the same second', '10:00:00', ['10:00:00 r5'], '10:00:00.001'],
    [
      'counts as newer than one from a clock that was ahead',
      '10:00:00',
      ['09:00:00 r9', '12:00:00 r5'],
      '12:00:00.001',
    ],
    ['and so does the next one', '10:00:30', ['12:00:00 r5', '12:00:00.001 r6'], '12:00:00.002'],
  ])('%s', (_, time, there, wanted) => {
    const rankedAt = rankBeside(new Date(`2026-08-01T${time}Z`), there.map(one));
    expect(rankedAt.toISOString()).toBe(`2026-08-01T${wanted}Z`);
  });

  it('is the newest of all, whatever the clocks said, and so down to the first: a thousand times', () => {
    let seed = 11;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed % below;
    };
    for (let round = 0; round < 1000; round++) {
      const made: Ranked[] = [];
      for (let count = random(12); count > 0; count--) {
        const takenAt = new Date(Date.UTC(2026, 7, 1 + random(3), 0, 0, random(3)));
        made.push({ name: String(random(5)), revision: BigInt(random(4)), rankedAt: rankBeside(takenAt, made) });
      }
      const mixed = made.toSorted(() => random(3) - 1);
      expect(mixed.toSorted(newestFirst)).toEqual(made.toReversed());
    }
  });
});

describe('a stamp that is later than now', () => {
  const now = new Date('2026-08-01T10:00:00Z');
  const stamped = (name: string, time: string) => ({ name, takenAt: new Date(time) });
  it.each([
    ['is not said of what is older', [stamped('a', '2026-08-01T09:00:00Z')], undefined],
    ['is not said of a clock that is a little ahead', [stamped('a', '2026-08-01T10:00:50Z')], undefined],
    ['is said of one', [stamped('a', '2026-08-01T10:02:00Z'), stamped('b', '2026-08-01T09:00:00Z')], /^a is stamped/],
    [
      'is said of several',
      [stamped('a', '2026-08-02T10:00:00Z'), stamped('b', '2026-08-03T09:00:00Z')],
      /^2 backups, up to b, are stamped/,
    ],
  ])('%s', (_, all, words) => {
    if (words === undefined) expect(aheadText(all, now)).toBeUndefined();
    else expect(aheadText(all, now)).toMatch(words);
  });
});
