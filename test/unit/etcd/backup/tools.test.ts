import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { localTools } from '../../../../src/etcd/backup/tools.ts';

const VERSION = '3.5.30';
const { XDG_CACHE_HOME } = process.env;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tools-'));
  process.env.XDG_CACHE_HOME = join(folder, 'cache');
});
afterEach(() => {
  if (XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = XDG_CACHE_HOME;
  rmSync(folder, { recursive: true, force: true });
});

/** A release with programs that only end well. */
function makeRelease(): string {
  const name = `etcd-v${VERSION}-linux-${process.arch === 'arm64' ? 'arm64' : 'amd64'}`;
  const [made, kept] = [join(folder, name), join(folder, 'releases', `v${VERSION}`)];
  for (const path of [made, kept]) mkdirSync(path, { recursive: true });
  for (const program of ['etcd', 'etcdutl']) writeFileSync(join(made, program), '#!/bin/sh\n', { mode: 0o755 });
  const archive = join(kept, `${name}.tar.gz`);
  execFileSync('tar', ['-czf', archive, '-C', folder, name]);
  const sum = createHash('sha256').update(readFileSync(archive)).digest('hex');
  writeFileSync(join(kept, 'SHA256SUMS'), `${sum}  ${name}.tar.gz\n`);
  return join(folder, 'releases');
}

it('a release is unpacked once, and what a killed unpacking left goes after a day', async () => {
  const cache = join(folder, 'cache', 'etcd-play', 'etcd');
  const [old, young] = [join(cache, '.part-old'), join(cache, '.part-new')];
  for (const part of [old, young]) {
    mkdirSync(part, { recursive: true });
    writeFileSync(join(part, 'etcd'), 'half');
  }
  const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
  utimesSync(old, twoDaysAgo, twoDaysAgo);
  const request = { version: VERSION, releaseDir: makeRelease(), releaseUrl: 'http://127.0.0.1:1' };
  const tools = await localTools({ ...request, signal: new AbortController().signal });
  expect([existsSync(tools.etcd), existsSync(old), existsSync(young)]).toEqual([true, false, true]);
  expect(await localTools({ ...request, signal: new AbortController().signal })).toEqual(tools);
  expect(readdirSync(cache)).toHaveLength(2);
});
