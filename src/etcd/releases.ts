import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.ts';
import { partName } from '../local/whole-file.ts';
import { inCache, keep, readIfThere, removeStale, syncDirectory } from './releases/cache.ts';
import { downloadProblem, openDownload, readAll } from './releases/download.ts';
import { isCutShort, sumIn, sumOf } from './releases/sums.ts';

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

const sumsName = 'SHA256SUMS';

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
  const { expected, source } = await expectedSum(
    request,
    dirname(archivePath),
    `Put the ${sumsName} of the release beside ${archivePath}.`,
  );
  const { sha256, sizeBytes } = await sumOf(archivePath, request.signal);
  if (sha256 !== expected) {
    const cut = (await isCutShort(archivePath)) ? 'is cut short' : 'has the wrong sum';
    throw new InputError(
      `${archivePath} ${cut}: sha256 ${sha256}, ${sizeBytes} bytes, where ${source} asks for ${expected}`,
      { next: 'It was left as it is. Delete it, and the next run downloads it; or put the right file in its place.' },
    );
  }
  return { version, arch, archivePath, sha256, sizeBytes };
}

/**
 * The sum that the archive must have: as written beside it, else in the release's directory, else downloaded to there.
 * @param next what to do when it cannot be downloaded.
 */
async function expectedSum(
  request: ReleaseRequest,
  besideDir: string,
  next: string,
): Promise<{ expected: string; source: string }> {
  const { version, arch, dir } = request;
  const file = releaseFileName(version, arch);
  const own = join(dir, `v${version}`, sumsName);
  for (const path of new Set([join(besideDir, sumsName), own])) {
    const expected = sumIn(await readIfThere(path), file);
    if (expected !== undefined) return { expected, source: path };
  }
  const url = `${request.url}/v${version}/${sumsName}`;
  const text = await readAll(url, request).catch((error: unknown) => {
    throw downloadProblem(error, url, next);
  });
  const expected = sumIn(text, file);
  if (expected === undefined) {
    throw new InputError(`${url} has no sum for ${file}`, {
      next: 'Check ETCD_VERSION and ETCD_RELEASE_URL: has this version been released for this architecture?',
    });
  }
  if (!existsSync(own)) await keep(own, text);
  return { expected, source: url };
}

async function download(request: ReleaseRequest, path: string): Promise<Release> {
  const { version, arch, dir } = request;
  const file = releaseFileName(version, arch);
  const url = `${request.url}/v${version}/${file}`;
  const next = `Put ${file} and its ${sumsName} into ${dir} (from a machine that reaches ${url}), or set ETCD_RELEASE_URL.`;
  const { expected, source } = await expectedSum(request, dirname(path), next);
  await inCache(dirname(path), () => removeStale(dirname(path)));
  const part = partName(path);
  try {
    const { sha256, sizeBytes } = await fetchInto(part, url, next, request);
    if (sha256 !== expected) {
      throw new InputError(
        `${url} has the wrong sum: sha256 ${sha256}, ${sizeBytes} bytes, where ${source} asks for ${expected}`,
        { next: `Nothing was kept. Try again; if it stays so, do not use this source. ${next}` },
      );
    }
    await inCache(path, () => rename(part, path));
    await syncDirectory(dirname(path));
    return { version, arch, archivePath: path, sha256, sizeBytes };
  } finally {
    await rm(part, { force: true });
  }
}

/** Downloads into a file of its own and takes the sum on the way; on disk when it returns. */
async function fetchInto(
  part: string,
  url: string,
  next: string,
  request: ReleaseRequest,
): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const body = await openDownload(url, request).catch((error: unknown) => {
    throw downloadProblem(error, url, next);
  });
  try {
    const handle = await inCache(part, () => open(part, 'wx', 0o644));
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
      await inCache(part, () => handle.sync());
    } finally {
      await handle.close();
    }
  } finally {
    body.close();
  }
  if (body.totalBytes !== undefined && sizeBytes !== body.totalBytes) {
    throw new InputError(`${url} was cut short: ${sizeBytes} of ${body.totalBytes} bytes came`, { next });
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}
