import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlockFile } from '../../../src/local/block-file.ts';

const MIB = 1 << 20;
const content = randomBytes(20 * MIB + 777);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
let folder: string;
let made = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'blocks-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function give(file: BlockFile, bytes: Buffer, pieceBytes: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += pieceBytes) await file.write(bytes.subarray(at, at + pieceBytes));
}

describe('a file that is written in pieces', () => {
  const sizes = [0, 1, 31, 32, 33, MIB, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 9 * MIB + 31, content.length];
  it.each(sizes.flatMap((size) => [0, 32].map((endBytes) => [size, endBytes])))(
    'holds %i bytes, and has their sums with an end of %i',
    async (size, endBytes) => {
      const path = join(folder, String(++made));
      const bytes = content.subarray(0, size);
      const file = await BlockFile.create(path, { endBytes });
      await give(file, bytes, 65_521);
      const cut = Math.max(0, size - endBytes);
      expect(await file.finish()).toEqual({
        sizeBytes: size,
        sha256: sha256(bytes),
        before: sha256(bytes.subarray(0, cut)),
        end: Buffer.from(bytes.subarray(cut)),
      });
      expect(readFileSync(path).equals(bytes)).toBe(true);
      expect(statSync(path).mode & 0o777).toBe(0o600);
    },
  );

  it.each([
    [5, 3],
    [5, 4 * MIB],
    [7 * MIB, 2 * MIB],
    [9 * MIB + 5, 3],
    [9 * MIB + 5, 11 * MIB],
  ])('goes on behind %i bytes with %i more', async (there, more) => {
    const handle = await open(join(folder, String(++made)), 'w+');
    try {
      await handle.write(content.subarray(0, there));
      const file = new BlockFile(handle, { at: there });
      await give(file, content.subarray(there, there + more), 300_000);
      const whole = content.subarray(0, there + more);
      expect(await file.finish()).toMatchObject({ sizeBytes: whole.length, sha256: sha256(whole) });
      expect(readFileSync(join(folder, String(made))).equals(whole)).toBe(true);
    } finally {
      await handle.close();
    }
  });

  it.each([MIB, 12 * MIB])('that is given up behind %i bytes is closed, and nothing comes after', async (size) => {
    const path = join(folder, String(++made));
    const file = await BlockFile.create(path);
    await give(file, content.subarray(0, size), 65_536);
    await file.abandon();
    const left = statSync(path).size;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(statSync(path).size).toBe(left);
    await file.abandon();
  });

  it.each([0, 16 * MIB])('that cannot be written is an error, and one that says so (from %i on)', async (at) => {
    const handle = await open('/dev/full', 'r+');
    try {
      const file = new BlockFile(handle, { at, explained: (error) => new Error(`full: ${(error as Error).message}`) });
      const giving = give(file, content, 65_536).then(() => file.finish());
      await expect(giving).rejects.toThrow(/^full: .*(ENOSPC|shorter)/);
      await file.abandon();
    } finally {
      await handle.close();
    }
  });
});
