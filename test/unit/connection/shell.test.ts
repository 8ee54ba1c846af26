import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/connection/connection.ts';
import { connectLocal } from '../../../src/connection/local.ts';
import { connectionSettings } from '../../../src/connection/settings.ts';
import { FramedShell } from '../../../src/connection/shell.ts';

let shell: Connection;
beforeAll(async () => {
  const vars = new Map([['ansible_connection', { value: 'local', origin: { file: 'test', line: 1 } }]]);
  shell = await connectLocal(connectionSettings('here', vars, { become: false }));
});
afterAll(() => shell.close());

describe('a framed shell', () => {
  it.each([
    ['an ordinary command', 'echo hello', { code: 0, stdout: 'hello\n', stderr: '' }],
    ['no output', ':', { code: 0, stdout: '', stderr: '' }],
    ['output without a newline at its end', 'printf a; printf b >&2', { code: 0, stdout: 'a', stderr: 'b' }],
    ['an exit status', 'exit 7', { code: 7, stdout: '', stderr: '' }],
    ['an exit under set -e', 'set -e; false; echo never', { code: 1, stdout: '', stderr: '' }],
    ['quotes of every kind', `printf '%s' "it's \\"so\\""`, { code: 0, stdout: `it's "so"`, stderr: '' }],
    ['newlines and here-documents', 'cat <<X\na\nb\nX\n', { code: 0, stdout: 'a\nb\n', stderr: '' }],
    ['a script that reads its standard input', 'cat; echo end', { code: 0, stdout: 'end\n', stderr: '' }],
  ])('carries %s', async (_, script, expected) => {
    const { code, stdout, stderr } = await shell.run(script);
    expect({ code, stdout, stderr }).toEqual(expected);
  });

  it('runs a script without a limit', async () => {
    expect((await shell.run('sleep 0.1; echo done', { timeoutMs: Number.POSITIVE_INFINITY })).stdout).toBe('done\n');
  });

  it('survives a script that is no shell at all', async () => {
    expect((await shell.run('if then (((')).code).not.toBe(0);
    expect((await shell.run('echo "unclosed')).code).not.toBe(0);
    expect((await shell.run('echo still here')).stdout).toBe('still here\n');
  });

  it('keeps variables, directories and traps of one script out of the next', async () => {
    await shell.run('x=1; cd /tmp; trap "echo trapped" EXIT; exec 2>&1');
    expect((await shell.run('echo "${x-unset} $(pwd)"')).stdout).toBe('unset /\n');
  });

  it('brings back a megabyte byte for byte', async () => {
    const { stdout } = await shell.run('head -c 1048576 /dev/zero | tr "\\0" x');
    expect(stdout.length).toBe(1048576);
  });

  it('feeds a script any bytes as its input, and runs the next script after it', async () => {
    const bytes = randomBytes(3_000_001);
    const input = { sizeBytes: bytes.length, open: () => Readable.from([bytes]) };
    const { stdout } = await shell.run('wc -c', { input });
    expect(Number(stdout)).toBe(bytes.length);
    expect((await shell.run('echo next')).stdout).toBe('next\n');
  });

  it('stays in step when a script does not read its input', async () => {
    const bytes = randomBytes(500_000);
    const input = { sizeBytes: bytes.length, open: () => Readable.from([bytes]) };
    expect((await shell.run('exit 3', { input })).code).toBe(3);
    expect((await shell.run('echo next')).stdout).toBe('next\n');
  });

  it('runs scripts given at once one after the other', async () => {
    const results = await Promise.all([1, 2, 3].map((n) => shell.run(`echo ${n}`)));
    expect(results.map((r) => r.stdout)).toEqual(['1\n', '2\n', '3\n']);
  });
});

describe('a shell that has ended before it was written to', () => {
  it('fails with the reason that comes a moment later, not with the closed stream', async () => {
    const stdin = new PassThrough();
    const ended = new FramedShell('h1', { stdin, stdout: new PassThrough(), stderr: new PassThrough() });
    stdin.end();
    const run = ended.run('echo');
    setTimeout(() => ended.fail(new Error('may not become root')), 20);
    await expect(run).rejects.toThrow('may not become root');
  });

  it('fails as closed when no reason comes', async () => {
    const stdin = new PassThrough();
    const ended = new FramedShell('h1', { stdin, stdout: new PassThrough(), stderr: new PassThrough() });
    stdin.end();
    await expect(ended.run('echo')).rejects.toMatchObject({ message: 'the connection is closed', host: 'h1' });
  });
});
