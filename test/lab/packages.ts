import { join } from 'node:path';
import { command, tryCommand } from './command.ts';
import { LabError } from './lab-error.ts';
import { withLock } from './lock.ts';
import { lockDir } from './places.ts';

const aptLock = join(lockDir, '.apt');
const known = new Set<string>();

/** Installs the Debian packages that are not there yet, by the machine's own apt. */
export async function ensurePackages(names: readonly string[]): Promise<void> {
  if ((await missing(names)).length === 0) return;
  await withLock(aptLock, async () => {
    const wanted = await missing(names);
    if (wanted.length === 0) return;
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    const install = () => tryCommand('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...wanted], { env });
    // First with the lists as they are; a machine that has none, or stale ones, gets them now.
    let result = await install();
    if (result.code !== 0) {
      await command('apt-get', ['update', '-q'], { env });
      result = await install();
    }
    if (result.code !== 0) {
      throw new LabError(`cannot install ${wanted.join(', ')}: ${result.stderr.trim()}`, {
        next: 'install these packages by hand, then run this again',
      });
    }
  });
}

async function missing(names: readonly string[]): Promise<string[]> {
  const unsure = names.filter((name) => !known.has(name));
  if (unsure.length === 0) return [];
  const format = '${Package} ${db:Status-Status}\n';
  const { stdout } = await tryCommand('dpkg-query', ['-W', '-f', format, ...unsure]);
  for (const line of stdout.split('\n')) {
    const [name, status] = line.split(' ');
    if (name && status === 'installed') known.add(name);
  }
  return unsure.filter((name) => !known.has(name));
}
