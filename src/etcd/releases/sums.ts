import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { inCache } from './cache.ts';

/** The sum of a file in the manner of sha256sum: `<hex>  <name>`, with `*` before the name or a directory in it. */
export function sumIn(text: string | undefined, file: string): string | undefined {
  for (const line of text?.split('\n') ?? []) {
    const [, sum, name] = /^([0-9a-fA-F]{64})\s+\*?(.+?)\s*$/.exec(line) ?? [];
    if (sum !== undefined && name?.split('/').at(-1) === file) return sum.toLowerCase();
  }
  return undefined;
}

export async function sumOf(path: string, signal?: AbortSignal): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  await inCache(path, async () => {
    const chunks = createReadStream(path, { highWaterMark: 1024 ** 2, ...(signal && { signal }) });
    for await (const chunk of chunks as AsyncIterable<Buffer>) {
      hash.update(chunk);
      sizeBytes += chunk.length;
    }
  });
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** True if a gzip file ends before its end: the commonest reason for a wrong sum, and worth its own words. */
export async function isCutShort(path: string): Promise<boolean> {
  if ((await stat(path)).size === 0) return true;
  try {
    await pipeline(createReadStream(path), createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
      for await (const _ of chunks);
    });
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'Z_BUF_ERROR';
  }
}
