import { format, inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/secret.ts';

const secret = new Secret('hunter2');

describe('a secret', () => {
  it.each([
    ['as a string', String(secret)],
    ['in a template', `${secret}`],
    ['joined to a text', `a${secret}`],
    ['in a list', [secret, 'x'].join()],
    ['as JSON', JSON.stringify({ secret })],
    ['in the console', inspect({ secret, list: [secret] }, { depth: 9, showHidden: true })],
    ['by its format', format('%s %o %j', secret, secret, secret)],
    ['copied to an object', JSON.stringify({ ...secret })],
    ['in an error', String(new Error(`wrong: ${secret}`))],
  ])('is not told %s', (_, text) => {
    expect(text).not.toContain('hunter2');
  });

  it('prints as three stars', () => {
    expect([`${secret}`, JSON.stringify(secret), inspect(secret)]).toEqual(['***', '"***"', '***']);
  });

  it('is told to who asks for it by name', () => {
    expect(secret.reveal()).toBe('hunter2');
  });
});
