import { spawn, spawnSync } from 'node:child_process';
import { Duplex } from 'node:stream';
import zlib from 'node:zlib';
import { PlayError } from '../../errors.ts';

/** Node has it from 22.15 on; before that the program `zstd` does it. */
const native = zlib as typeof zlib & { createZstdCompress?(): Duplex; createZstdDecompress?(): Duplex };

export function zstdAvailable(): boolean {
  return native.createZstdCompress !== undefined || spawnSync('zstd', ['--version']).status === 0;
}

export function zstdCompress(): Duplex {
  return native.createZstdCompress?.() ?? program(['-q', '-3', '-T0', '-c']);
}

export function zstdDecompress(): Duplex {
  return native.createZstdDecompress?.() ?? program(['-q', '-d', '-c']);
}

/** A program that reads one stream and writes another; its failure is the stream's. */
function program(args: readonly string[]): Duplex {
  const child = spawn('zstd', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    words = `${words}${chunk}`.slice(-500);
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (cause) => {
      reject(new PlayError('zstd cannot be run', { cause, next: 'Install the program zstd on this machine.' }));
    });
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`zstd: ${words.trim() || `ended with ${code}`}`));
    });
  });
  ended.catch(() => undefined);
  // Its own words come with its end; a broken pipe only says that it has ended.
  child.stdin.on('error', () => undefined);
  async function* output(): AsyncGenerator<Buffer> {
    yield* child.stdout;
    await ended;
  }
  async function input(pieces: AsyncIterable<Buffer>): Promise<void> {
    for await (const piece of pieces) {
      if (child.stdin.write(piece)) continue;
      await Promise.race([new Promise((resolve) => child.stdin.once('drain', resolve)), ended]);
    }
    child.stdin.end();
  }
  const both = Duplex.from(async function* (pieces: AsyncIterable<Buffer>) {
    const fed = input(pieces);
    fed.catch(() => child.kill('SIGKILL'));
    yield* output();
    await fed;
  });
  both.once('close', () => child.kill('SIGKILL'));
  return both;
}
