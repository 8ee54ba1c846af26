import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { command } from './command.ts';
import { fetchWithApt } from './etcd-from-apt.ts';
import { buildWithGo } from './etcd-from-go.ts';
import { LabError } from './lab-error.ts';
import { withLock } from './lock.ts';
import { lockDir, releasesDir, staticReleasesDir } from './places.ts';

export interface Release {
  version: string;
  /** `<cache>/releases/v3.5.16/etcd-v3.5.16-linux-amd64.tar.gz` */
  archive: string;
  /** Where its binaries came from, for a person to read; as it was noted when the release was made. */
  origin: string;
}

/** A source of etcd binaries: fills `folder` with them and says where from, or says why it cannot. */
export type EtcdSource = (version: string, folder: string) => Promise<{ origin: string } | { cannot: string }>;

type Note = (text: string) => void;

/**
 * A release of real etcd binaries in the layout of etcd's own: the archive and SHA256SUMS. Comes from Debian's packages
 * where a release of Debian has that version, else it is built from etcd's Go modules. Debian's binaries need a C library
 * no older than Debian 12's (3.3.25: Debian 11's). Safe for several processes at once.
 */
export async function ensureRelease(version: string, note: Note = () => {}): Promise<Release> {
  return await ensure(version, releasesDir, [fetchWithApt, buildWithGo], note);
}

/** The same with static binaries, as etcd's own releases have them: 3.5 and newer, and a Go toolchain is needed. */
export async function ensureStaticRelease(version: string, note: Note = () => {}): Promise<Release> {
  return await ensure(version, staticReleasesDir, [buildWithGo], note);
}

async function ensure(version: string, root: string, sources: readonly EtcdSource[], note: Note): Promise<Release> {
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    throw new LabError(`"${version}" is no version of etcd`, { next: 'write it like 3.5.16' });
  }
  const name = `etcd-v${version}-linux-${architecture()}`;
  const folder = join(root, `v${version}`);
  const archive = join(folder, `${name}.tar.gz`);
  const known = async (): Promise<Release | undefined> => {
    if (!(await isFile(join(folder, 'SHA256SUMS')))) return undefined;
    return { version, archive, origin: (await readFile(join(folder, 'ORIGIN'), 'utf8').catch(() => '')).trim() };
  };
  const present = await known();
  if (present) return present;
  return await withLock(join(lockDir, `.${basename(root)}-v${version}`), async () => {
    const meanwhile = await known();
    if (meanwhile) return meanwhile;
    note(`etcd ${version}: getting its binaries (from Debian a few seconds, built with Go some minutes)`);
    const work = await mkdtemp(join(tmpdir(), 'etcd-release-'));
    try {
      const origin = await collect(version, join(work, name), sources);
      await pack(work, name, folder, origin);
      return { version, archive, origin };
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
}

/** etcd's name for this machine's architecture, which is also Debian's. */
export function architecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

async function collect(version: string, folder: string, sources: readonly EtcdSource[]): Promise<string> {
  const reasons: string[] = [];
  for (const source of sources) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const result = await source(version, folder);
    if ('origin' in result) {
      await check(version, folder);
      return result.origin;
    }
    reasons.push(result.cannot);
  }
  throw new LabError(`etcd ${version} cannot be had here:\n${reasons.map((r) => `  - ${r}`).join('\n')}`);
}

/** The binaries must run here and be what they are called: a wrong one would make every test lie. */
async function check(version: string, folder: string): Promise<void> {
  const said = await command(join(folder, 'etcd'), ['--version']);
  if (!said.includes(`etcd Version: ${version}\n`)) {
    throw new LabError(`what should be etcd ${version} says: ${said.split('\n')[0]}`);
  }
}

/** The archive first, its sum last: a folder with SHA256SUMS is a complete one. */
async function pack(work: string, name: string, folder: string, origin: string): Promise<void> {
  const packed = join(work, `${name}.tar.gz`);
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name'];
  await command('tar', ['-C', work, ...owner, '-czf', packed, name]);
  const sum = createHash('sha256')
    .update(await readFile(packed))
    .digest('hex');
  await mkdir(folder, { recursive: true });
  // Through a name beside it, since the work folder may be on another file system.
  const archive = join(folder, `${name}.tar.gz`);
  await command('cp', [packed, `${archive}.new`]);
  await rename(`${archive}.new`, archive);
  await writeFile(join(folder, 'ORIGIN'), `${origin}\n`);
  await writeFile(join(folder, 'SHA256SUMS.new'), `${sum}  ${name}.tar.gz\n`);
  await rename(join(folder, 'SHA256SUMS.new'), join(folder, 'SHA256SUMS'));
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (s) => s.isFile(),
    () => false,
  );
}
