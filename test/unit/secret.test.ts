import { format, inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { conceal, concealLines, Secret } from '../../src/secret.ts';

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

describe('a secret in the words of others', () => {
  new Secret('correct horse (battery).*');
  new Secret('correct horse');
  new Secret('-----BEGIN KEY-----\nMHcCAQEEIFoobarbazqux\nshort\n-----END KEY-----\n');
  for (const ordinary of ['root', '', '3.5.30', '10.0.0.11', '123456']) new Secret(ordinary);

  it.each([
    ['denied: correct horse (battery).* is wrong', 'denied: *** is wrong'],
    ['a correct horse', 'a ***'],
    ['two: correct horse, correct horse', 'two: ***, ***'],
    ['last words: MHcCAQEEIFoobarbazqux | short', 'last words: *** | short'],
    ['root installs 3.5.30 at 10.0.0.11: 123456 bytes', 'root installs 3.5.30 at 10.0.0.11: 123456 bytes'],
    ['', ''],
  ])('%j is shown as %j', (text, shown) => {
    expect(conceal(text)).toBe(shown);
  });
});

describe('lines that others wrote', () => {
  const odd = new Secret(`odd-0123456789'"$(x)`);

  it.each([
    ['a shell', `echo one\nx='odd-0123456789'\\''"$(x)'\necho two`],
    ['JSON', `echo one\n${JSON.stringify(odd.reveal())}\necho two`],
    ['a program of its own', 'echo one\nit was <odd 0123456789>\necho two'],
  ])('lose those that hold a part of a secret, as %s writes it', (_, text) => {
    expect(concealLines(text)).toBe('echo one\n***\necho two');
  });

  it('keep what only looks a little like one', () => {
    expect(concealLines('odd-012\n0123456')).toBe('odd-012\n0123456');
  });
});
