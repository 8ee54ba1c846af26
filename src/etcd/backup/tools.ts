import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { PlayError } from '../../errors.ts';
import { removeStale, UNPACKING } from '../releases/cache.ts';
import { type Architecture, obtainRelease } from '../releases.ts';
import { compareVersions, minorOf, parseVersion } from '../versions.ts';
import { lastWords, runHere } from './command.ts';

/** etcd's own programs, unpacked on this machine. */
export interface EtcdTools {
  version: string;
  etcd: string;
  /** The one that reads and restores snapshots: `etcdutl` from 3.5 on, `etcdctl` before. */
  snapshot: string;
}

export interface ToolsRequest {
  version: string;
  releaseDir: string;
  releaseUrl: string;
  signal: AbortSignal;
}

/**
 * etcd's programs of a version from its release, unpacked into the user's cache once and run to see that they can be.
 * @throws PlayError saying why this machine cannot run them.
 */
export async function localTools({ version, releaseDir, releaseUrl, signal }: ToolsRequest): Promise<EtcdTools> {
  const arch = architectureHere();
  if (!arch) throw new PlayError(`etcd ${version} has no release for ${process.platform} ${process.arch}`);
  const release = await obtainRelease({ version, arch, dir: releaseDir, url: releaseUrl, signal });
  const folder = join(cacheFolder(), `v${version}-${arch}-${release.sha256.slice(0, 12)}`);
  if (!existsSync(folder)) await unpack(release.archivePath, folder, signal);
  const tools = {
    version,
    etcd: join(folder, 'etcd'),
    snapshot: join(folder, compareVersions(version, '3.5.0') >= 0 ? 'etcdutl' : 'etcdctl'),
  };
  for (const program of [tools.etcd, tools.snapshot]) {
    const said = await runHere(program, [program.endsWith('etcd') ? '--version' : 'version'], signal);
    if (said.code !== 0) throw new PlayError(`${program} does not run on this machine: ${lastWords(said)}`);
  }
  return tools;
}

/**
 * The programs that fit a snapshot: those of the version that gave it, else the newest of its minor version that is at hand,
 * else those of `otherwise`.
 */
export async function fittingTools(
  { version, clusterVersion }: { version: string | undefined; clusterVersion: string | undefined },
  request: Omit<ToolsRequest, 'version'> & { otherwise: string },
): Promise<EtcdTools> {
  const minor = minorOf(version ?? clusterVersion ?? request.otherwise);
  const atHand = await releasesIn(request.releaseDir);
  const wanted = [
    version,
    ...fitting(atHand, minor),
    ...(minorOf(request.otherwise) === minor ? [request.otherwise] : []),
  ];
  const [first] = wanted.flatMap((one) => one ?? []).filter((one) => one === request.otherwise || atHand.includes(one));
  return localTools({ ...request, version: first ?? version ?? request.otherwise });
}

/** Versions of a minor version, the newest first. */
function fitting(versions: readonly string[], minor: string | undefined): string[] {
  return versions.filter((one) => minorOf(one) === minor).toSorted((a, b) => compareVersions(b, a));
}

async function releasesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.flatMap((name) => parseVersion(name)?.text ?? []);
}

function architectureHere(): Architecture | undefined {
  if (process.platform !== 'linux') return undefined;
  return process.arch === 'x64' ? 'amd64' : process.arch === 'arm64' ? 'arm64' : undefined;
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'etcd-play', 'etcd');
}

/** All there or not at all: another run may be at it too. */
async function unpack(archive: string, folder: string, signal: AbortSignal): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true, mode: 0o700 });
  await removeStale(cacheFolder());
  const part = await mkdtemp(join(cacheFolder(), UNPACKING));
  try {
    const said = await runHere('tar', ['-xzf', archive, '-C', part, '--strip-components=1', '--no-same-owner'], signal);
    if (said.code !== 0) throw new PlayError(`${archive} cannot be unpacked: ${lastWords(said)}`);
    await rename(part, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}
