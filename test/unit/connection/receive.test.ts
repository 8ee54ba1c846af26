import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { receive } from '../../../src/connection/receive.ts';
import { localShell } from './local-shell.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'receive-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('what a script gives', () => {
  it.each([0, 1, 1 << 20, 10_000_001, 50_000_000])('stands in a file with its sum: %i bytes', async (size) => {
    const path = join(folder, `whole-${size}`);
    const shell = await localShell();
    const file = await open(path, 'w+');
    const progress: number[] = [];
    const result = await receive(shell, `head -c ${size} /dev/urandom; exit 3`, file, {
      onProgress: (done) => void progress.push(done),
    });
    await file.close();
    shell.close();
    const bytes = readFileSync(path);
    expect(bytes.length).toBe(size);
    expect(result).toMatchObject({ code: 3, sizeBytes: size, sha256: sha256(bytes) });
    expect(progress.at(-1) ?? 0).toBe(size);
  });

  it('goes on where a file ends, and its sum is of the whole', async () => {
    const path = join(folder, 'part');
    const shell = await localShell();
    const file = await open(path, 'w+');
    await file.write('begun ');
    const { sha256: sum } = await receive(shell, 'printf "and done"', file, { at: 6 });
    await file.close();
    shell.close();
    expect(readFileSync(path, 'utf8')).toBe('begun and done');
    expect(sum).toBe(sha256(Buffer.from('begun and done')));
  });

  it('that cannot be written is an error, and ends the script', async () => {
    const shell = await localShell();
    const file = await open('/dev/full', 'r+');
    const failure = receive(shell, 'cat /dev/zero', file);
    await expect(failure).rejects.toThrow(/what came cannot be kept: .*ENOSPC/);
    await file.close();
    await expect(shell.run('echo next')).rejects.toThrow();
  });
});
