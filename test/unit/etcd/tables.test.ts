import { describe, expect, it } from 'vitest';
import { healthTable, memberTable, table } from '../../../src/etcd/tables.ts';
import { Wanted } from './plan/observed.ts';

describe('a table', () => {
  it('is framed as etcdctl frames its own', () => {
    expect(
      table(
        ['ID', 'NAME'],
        [
          ['8e9e05c52164694d', 'a'],
          ['1', 'longer'],
        ],
      ),
    ).toBe(
      [
        '+------------------+--------+',
        '| ID               | NAME   |',
        '+------------------+--------+',
        '| 8e9e05c52164694d | a      |',
        '| 1                | longer |',
        '+------------------+--------+',
      ].join('\n'),
    );
  });

  it('without rows still has its head', () => {
    expect(table(['A'], []).split('\n')).toEqual(['+---+', '| A |', '+---+', '+---+']);
  });
});

describe('the members in a table', () => {
  const members = new Wanted(2).members(['h1']);

  it('stand in the order of their names, with their leader marked', () => {
    const rows = memberTable([...members].reverse(), 'h1')
      .split('\n')
      .slice(3, -1);
    expect(
      rows.map((row) =>
        row
          .split('|')
          .map((cell) => cell.trim())
          .slice(1, -1),
      ),
    ).toEqual([
      ['h1', 'started', 'etcd-h1', 'https://10.0.0.11:2380', 'https://10.0.0.11:2379', 'true'],
      ['h2', 'unstarted', 'etcd-h2', 'https://10.0.0.12:2380', '', 'false'],
    ]);
  });

  it('have a column for learners only where there is one', () => {
    expect(memberTable(members, undefined)).not.toContain('IS LEARNER');
    expect(memberTable([{ ...members[0]!, isLearner: true }, members[1]!], 'h1')).toContain('IS LEARNER');
  });
});

describe('the health of endpoints in a table', () => {
  it('tells the time in milliseconds, and why one is not healthy', () => {
    const text = healthTable([
      { endpoint: 'https://10.0.0.11:2379', healthy: true, tookMs: 3.146, error: '' },
      { endpoint: 'https://10.0.0.12:2379', healthy: false, tookMs: 5000, error: 'deadline exceeded' },
    ]);
    expect(text).toContain('| https://10.0.0.11:2379 | true   | 3.15ms    |');
    expect(text).toContain('| false  | 5000.00ms | deadline exceeded |');
  });
});
