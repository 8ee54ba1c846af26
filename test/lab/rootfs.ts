import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { archiveKeyring, machineAptSettings, machineMirror } from './apt.ts';
import { tryCommand } from './command.ts';
import { LabError } from './lab-error.ts';
import { withLock } from './lock.ts';
import { lockDir, rootsDir, script } from './places.ts';
import { type Suite, suites } from './suite.ts';
import { carefulPassword } from './users.ts';

/** What `play` itself needs of a host is sshd, sh, coreutils and systemd; the rest makes it a usual server. */
const packages = [
  'systemd',
  'systemd-sysv',
  'dbus',
  'openssh-server',
  'iproute2',
  'procps',
  'passwd',
  'sudo',
  'ca-certificates',
  'tar',
  'gzip',
  // Only for comparing with Ansible, which runs Python on its hosts. Nothing of etcd-play uses it.
  'python3',
];

/**
 * The read-only root of a Debian release, built by mmdebstrap when the cache has none yet (about half a minute). Its name
 * holds a hash of the recipe, so a changed recipe makes a new root. Safe for several processes at once.
 */
export async function ensureRoot(suite: Suite, note: (text: string) => void = () => {}): Promise<string> {
  const recipe = createHash('sha256')
    .update(JSON.stringify([packages, carefulPassword]))
    .update(await readFile(script('rootfs-setup.sh')))
    .digest('hex')
    .slice(0, 10);
  const root = join(rootsDir, `${suite}-${recipe}`);
  if (await exists(root)) return root;
  await mkdir(rootsDir, { recursive: true });
  return await withLock(join(lockDir, `.root-${suite}`), async () => {
    if (await exists(root)) return root;
    await removeHalfBuilt(suite);
    note(`building a root file system of Debian ${suites[suite]} (${suite}): once, about half a minute`);
    const building = join(rootsDir, `${suite}.building-${process.pid}`);
    await build(suite, building);
    await rename(building, root);
    return root;
  });
}

async function build(suite: Suite, target: string): Promise<void> {
  const mirror = await machineMirror();
  const settings = `${target}.apt`;
  await writeFile(settings, await machineAptSettings(), { mode: 0o600 });
  const result = await tryCommand(
    'mmdebstrap',
    [
      '--mode=root',
      '--variant=minbase',
      '--format=directory',
      `--include=${packages.join(',')}`,
      `--aptopt=${settings}`,
      '--dpkgopt=path-exclude=/usr/share/man/*',
      '--dpkgopt=path-exclude=/usr/share/locale/*',
      '--dpkgopt=path-exclude=/usr/share/doc/*',
      '--customize-hook=sh "$LAB_SETUP" "$1"',
      suite,
      target,
      `deb [signed-by=${archiveKeyring}] ${mirror} ${suite} main`,
    ],
    { env: { LAB_SETUP: script('rootfs-setup.sh'), LAB_CAREFUL_PASSWORD: carefulPassword, TMPDIR: '/tmp' } },
  );
  await tryCommand('rm', ['-f', settings]);
  if (result.code !== 0) {
    await removeTree(target);
    throw new LabError(
      `mmdebstrap could not build ${suite} from this machine's mirror:\n${result.stderr.trim().split('\n').slice(-12).join('\n')}`,
      { next: `see that the mirror in this machine's apt sources has the suite "${suite}"` },
    );
  }
}

/** What a builder left that was killed: nobody else builds this suite now, since we hold its lock. */
async function removeHalfBuilt(suite: Suite): Promise<void> {
  for (const name of await readdir(rootsDir)) {
    if (name.startsWith(`${suite}.building-`)) await removeTree(join(rootsDir, name));
  }
}

/** Never goes into what may still be mounted below. */
async function removeTree(path: string): Promise<void> {
  await tryCommand('rm', ['-rf', '--one-file-system', path]);
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
