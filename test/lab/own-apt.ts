import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { archiveKeyring, machineMirror } from './apt.ts';
import { tryCommand } from './command.ts';
import { ensurePackages } from './packages.ts';

const listsAgeMs = 24 * 3_600_000;

export interface OwnApt {
  /** Where its lists and what it downloads lie. */
  dir: string;
  /** Releases of Debian that it sees. */
  suites: readonly string[];
  /** What it takes for installed: a status file of dpkg. Default: nothing. */
  statusFile?: string;
}

/**
 * The configuration file of an apt of the lab's own, that sees these releases of Debian through the machine's mirror and
 * settings. The machine's own packages stay out of it.
 */
export async function ensureOwnApt({ dir, suites, statusFile }: OwnApt): Promise<string> {
  const config = join(dir, 'apt.conf');
  await ensurePackages(['debian-archive-keyring']);
  const mirror = await machineMirror();
  for (const path of ['state/lists/partial', 'cache/archives/partial']) {
    await mkdir(join(dir, path), { recursive: true });
  }
  const sources = suites.map((suite) => `deb [signed-by=${archiveKeyring}] ${mirror} ${suite} main`);
  await writeFile(join(dir, 'sources.list'), `${sources.join('\n')}\n`, { mode: 0o600 });
  if (statusFile === undefined) await writeFile(join(dir, 'status'), '');
  const settings = {
    'Dir::State': join(dir, 'state'),
    'Dir::State::status': statusFile ?? join(dir, 'status'),
    'Dir::Cache': join(dir, 'cache'),
    'Dir::Etc::sourcelist': join(dir, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::Etc::preferences': '-',
    'Dir::Etc::preferencesparts': '-',
    'APT::Sandbox::User': 'root',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";`);
  await writeFile(config, `${lines.join('\n')}\n`);
  const fresh = join(dir, 'updated');
  const age = Date.now() - ((await stat(fresh).catch(() => undefined))?.mtimeMs ?? 0);
  if (age > listsAgeMs) {
    // A suite the mirror does not carry must not hide the others: apt keeps what it got.
    const result = await tryCommand('apt-get', ['update', '-q'], { env: { APT_CONFIG: config } });
    await writeFile(fresh, result.stderr);
  }
  return config;
}
