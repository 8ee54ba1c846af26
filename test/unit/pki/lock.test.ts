import { spawnSync } from 'node:child_process';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/errors.ts';
import { withLock } from '../../../src/pki/lock.ts';
import { temporaryDir } from './workshop.ts';

/** The name that a holder in this process has given its file. */
async function nameOfMine(dir: string): Promise<string> {
  return withLock(dir, async () => readdirSync(dir)[0] ?? '');
}

function leave(dir: string, name: string): string {
  writeFileSync(join(dir, name), '');
  return name;
}

/** The name with some of its parts (host, boot, pid namespace, pid, start) replaced. */
function altered(name: string, change: Record<number, string>): string {
  const parts = name.split('~');
  for (const [i, value] of Object.entries(change)) parts[Number(i) + 1] = value;
  return parts.join('~');
}

describe('the lock of a directory', () => {
  it('is held by one at a time, gives back what the work gave, and leaves nothing', async () => {
    const dir = temporaryDir();
    let inside = 0;
    const most: number[] = [];
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        withLock(dir, async () => {
          most.push(++inside);
          await sleep(Math.random() * 4);
          inside--;
          return i;
        }),
      ),
    );
    expect(Math.max(...most)).toBe(1);
    expect(results).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is free again when the work failed', async () => {
    const dir = temporaryDir();
    await expect(withLock(dir, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is refused after a while, naming the other and what to do', async () => {
    const dir = temporaryDir();
    await withLock(dir, async () => {
      const error = await withLock(dir, async () => {}, 50).catch((reason) => reason);
      expect(error).toBeInstanceOf(InputError);
      expect(error.message).toContain(`process ${process.pid} on`);
      expect(error.next).toContain(readdirSync(dir)[0]);
    });
  });

  const dead = String(spawnSync(process.execPath, ['-e', '']).pid);
  it.each<[string, Record<number, string>]>([
    ['a process that is gone', { 3: dead }],
    ['an earlier process of the same number', { 4: '1' }],
  ])('is not held by %s', async (_, change) => {
    const dir = temporaryDir();
    leave(dir, altered(await nameOfMine(dir), change));
    expect(await withLock(dir, async () => readdirSync(dir).length, 500)).toBe(1);
    expect(readdirSync(dir)).toEqual([]);
  });

  it.each<[string, Record<number, string>]>([
    ['a process of another machine', { 0: `not-${hostname()}` }],
    ['a process before a restart, or of another machine of this name', { 1: 'other' }],
    ['a process of another container', { 2: '1' }],
  ])('may be held by %s, but not for ever', async (_, change) => {
    const dir = temporaryDir();
    const name = leave(dir, altered(await nameOfMine(dir), change));
    await expect(withLock(dir, async () => {}, 50)).rejects.toThrow(InputError);
    expect(readdirSync(dir)).toEqual([name]);
    const longAgo = Date.now() / 1000 - 3600;
    utimesSync(join(dir, name), longAgo, longAgo);
    await withLock(dir, async () => {}, 500);
    expect(readdirSync(dir)).toEqual([]);
  });
});
