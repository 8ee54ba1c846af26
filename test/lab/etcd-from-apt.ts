import { chmod, copyFile, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { archiveKeyring, machineMirror } from './apt.ts';
import { command, tryCommand } from './command.ts';
import { withLock } from './lock.ts';
import { ensurePackages } from './packages.ts';
import { cacheDir, lockDir } from './places.ts';

const suitesWithEtcd = ['bullseye', 'bookworm', 'trixie', 'sid'];
const aptDir = join(cacheDir, 'apt');
const listsAgeMs = 24 * 3_600_000;

/** etcd's binaries out of Debian's packages etcd-server and etcd-client, of whichever Debian has this version. */
export async function fetchWithApt(version: string, folder: string): Promise<{ origin: string } | { cannot: string }> {
  return await withLock(join(lockDir, '.etcd-apt'), async () => {
    const config = await ensureApt();
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

/** An apt of the lab's own that sees all releases of Debian, through the machine's mirror and settings. */
async function ensureApt(): Promise<string> {
  const config = join(aptDir, 'apt.conf');
  await ensurePackages(['debian-archive-keyring']);
  const mirror = await machineMirror();
  for (const path of ['state/lists/partial', 'cache/archives/partial']) {
    await mkdir(join(aptDir, path), { recursive: true });
  }
  const sources = suitesWithEtcd.map((suite) => `deb [signed-by=${archiveKeyring}] ${mirror} ${suite} main`);
  await writeFile(join(aptDir, 'sources.list'), `${sources.join('\n')}\n`, { mode: 0o600 });
  await writeFile(join(aptDir, 'status'), '');
  const settings = {
    'Dir::State': join(aptDir, 'state'),
    'Dir::State::status': join(aptDir, 'status'),
    'Dir::Cache': join(aptDir, 'cache'),
    'Dir::Etc::sourcelist': join(aptDir, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::Etc::preferences': '-',
    'Dir::Etc::preferencesparts': '-',
    'APT::Sandbox::User': 'root',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";`);
  await writeFile(config, `${lines.join('\n')}\n`);
  const fresh = join(aptDir, 'updated');
  const age = Date.now() - ((await stat(fresh).catch(() => undefined))?.mtimeMs ?? 0);
  if (age > listsAgeMs) {
    // A suite the mirror does not carry must not hide the others: apt keeps what it got.
    const result = await tryCommand('apt-get', ['update', '-q'], { env: { APT_CONFIG: config } });
    await writeFile(fresh, result.stderr);
  }
  return config;
}

async function versionsOf(name: string, env: Record<string, string>): Promise<string[]> {
  const madison = await tryCommand('apt-cache', ['madison', name], { env });
  const lines = madison.stdout.split('\n').filter((line) => line.includes(' Packages'));
  return [...new Set(lines.map((line) => line.split('|')[1]!.trim()))];
}
