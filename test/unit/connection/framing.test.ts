import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RemoteTimeoutError } from '../../../src/connection/errors.ts';
import { PlayError } from '../../../src/errors.ts';
import { isAlive } from './alive.ts';
import { localShell } from './local-shell.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'framing-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A script that writes its child's process ID into a file and would then run for minutes. */
const lasting = (file: string) => `sh -c 'echo $$ >${file}.new; mv ${file}.new ${file}; exec sleep 300'; echo over`;

async function pidIn(file: string): Promise<number> {
  await vi.waitUntil(() => existsSync(file), { timeout: 30_000, interval: 10 });
  return Number(readFileSync(file, 'utf8'));
}

const untilGone = (pid: number) => vi.waitUntil(() => !isAlive(pid), { timeout: 30_000, interval: 10 });

describe('the frame of a script', () => {
  // `sh` reads its commands in blocks of 8 KiB: whatever stands behind the first must not become the script's input.
  it('keeps its end out of the input, however long the script is', async () => {
    const shell = await localShell();
    const wrong: number[] = [];
    for (let length = 7_600; length < 8_300; length += 5) {
      const input = { sizeBytes: 5, open: () => Readable.from([Buffer.from('input')]) };
      const { stdout } = await shell.run(`cat #${'x'.repeat(length)}`, { input });
      if (stdout !== 'input') wrong.push(length);
    }
    shell.close();
    expect(wrong).toEqual([]);
  });

  it('may stand in one channel with others that have inputs and with those that have none', async () => {
    const shell = await localShell();
    for (let n = 0; n < 20; n++) {
      const input = { sizeBytes: 1, open: () => Readable.from([Buffer.from('i')]) };
      expect((await shell.run('cat', n % 2 ? { input } : {})).stdout).toBe(n % 2 ? 'i' : '');
    }
    shell.close();
  });

  it('holds an input of no bytes at all', async () => {
    const shell = await localShell();
    const input = { sizeBytes: 0, open: () => Readable.from([]) };
    expect((await shell.run('cat; echo end', { input })).stdout).toBe('end\n');
    expect((await shell.run('echo next')).stdout).toBe('next\n');
    shell.close();
  });
});

/** By then it has begun, also on a machine that is busy. */
const LONG_ENOUGH_MS = 2_000;

describe('a script that takes too long', () => {
  it('is given up with an error that names the host, and ended there with all that it started', async () => {
    const shell = await localShell();
    const file = join(folder, 'timeout');
    const failure = shell.run(lasting(file), { timeoutMs: LONG_ENOUGH_MS });
    await expect(failure).rejects.toThrow(RemoteTimeoutError);
    await expect(failure).rejects.toMatchObject({ host: 'here' });
    await untilGone(await pidIn(file));
  });

  it('is ended also while it works on an input that it was given whole', async () => {
    const shell = await localShell();
    const file = join(folder, 'timeout-input');
    const input = { sizeBytes: 3, open: () => Readable.from([Buffer.from('abc')]) };
    await expect(shell.run(`cat >/dev/null; ${lasting(file)}`, { input, timeoutMs: LONG_ENOUGH_MS })).rejects.toThrow();
    await untilGone(await pidIn(file));
  });

  it('has its source closed when it does not read it', async () => {
    const shell = await localShell();
    const source = new Readable({
      read() {
        this.push(Buffer.alloc(65_536));
      },
    });
    const input = { sizeBytes: 1e9, open: () => source };
    await expect(shell.run('sleep 10', { input, timeoutMs: 200 })).rejects.toThrow(RemoteTimeoutError);
    await vi.waitUntil(() => source.destroyed, { timeout: 2_000 });
  });

  it('takes its shell with it: later scripts fail at once', async () => {
    const shell = await localShell();
    await expect(shell.run('sleep 300', { timeoutMs: 50 })).rejects.toThrow('longer than');
    await expect(shell.run('echo next')).rejects.toThrow('longer than');
  });
});

describe('a connection that ends', () => {
  it('gives a hang-up to the script that is under way', async () => {
    const shell = await localShell();
    const file = join(folder, 'close');
    const running = shell.run(lasting(file));
    running.catch(() => undefined);
    const pid = await pidIn(file);
    shell.close();
    await expect(running).rejects.toThrow('ended');
    await untilGone(pid);
  });

  it('does so too when the process at this end is killed', async () => {
    const file = join(folder, 'killed');
    const code = `
      import { createJiti } from 'jiti';
      const { localShell } = await createJiti(import.meta.url).import(${JSON.stringify(join(import.meta.dirname, 'local-shell.ts'))});
      await (await localShell()).run(${JSON.stringify(lasting(file))});`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
    const pid = await pidIn(file);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await untilGone(pid);
  });

  it('ends an idle shell quietly', async () => {
    const shell = await localShell();
    const pid = Number((await shell.run('echo $$')).stdout);
    shell.close();
    await untilGone(pid);
    await expect(shell.run(':')).rejects.toThrow('the shell ended');
  });
});

describe('an input that fails', () => {
  it('is an error with a cause when its source cannot be read, and the shell is not used again', async () => {
    const shell = await localShell();
    const input = {
      sizeBytes: 10,
      open: () => new Readable({ read: () => undefined }).destroy(new Error('disk gone')),
    };
    await expect(shell.run('cat', { input })).rejects.toThrow('disk gone');
    await expect(shell.run('cat', { input })).rejects.toBeInstanceOf(PlayError);
    await expect(shell.run('echo next', { timeoutMs: 2_000 })).rejects.toThrow();
  });

  it('is an error when its source is shorter than was said', async () => {
    const shell = await localShell();
    const input = { sizeBytes: 10, open: () => Readable.from([Buffer.from('abc')]) };
    await expect(shell.run('cat', { input })).rejects.toThrow('the source ended after 3 of 10 bytes');
  });

  it('is cut to the size that was said when its source is longer', async () => {
    const shell = await localShell();
    const input = { sizeBytes: 2, open: () => Readable.from([Buffer.from('abc'), Buffer.from('def')]) };
    expect((await shell.run('cat', { input })).stdout).toBe('ab');
    expect((await shell.run('echo next')).stdout).toBe('next\n');
    shell.close();
  });
});
