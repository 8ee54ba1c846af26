import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { certain } from '../../../../src/etcd/live/certain.ts';

const never = async () => false;

describe('a change that etcd refuses because its voters have not been connected for 5 s', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Refuses for so long, and counts how often it is asked. */
  const refusing = (ms: number, words: string) => {
    const until = Date.now() + ms;
    return vi.fn(async () => {
      if (Date.now() < until) throw new Error(words);
    });
  };

  it('is asked for again until it is taken', async () => {
    const change = refusing(4_900, '14 UNAVAILABLE: etcdserver: unhealthy cluster');
    const done = certain(change, never);
    await vi.advanceTimersByTimeAsync(6_000);
    await done;
    expect(change.mock.calls.length).toBeGreaterThan(10);
  });

  it('is given up where the cluster stays unhealthy', async () => {
    const change = refusing(60_000, '14 UNAVAILABLE: etcdserver: unhealthy cluster');
    const done = expect(certain(change, never)).rejects.toThrow('did not take the change');
    await vi.advanceTimersByTimeAsync(15_000);
    await done;
  });

  it('is not asked for again where it was refused for another reason', async () => {
    const change = refusing(60_000, '9 FAILED_PRECONDITION: etcdserver: too many learner members in cluster');
    await expect(certain(change, never)).rejects.toThrow('too many learner');
    expect(change).toHaveBeenCalledTimes(1);
  });
});
