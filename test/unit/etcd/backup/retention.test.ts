import { describe, expect, it } from 'vitest';
import { newestFirst } from '../../../../src/etcd/backup/order.ts';
import { expired, type Kept, type RetentionPolicy } from '../../../../src/etcd/backup/retention.ts';

const NOW = new Date('2026-08-15T12:00:00Z');

/** `08-14T03:00`, `! …` for one that is not verified, `… @b` for one of cluster b, `… as 08-16T03:00` for one that counts as taken then. */
function backups(...words: string[]): Kept[] {
  return words.map((word) => {
    const [, bad, time, clusterId = 'a', as = time] = /^(! )?(\S+)(?: @(\S+))?(?: as (\S+))?$/.exec(word)!;
    const [takenAt, rankedAt] = [new Date(`2026-${time}:00Z`), new Date(`2026-${as}:00Z`)];
    return { name: word, clusterId, revision: 1n, takenAt, rankedAt, verified: bad === undefined };
  });
}
const removed = (all: Kept[], policy: RetentionPolicy, made?: string) =>
  expired(all, 'a', policy, NOW, made).map(({ name }) => name);

const hourly = backups(...Array.from({ length: 12 }, (_, hour) => `08-15T${String(hour).padStart(2, '0')}:30`));
const daily = backups(...Array.from({ length: 14 }, (_, day) => `08-${String(day + 1).padStart(2, '0')}T03:00`));

describe('which backups are removed', () => {
  it.each<[string, Kept[], RetentionPolicy, string[]]>([
    ['none without a rule', daily, {}, []],
    ['all but the newest two', backups('08-10T03:00', '08-11T03:00', '08-12T03:00'), { last: 2 }, ['08-10T03:00']],
    [
      'all but the newest, where the rule keeps none',
      backups('08-10T03:00', '08-11T03:00'),
      { last: 0 },
      ['08-10T03:00'],
    ],
    ['those that are too old', backups('08-10T03:00', '08-13T03:00'), { days: 3 }, ['08-10T03:00']],
    ['never the newest verified one, however old', backups('01-10T03:00'), { days: 1 }, []],
    ['a damaged one does not push out a good one', backups('08-10T03:00', '! 08-14T03:00'), { last: 1 }, []],
    [
      'a damaged one goes when a good one is newer',
      backups('! 08-10T03:00', '08-14T03:00'),
      { last: 5 },
      ['! 08-10T03:00'],
    ],
    ['nothing while nothing is verified', backups('! 08-10T03:00', '! 08-14T03:00'), { last: 1 }, []],
    ['of each hour one', hourly, { hourly: 11 }, ['08-15T00:30']],
    [
      'of each day one',
      [...hourly, ...daily],
      { daily: 3 },
      [...daily.slice(0, 12).map(({ name }) => name), ...hourly.slice(0, 11).map(({ name }) => name)],
    ],
    [
      'of each week one, from Monday',
      daily,
      { weekly: 2 },
      daily
        .slice(0, 13)
        .filter(({ name }) => name !== '08-09T03:00')
        .map(({ name }) => name),
    ],
    [
      'of each month one',
      backups('06-30T03:00', '07-01T03:00', '07-31T03:00', '08-01T03:00'),
      { monthly: 2 },
      ['06-30T03:00', '07-01T03:00'],
    ],
    [
      'rules add up',
      backups('06-30T03:00', '07-31T03:00', '08-14T03:00', '08-15T03:00'),
      { last: 1, monthly: 2 },
      ['06-30T03:00', '08-14T03:00'],
    ],
    [
      'not those of another cluster that lives',
      backups('08-10T03:00', '08-11T03:00 @b', '08-12T03:00'),
      { last: 1 },
      ['08-10T03:00'],
    ],
    [
      'those of before a restore, which gave it a new ID',
      backups('08-01T03:00 @b', '08-02T03:00 @b', '08-12T03:00'),
      { last: 1 },
      ['08-01T03:00 @b', '08-02T03:00 @b'],
    ],
    [
      'of one day the one that counts as the newest, where the clock was set back between them',
      backups('08-15T10:00', '08-15T09:00 as 08-15T10:01'),
      { daily: 7 },
      ['08-15T10:00'],
    ],
    [
      'the one from the future, when newer ones were taken',
      backups('08-25T10:00', '08-15T10:00 as 08-25T10:01', '08-15T11:00 as 08-25T10:02'),
      { last: 2 },
      ['08-25T10:00'],
    ],
    [
      'days are those of the time it was taken, also where many count as taken in one',
      backups('08-25T10:00', '08-13T10:00 as 08-25T10:01', '08-14T10:00 as 08-25T10:02', '08-15T10:00 as 08-25T10:03'),
      { daily: 3 },
      ['08-25T10:00'],
    ],
    [
      'those of before a restore, also where the clock was set back meanwhile',
      backups('08-12T03:00 @b', '08-02T03:00 as 08-12T03:01'),
      { last: 1 },
      ['08-12T03:00 @b'],
    ],
  ])('%s', (_, all, policy, names) => {
    expect(removed(all, policy).toSorted()).toEqual(names.toSorted());
  });

  it.each<[string, string]>([
    ['one that another run has followed already', '08-14T03:00'],
    ['one that is not verified', '! 08-13T03:00'],
  ])('never what was just made: %s', (_, made) => {
    const all = backups('08-12T03:00', '! 08-13T03:00', '08-14T03:00', '08-15T03:00');
    expect(removed(all, { last: 1 })).toContain(made);
    expect(removed(all, { last: 1 }, made)).toEqual(removed(all, { last: 1 }).filter((name) => name !== made));
  });

  it('never the newest verified one, whatever the rules and the backups: a thousand times', () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed % below;
    };
    for (let round = 0; round < 1000; round++) {
      const time = () => new Date(NOW.getTime() - random(100) * 3_600_000);
      const all: Kept[] = Array.from({ length: random(20) }, (_, index) => ({
        name: String(index),
        clusterId: random(4) === 0 ? 'b' : 'a',
        revision: BigInt(random(3)),
        takenAt: time(),
        rankedAt: time(),
        verified: random(3) > 0,
      }));
      const rule = () => (random(2) === 0 ? undefined : random(5));
      const policy = { last: rule(), days: rule(), hourly: rule(), daily: rule(), weekly: rule(), monthly: rule() };
      const made = String(random(20));
      const gone = expired(all, 'a', policy, NOW, made);
      expect(gone.map(({ name }) => name)).not.toContain(made);
      const own = all.filter(({ clusterId, verified }) => clusterId === 'a' && verified);
      const [newest] = own.toSorted(newestFirst);
      if (newest) expect(gone).not.toContain(newest);
    }
  });
});
