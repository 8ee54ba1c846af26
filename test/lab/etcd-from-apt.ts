import { chmod, copyFile, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { command, tryCommand } from './command.ts';
import { withLock } from './lock.ts';
import { ensureOwnApt } from './own-apt.ts';
import { cacheDir, lockDir } from './places.ts';

const suitesWithEtcd = ['bullseye', 'bookworm', 'trixie', 'sid'];
const aptDir = join(cacheDir, 'apt');

/** etcd's binaries out of Debian's packages etcd-server and etcd-client, of whichever Debian has this version. */
export async function fetchWithApt(version: string, folder: string): Promise<{ origin: string } | { cannot: string }> {
  return await withLock(join(lockDir, '.etcd-apt'), async () => {
    const config = await ensureOwnApt({ dir: aptDir, suites: suitesWithEtcd });
    const env = { APT_CONFIG: config };
    const offered = await versionsOf('etcd-server', env);
    // Debian adds its own mark to etcd's version: 3.5.16+ds-4+b1, 3.4.23+dfsg-4.
    const full = offered.find((v) => v.split(/[+~-]/)[0] === version);
    if (!full) {
      return { cannot: `Debian has no package of it (it has ${offered.map((v) => v.split(/[+~-]/)[0]).join(', ')})` };
    }
    const work = join(aptDir, 'work');
    await command('rm', ['-rf', work]);
    await mkdir(join(work, 'tree'), { recursive: true });
    // Debian 11's etcd-client is of the same source, so of the same version.
    await command('apt-get', ['download', `etcd-server=${full}`, `etcd-client=${full}`], { cwd: work, env });
    for (const deb of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
      await command('dpkg-deb', ['-x', join(work, deb), join(work, 'tree')]);
    }
    for (const binary of ['etcd', 'etcdctl', 'etcdutl']) {
      const from = join(work, 'tree/usr/bin', binary);
      // etcdutl came with 3.5.
      if (binary === 'etcdutl' && !(await stat(from).catch(() => undefined))) continue;
      await copyFile(from, join(folder, binary));
      await chmod(join(folder, binary), 0o755);
    }
    await command('rm', ['-rf', work]);
    return { origin: `Debian's etcd-server ${full}` };
  });
}

async function versionsOf(name: string, env: Record<string, string>): Promise<string[]> {
  const madison = await tryCommand('apt-cache', ['madison', name], { env });
  const lines = madison.stdout.split('\n').filter((line) => line.includes(' Packages'));
  return [...new Set(lines.map((line) => line.split('|')[1]!.trim()))];
}
