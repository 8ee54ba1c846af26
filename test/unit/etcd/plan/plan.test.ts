import { describe, expect, it } from 'vitest';
import { describeError, ExitCode } from '../../../../src/errors.ts';
import { planText, refusalError, silentError, stoppedError } from '../../../../src/etcd/plan/plan.ts';

describe('a plan in print', () => {
  it('has a row for each step, with its hosts, what it does to the quorum and how it is undone', () => {
    const text = planText('form a cluster of 3', [
      { hosts: ['h1', 'h2'], does: 'install', quorum: 'none', undo: 'remove it' },
      { hosts: [], does: 'issue certificates', quorum: 'none', undo: 'not needed' },
    ]);
    expect(text.split('\n')).toEqual([
      'PLAN form a cluster of 3',
      '  1. h1 h2    install',
      '              quorum: none; undo: remove it',
      '  2. control  issue certificates',
      '              quorum: none; undo: not needed',
    ]);
  });

  it('stays in its columns where it has ten steps and more', () => {
    const step = { hosts: ['h1'], does: 'install', quorum: 'none', undo: 'remove it' };
    const lines = planText('much', Array(10).fill(step)).split('\n');
    expect(lines.slice(1, 3)).toEqual(['   1. h1  install', '          quorum: none; undo: remove it']);
    expect(lines.slice(-2)).toEqual(['  10. h1  install', '          quorum: none; undo: remove it']);
  });

  it('without steps is its title', () => {
    expect(planText('nothing', [])).toBe('PLAN nothing');
  });

  it('does not grow without end with the names of its hosts', () => {
    const hosts = Array.from({ length: 30 }, (_, n) => `host-${n}`);
    const [, first, second] = planText('x', [{ hosts, does: 'y', quorum: 'z', undo: 'u' }]).split('\n');
    expect(first).toContain(hosts.join(' '));
    expect(second!.length).toBeLessThan(80);
  });
});

describe('refusals as an error', () => {
  const refusals = [
    { host: 'h1', reason: 'it has lost its data', next: 'Replace it.' },
    { reason: 'two clusters', next: 'Part them.' },
  ];

  it('tell each with its host and its way out, and that nothing was changed', () => {
    expect(describeError(refusalError(refusals))).toBe(
      [
        'Refused, and nothing was changed:',
        '  h1: it has lost its data',
        '    → Replace it.',
        '  two clusters',
        '    → Part them.',
      ].join('\n'),
    );
    expect(refusalError(refusals).exitCode).toBe(ExitCode.failed);
  });

  it('do not hide that members had to be started before', () => {
    expect(refusalError(refusals, ['h1', 'h3']).message).toBe(
      'Refused, and etcd was started on h1, h3, nothing else was changed:',
    );
  });

  it('in the middle of a plan are one sentence with the hosts, and with each way out once', () => {
    const lost = (host: string) => ({
      host,
      reason: 'it cannot be reached',
      next: 'Bring it back, or: play replace_etcd -l h1',
    });
    expect(describeError(stoppedError([lost('h1'), lost('h2'), ...refusals.slice(1)]))).toBe(
      [
        'stopped on the way: h1: it cannot be reached; h2: it cannot be reached; two clusters',
        '  → What was done so far stands. Bring it back, or: play replace_etcd -l h1. Part them. Then the same again goes on from there.',
      ].join('\n'),
    );
  });

  it('are not made for members that were started and stay silent: these are named', () => {
    expect(silentError(['h1']).message).toContain('etcd was started on h1 and has data there, but does not answer');
  });
});
