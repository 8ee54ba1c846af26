import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import type { Connection } from '../../src/connection/connection.ts';
import { RemoteTimeoutError } from '../../src/connection/errors.ts';

export interface Subject {
  /** A new connection, as the user that the other end gives it. */
  connect(): Promise<Connection>;
  /** A TCP port at the other end that says something first, as seen from there. */
  greeter(): { port: number; greeting: RegExp };
}

const input = (bytes: Buffer) => ({ sizeBytes: bytes.length, open: () => Readable.from([bytes]) });

/** What every kind of connection does, whatever is at its other end. Called inside a `describe`. */
export function connectionSuite({ connect, greeter }: Subject): void {
  const using = async (work: (connection: Connection) => Promise<void>) => {
    const connection = await connect();
    try {
      await work(connection);
    } finally {
      connection.close();
    }
  };

  it.each([
    [
      'an exit status and both streams apart',
      'echo out; echo err >&2; exit 7',
      { code: 7, stdout: 'out\n', stderr: 'err\n' },
    ],
    ['output without a newline at its end', 'printf a; printf b >&2', { code: 0, stdout: 'a', stderr: 'b' }],
    ['quotes of every kind', `printf '%s' "it's \\"so\\" \\$x"`, { code: 0, stdout: `it's "so" $x`, stderr: '' }],
    ['an empty standard input', 'cat; echo end', { code: 0, stdout: 'end\n', stderr: '' }],
    [
      'the same locale, mask and folder',
      'echo "$LC_ALL $(umask) $(pwd)"',
      { code: 0, stdout: 'C 0022 /\n', stderr: '' },
    ],
    ['text in UTF-8', "printf 'grüße ✓'", { code: 0, stdout: 'grüße ✓', stderr: '' }],
    ['a script that is no shell', 'if then (((', { code: 2, stdout: '' }],
  ])('carries %s', (_, script, expected) =>
    using(async (connection) => {
      expect(await connection.run(script)).toMatchObject(expected);
      expect((await connection.run('echo next')).stdout).toBe('next\n');
    }),
  );

  it('carries an input byte for byte, read or not', () =>
    using(async (connection) => {
      const bytes = randomBytes(2_000_003);
      const { stdout } = await connection.run('sha256sum', { input: input(bytes) });
      expect(stdout.slice(0, 64)).toBe(createHash('sha256').update(bytes).digest('hex'));
      expect((await connection.run('exit 3', { input: input(bytes) })).code).toBe(3);
      expect((await connection.run('echo next')).stdout).toBe('next\n');
    }));

  it('brings back three megabytes whole', () =>
    using(async (connection) => {
      const { stdout } = await connection.run('head -c 3000000 /dev/zero | tr "\\0" x');
      expect(stdout.length).toBe(3_000_000);
    }));

  it('gives an output away as it comes, byte for byte, and takes an input meanwhile', () =>
    using(async (connection) => {
      const bytes = randomBytes(9_000_001);
      const hash = createHash('sha256');
      const seen: number[] = [];
      const output = {
        write: (piece: Buffer) => {
          hash.update(piece);
          seen.push(piece.length);
          return undefined;
        },
      };
      const result = await connection.run('cat; echo aside >&2; exit 7', { input: input(bytes), output });
      expect(result).toMatchObject({ code: 7, stdout: '', stderr: 'aside\n' });
      expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
      expect(Math.max(...seen)).toBeLessThan(1 << 20);
      expect((await connection.run('echo next')).stdout).toBe('next\n');
    }));

  it('holds the host back while an output is not taken', () =>
    using(async (connection) => {
      let taken = 0;
      let go = () => {};
      const full = new Promise<void>((resolve) => {
        go = resolve;
      });
      const output = {
        write: (piece: Buffer) => {
          taken += piece.length;
          return taken < 100_000 ? undefined : full;
        },
      };
      const running = connection.run('head -c 100000000 /dev/zero', { output });
      await expect.poll(() => taken).toBeGreaterThanOrEqual(100_000);
      const before = process.memoryUsage().arrayBuffers;
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(taken).toBeLessThan(1_000_000);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8_000_000);
      go();
      await running;
      expect(taken).toBe(100_000_000);
      expect((await connection.run('echo next')).stdout).toBe('next\n');
    }));

  it('ends a script whose output cannot be kept, and says why', () =>
    using(async (connection) => {
      const output = { write: () => Promise.reject(new Error('disk full')) };
      const failure = connection.run('cat /dev/zero', { output });
      await expect(failure).rejects.toThrow('what came cannot be kept: disk full');
      await expect(failure).rejects.toMatchObject({ host: connection.host });
      await expect(connection.run('echo next')).rejects.toThrow();
    }));

  it('runs scripts given at once one after the other, one round trip each', () =>
    using(async (connection) => {
      const before = connection.roundTrips;
      const results = await Promise.all([1, 2, 3].map((n) => connection.run(`echo ${n}`)));
      expect(results.map(({ stdout }) => stdout)).toEqual(['1\n', '2\n', '3\n']);
      expect(connection.roundTrips - before).toBe(3);
    }));

  it('ends a script that takes too long there too, and is of no use after that', () =>
    using(async (connection) => {
      const name = `lasting-${randomBytes(6).toString('hex')}`;
      const failure = connection.run(`sh -c 'sleep 300; : ${name}'`, { timeoutMs: 300 });
      await expect(failure).rejects.toThrow(RemoteTimeoutError);
      await expect(failure).rejects.toMatchObject({ host: connection.host });
      await expect(connection.run('echo next')).rejects.toThrow();
      // The bracket keeps the search from finding itself.
      const search = `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c '[l]${name.slice(1)}'`;
      await using(async (second) => {
        await expect.poll(async () => (await second.run(search)).stdout).toBe('0\n');
      });
    }));

  it('fails what is under way when it is closed', () =>
    using(async (connection) => {
      const running = connection.run('sleep 300');
      setTimeout(() => connection.close(), 100);
      await expect(running).rejects.toMatchObject({ host: connection.host });
    }));

  it('opens streams to ports as seen from there, and says so when nothing listens', () =>
    using(async (connection) => {
      const { port, greeting } = greeter();
      const stream = await connection.openStream('127.0.0.1', port);
      const said = await new Promise((resolve) => stream.once('data', (data) => resolve(String(data))));
      expect(said).toMatch(greeting);
      stream.destroy();
      await expect(connection.openStream('127.0.0.1', 1)).rejects.toMatchObject({
        name: 'TunnelError',
        host: connection.host,
      });
    }));
}
