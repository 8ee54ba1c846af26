import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './command.ts';
import type { Lab } from './lab.ts';
import { LabError } from './lab-error.ts';
import { withLock } from './lock.ts';
import { ensureOwnApt } from './own-apt.ts';
import { cacheDir, lockDir } from './places.ts';
import { ensureRoot } from './rootfs.ts';
import type { Suite } from './suite.ts';

/**
 * Gives a host a repository on its own disk, with packages of its Debian release and all that they need on a fresh host.
 * Nothing is installed, and apt on the host has not read the repository's list yet.
 */
export async function givePackages(lab: Lab, host: string, names: readonly string[]): Promise<void> {
  const { suite } = lab.hosts.find(({ name }) => name === host)!;
  const folder = await ensurePackageFolder(suite, names);
  await giveRepository(lab, host, folder);
}

/**
 * Gives a host the packages (`.deb`) of a folder of this machine as a repository, in place of what it had from here by the
 * same name.
 */
export async function giveRepository(lab: Lab, host: string, folder: string, name = 'debian'): Promise<void> {
  const folderOn = `/srv/${name}-packages`;
  const debs = (await readdir(folder)).filter((file) => file.endsWith('.deb'));
  const index = await Promise.all(debs.map((file) => packageStanza(folder, file)));
  // Whole at each moment: other hosts may be given the same folder right now.
  const made = `${folder}.Packages-${host}`;
  await writeFile(made, index.join('\n'));
  await rename(made, join(folder, 'Packages'));
  const script = [
    `rm -rf ${folderOn}; mkdir -p ${folderOn}; base64 -d | tar -C ${folderOn} -xf -`,
    `echo 'deb [trusted=yes] file:${folderOn} ./' >/etc/apt/sources.list.d/${name}.list`,
  ];
  const tar = await command('sh', ['-c', 'tar -C "$1" -cf - . | base64 -w 0', 'sh', folder]);
  const { code, stderr } = await lab.exec(host, `set -e; ${script.join('; ')}`, { input: tar });
  if (code !== 0) throw new LabError(`no packages on ${host}: ${stderr.trim()}`);
}

/** A folder of the cache with these packages and what they need beyond a fresh host. */
async function ensurePackageFolder(suite: Suite, names: readonly string[]): Promise<string> {
  const root = await ensureRoot(suite);
  const wanted = [...names].sort().join(' ');
  const recipe = createHash('sha256').update(`${root} ${wanted}`).digest('hex').slice(0, 10);
  const folder = join(cacheDir, 'packages', `${suite}-${recipe}`);
  return await withLock(join(lockDir, `.packages-${suite}`), async () => {
    const isThere = await readdir(folder).catch(() => []);
    if (isThere.length > 0) return folder;
    const dir = join(cacheDir, `apt-${suite}`);
    const config = await ensureOwnApt({ dir, suites: [suite], statusFile: join(root, 'var/lib/dpkg/status') });
    const building = `${folder}.building`;
    await command('rm', ['-rf', building]);
    await mkdir(join(building, 'partial'), { recursive: true });
    const options = [
      '-q',
      '-y',
      '--download-only',
      '--no-install-recommends',
      '-o',
      `Dir::Cache::archives=${building}`,
    ];
    await command('apt-get', [...options, 'install', ...names], { env: { APT_CONFIG: config } });
    await command('rm', ['-rf', join(building, 'partial'), join(building, 'lock')]);
    await rename(building, folder);
    return folder;
  });
}

/** What an index of a repository says of a package: its own fields, and where it lies. */
async function packageStanza(folder: string, name: string): Promise<string> {
  const bytes = await readFile(join(folder, name));
  const fields = await command('dpkg-deb', ['-f', join(folder, name)]);
  const sum = createHash('sha256').update(bytes).digest('hex');
  return `${fields.trim()}\nFilename: ./${name}\nSize: ${bytes.length}\nSHA256: ${sum}\n`;
}
