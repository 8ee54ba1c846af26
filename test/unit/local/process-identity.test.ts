import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { identityIn, identityOf, identityText, isAlive } from '../../../src/local/process-identity.ts';

describe('the identity of a process', () => {
  it('is read back from the name of a file, whatever follows it there', () => {
    const me = identityOf();
    expect(identityIn(identityText(me))).toEqual(me);
    expect(identityIn(`${identityText(me)}~1234abcd`)).toEqual(me);
    expect(identityText(me)).toMatch(/^[\w.~-]+$/);
  });

  it.each([
    ['lives', {}, true],
    ['is another one of the same number', { start: '1' }, false],
    ['cannot be asked on another machine', { host: 'elsewhere' }, undefined],
    [
      'cannot be asked in another boot, which may be that of another machine of this name',
      { boot: 'other' },
      undefined,
    ],
    ['cannot be asked in another container', { pidNamespace: '1' }, undefined],
  ])('tells whether it lives: it %s', (_, change, lives) => {
    expect(isAlive({ ...identityOf(), ...change })).toBe(lives);
  });

  it('tells of another process that it lives, and that it has ended', async () => {
    const child = spawn('sleep', ['1000']);
    const other = identityOf(child.pid);
    expect(isAlive(other)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(isAlive(other)).toBe(false);
  });
});
