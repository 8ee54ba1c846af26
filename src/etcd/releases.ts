import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { InputError } from '../errors.ts';
import { downloadProblem, openDownload, readAll } from './releases/download.ts';

export type Architecture = 'amd64' | 'arm64';

/** An archive on the control machine whose sum has been checked just now. */
export interface Release {
  version: string;
  arch: Architecture;
  archivePath: string;
  /** Of the archive, in hex. */
  sha256: string;
  sizeBytes: number;
}

export interface ReleaseRequest {
  version: string;
  arch: Architecture;
  /** The cache: ETCD_RELEASE_DIR, absolute. */
  dir: string;
  /** ETCD_RELEASE_URL: releases lie at `<url>/v<version>/`. */
  url: string;
  signal?: AbortSignal;
  onProgress?: (doneBytes: number, totalBytes?: number) => void;
  /** How long a download may stand still. */
  stallMs?: number;
}

/** As etcd's own releases are named: `etcd-v3.5.16-linux-amd64.tar.gz`. */
export function releaseFileName(version: string, arch: Architecture): string {
  return `etcd-v${version}-linux-${arch}.tar.gz`;
}

/**
 * The archive of a release: from the cache, else downloaded into it. Its sum is checked each time. A file that is there
 * with a wrong sum is never replaced: it may be one that the user has put there, and a wrong sum deserves a look.
 * @throws InputError saying which file or address, what was found, and what to do.
 */
export async function obtainRelease(request: ReleaseRequest): Promise<Release> {
  const { version, arch, dir } = request;
  const file = releaseFileName(version, arch);
  const own = join(dir, `v${version}`, file);
  const archivePath = [own, join(dir, file)].find((path) => existsSync(path));
  if (archivePath === undefined) return download(request, own);
  const { expected, source } = await expectedSum(request, dirname(archivePath));
  const { sha256, sizeBytes } = await sumOf(archivePath, request);
  if (sha256 !== expected) {
    const cut = (await isCutShort(archivePath)) ? 'is cut short' : 'has the wrong sum';
    throw new InputError(
      `${archivePath} ${cut}: sha256 ${sha256}, ${sizeBytes} bytes, where ${source} asks for ${expected}`,
      { next: 'It was left as it is. Delete it, and the next run downloads it; or put the right file in its place.' },
    );
  }
  return { version, arch, archivePath, sha256, sizeBytes };
}

const sumsName = 'SHA256SUMS';

/** The sum that the archive must have: as written beside it, else in the release's directory, else downloaded. */
async function expectedSum(request: ReleaseRequest, besideDir: string): Promise<{ expected: string; source: string }> {
  const { version, arch, dir } = request;
  const file = releaseFileName(version, arch);
  const ownDir = join(dir, `v${version}`);
  for (const path of new Set([join(besideDir, sumsName), join(ownDir, sumsName)])) {
    const expected = sumIn(await readIfThere(path), file);
    if (expected !== undefined) return { expected, source: path };
  }
  const url = `${request.url}/v${version}/${sumsName}`;
  const text = await readAll(url, request).catch((error: unknown) => {
    throw downloadProblem(error, url, `Put ${sumsName} of the release beside ${join(besideDir, file)}.`);
  });
  const expected = sumIn(text, file);
  if (expected === undefined) {
    throw new InputError(`${url} has no sum for ${file}`, {
      next: 'Check ETCD_VERSION and ETCD_RELEASE_URL: has this version been released for this architecture?',
    });
  }
  await inCache(ownDir, async () => {
    await mkdir(ownDir, { recursive: true });
    const path = join(ownDir, sumsName);
    if (existsSync(path)) return;
    const part = partName(path);
    try {
      const handle = await open(part, 'wx', 0o644);
      await handle.writeFile(text);
      await handle.sync();
      await handle.close();
      await rename(part, path);
    } finally {
      await rm(part, { force: true });
    }
  });
  return { expected, source: url };
}

async function download(request: ReleaseRequest, path: string): Promise<Release> {
  const { version, arch, dir } = request;
  const file = releaseFileName(version, arch);
  const url = `${request.url}/v${version}/${file}`;
  const next = `Put ${file} and ${sumsName} into ${dir} (curl -fLO ${url}), or set ETCD_RELEASE_URL.`;
  const { expected, source } = await expectedSum(request, dirname(path)).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(error.message, {
      next: error.next?.startsWith('Put SHA256SUMS') ? next : error.next!,
      cause: error,
    });
  });
  await inCache(dirname(path), () => removeStale(dirname(path)));
  const part = partName(path);
  try {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const body = await openDownload(url, request).catch((error: unknown) => {
      throw downloadProblem(error, url, next);
    });
    const handle = await inCache(dirname(path), () => open(part, 'wx', 0o644));
    try {
      for (;;) {
        const chunk = await body.next().catch((error: unknown) => {
          throw downloadProblem(error, url, next, { doneBytes: sizeBytes, totalBytes: body.totalBytes });
        });
        if (chunk === undefined) break;
        hash.update(chunk);
        sizeBytes += chunk.length;
        await inCache(part, () => handle.writeFile(chunk));
        request.onProgress?.(sizeBytes, body.totalBytes);
      }
      if (body.totalBytes !== undefined && sizeBytes !== body.totalBytes) {
        throw new InputError(`${url} was cut short: ${sizeBytes} of ${body.totalBytes} bytes came`, { next });
      }
      await inCache(part, () => handle.sync());
    } finally {
      body.close();
      await handle.close();
    }
    const sha256 = hash.digest('hex');
    if (sha256 !== expected) {
      throw new InputError(
        `${url} has the wrong sum: sha256 ${sha256}, ${sizeBytes} bytes, where ${source} asks for ${expected}`,
        { next: `Nothing was kept. Try again; if it stays so, do not use this source. ${next}` },
      );
    }
    await rename(part, path);
    await syncDirectory(dirname(path));
    return { version, arch, archivePath: path, sha256, sizeBytes };
  } finally {
    await rm(part, { force: true });
  }
}

/** The sum of a file in the manner of sha256sum: `<hex>  <name>`, with `*` before the name or a directory in it. */
function sumIn(text: string | undefined, file: string): string | undefined {
  for (const line of text?.split('\n') ?? []) {
    const [, sum, name] = /^([0-9a-fA-F]{64})\s+\*?(.+?)\s*$/.exec(line) ?? [];
    if (sum !== undefined && name?.split('/').at(-1) === file) return sum.toLowerCase();
  }
  return undefined;
}

async function sumOf(path: string, { signal }: ReleaseRequest): Promise<{ sha256: string; sizeBytes: number }> {
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
async function isCutShort(path: string): Promise<boolean> {
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

async function readIfThere(path: string): Promise<string | undefined> {
  if (!existsSync(path)) return undefined;
  return inCache(path, () => readFile(path, 'utf8'));
}

/** A name beside the file that no other process takes. */
function partName(path: string): string {
  return `${path}.${process.pid}-${randomBytes(4).toString('hex')}.part`;
}

/** Makes the directory, and removes what a killed download left there a day ago or earlier. */
async function removeStale(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const name of await readdir(dir)) {
    if (!/\.\d+-[0-9a-f]{8}\.part$/.test(name)) continue;
    const path = join(dir, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > 86_400_000) await rm(path, { force: true });
  }
}

async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Runs what touches the cache; a refusal of the file system is an error with the path and a way out. */
async function inCache<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why: Record<string, string> = {
      EACCES: 'permission denied',
      EPERM: 'permission denied',
      EROFS: 'the file system is read-only',
      ENOSPC: 'the disk is full',
      EDQUOT: 'the quota of the disk is used up',
      ENOTDIR: 'a part of the path is not a directory',
      EEXIST: 'a part of the path is not a directory',
      EISDIR: 'it is a directory',
    };
    const said = why[code ?? ''];
    if (said === undefined) throw error;
    throw new InputError(`the cache of releases cannot be used: ${path}: ${said}`, {
      next: 'Make room or put it right, or set ETCD_RELEASE_DIR to another directory.',
      cause: error,
    });
  }
}
