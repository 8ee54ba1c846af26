import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ReleaseServer, serveReleases } from '../../lab/release-server.ts';

let dir: string;
let server: ReleaseServer;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'release-server-'));
  await writeFile(join(dir, 'file.tar.gz'), 'abcdefgh');
  server = await serveReleases(dir);
});
afterEach(() => server.damage('.tar.gz', undefined));
afterAll(async () => {
  await server.close();
  await rm(dir, { recursive: true });
});

async function get(path: string, timeoutMs = 2000): Promise<string> {
  const response = await fetch(server.url + path, { signal: AbortSignal.timeout(timeoutMs) });
  return `${response.status} ${await response.text()}`;
}

test('a file is served as it is, and requests are counted', async () => {
  const before = server.requests.length;
  expect(await get('/file.tar.gz')).toBe('200 abcdefgh');
  expect(server.requests.slice(before)).toEqual(['/file.tar.gz']);
});

test('what is not there, or lies outside, is not found', async () => {
  expect(await get('/other')).toMatch(/^404/);
  expect(await get('/..%2f..%2fetc%2fpasswd')).toMatch(/^404/);
});

test('a response can be refused, shortened, changed, broken off or stalled', async () => {
  server.damage('.tar.gz', { status: 503 });
  expect(await get('/file.tar.gz')).toMatch(/^503/);
  server.damage('.tar.gz', { shortenToBytes: 3 });
  expect(await get('/file.tar.gz')).toBe('200 abc');
  server.damage('.tar.gz', { flipByteAt: 0 });
  expect(await get('/file.tar.gz')).toBe('200 `bcdefgh');
  server.damage('.tar.gz', { cutAfterBytes: 3 });
  await expect(get('/file.tar.gz')).rejects.toThrow(/terminated/);
  server.damage('.tar.gz', { stallAfterBytes: 3 });
  await expect(get('/file.tar.gz', 300)).rejects.toThrow(/timeout/i);
});

test('damage for one request heals by itself', async () => {
  server.damage('.tar.gz', { status: 500, times: 1 });
  expect(await get('/file.tar.gz')).toMatch(/^500/);
  expect(await get('/file.tar.gz')).toBe('200 abcdefgh');
});
