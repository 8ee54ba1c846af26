import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InputError } from '../errors.ts';
import { suggest } from '../inventory/suggest.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { Playbook } from '../runner/playbook.ts';
import { loadFault, missingImport } from './load-fault.ts';

const ENDINGS = ['.ts', '.mts', '.js', '.mjs'];

/** Finds a playbook by name in the folders, or by its path, and loads it as it is. @throws InputError. */
export async function loadPlaybook(name: string, folders: readonly string[]): Promise<Playbook> {
  return loadPlaybookFile(findPlaybook(name, folders));
}

/** Loads a playbook as it is. @throws InputError. */
export async function loadPlaybookFile(file: string): Promise<Playbook> {
  const loaded = await load(file).catch((error: unknown) => {
    throw loadFault(error, file);
  });
  const playbook = (loaded as { default?: Playbook }).default;
  if (typeof playbook?.plays === 'function' && typeof playbook.hosts === 'string') return playbook;
  const example = "export default playbook({ name: 'site', description: '…', hosts: 'all', plays: () => [] })";
  throw new InputError('a playbook file must export a playbook as its default', { file, next: `Write: ${example}` });
}

/** The file of a playbook, by its name in the folders or by its path. @throws InputError. */
export function findPlaybook(name: string, folders: readonly string[]): string {
  const isPath = name.includes('/') || ENDINGS.some((ending) => name.endsWith(ending));
  const bases = isPath ? [resolve(name)] : folders.map((folder) => join(folder, name));
  for (const base of bases) {
    const found = ['', ...ENDINGS].map((ending) => base + ending).find((file) => existsSync(file) && isFile(file));
    if (found) return found;
  }
  const known = [...new Set(folders.flatMap(playbooksIn).map((entry) => entry.name))];
  if (isPath) throw new InputError(`there is no playbook ${name}`, { next: 'Check the path.' });
  const near = suggest(name, known);
  const list = `There are: ${known.join(', ')}. Looked in: ${folders.join(', ')}`;
  throw new InputError(`there is no playbook ${name}`, { next: near ? `Did you mean ${near}? ${list}` : list });
}

/** The playbooks of a folder, by name; a folder that is not there has none. */
export function playbooksIn(folder: string): { name: string; file: string }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((entry) => ENDINGS.some((ending) => entry.endsWith(ending)) && !entry.endsWith('.d.ts'))
    .map((entry) => ({ name: basename(entry).replace(/\.[cm]?[jt]s$/, ''), file: join(folder, entry) }));
}

async function load(file: string): Promise<unknown> {
  const compiled = compiledTwin(file);
  if (compiled) return import(pathToFileURL(compiled).href);
  const [{ createJiti }, library, etcd] = await Promise.all([
    import('jiti'),
    import('../index.ts'),
    import('../etcd/index.ts'),
  ]);
  const modules = { 'etcd-play': { ...library }, 'etcd-play/etcd': { ...etcd } };
  const fault = missingImport(file, modules);
  if (fault) throw fault;
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const jiti = createJiti(import.meta.url, {
    // The playbook gets this very copy of the library: a second one would not know the errors of the first.
    virtualModules: modules,
    fsCache: join(cache, 'etcd-play', 'jiti'),
  });
  return jiti.import(file);
}

/** The package's own playbooks are compiled with it; from a checkout the compiled one counts only while it is newer. */
function compiledTwin(file: string): string | undefined {
  const real = realpathSync(file);
  const own = join(PACKAGE_ROOT, 'playbooks/');
  if (!real.startsWith(own) || !real.endsWith('.ts')) return undefined;
  const twin = join(PACKAGE_ROOT, 'dist', 'playbooks', `${real.slice(own.length, -'.ts'.length)}.js`);
  return existsSync(twin) && statSync(twin).mtimeMs >= statSync(real).mtimeMs ? twin : undefined;
}

function isFile(path: string): boolean {
  return statSync(path).isFile();
}
