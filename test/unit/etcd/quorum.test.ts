import { describe, expect, it } from 'vitest';
import { quorumOf, sizeWarning } from '../../../src/etcd/quorum.ts';

describe('the size of a cluster', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
  ])('of %i members has a quorum of %i', (members, quorum) => {
    expect(quorumOf(members)).toBe(quorum);
  });

  it.each([1, 3, 5, 7])('is not warned of when it is %i', (members) => {
    expect(sizeWarning(members)).toBeUndefined();
  });

  it.each([
    [2, 'bear the loss of none, no more than 1 would'],
    [4, 'bear the loss of 1, no more than 3 would'],
    [6, 'bear the loss of 2, no more than 5 would'],
  ])('is warned of when it is %i', (members, words) => {
    expect(sizeWarning(members)).toContain(words);
  });
});
