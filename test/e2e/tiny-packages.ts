import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { command } from '../lab/command.ts';

/** A package for dpkg that holds next to nothing. */
export interface TinyPackage {
  name: string;
  version: string;
  /** Further fields, such as `Provides`. */
  fields?: Readonly<Record<string, string>>;
  /** What it installs, by path; what lies in /etc is its configuration. */
  files?: Readonly<Record<string, string>>;
  /** What is run when it has been unpacked. */
  postinst?: string;
}

/** Builds a `.deb` into a folder. */
export async function buildDeb(folder: string, { name, version, fields, files, postinst }: TinyPackage): Promise<void> {
  const tree = join(folder, `${name}_${version}`);
  const control = {
    Package: name,
    Version: version,
    Architecture: 'all',
    Maintainer: 'nobody <nobody@example.com>',
    Description: 'for tests',
    ...fields,
  };
  const lines = Object.entries(control).map(([key, value]) => `${key}: ${value}\n`);
  await put(join(tree, 'DEBIAN/control'), lines.join(''));
  if (postinst) await put(join(tree, 'DEBIAN/postinst'), postinst, 0o755);
  for (const [path, text] of Object.entries(files ?? {})) await put(join(tree, path), text);
  const configuration = Object.keys(files ?? {}).filter((path) => path.startsWith('/etc/'));
  await put(join(tree, 'DEBIAN/conffiles'), configuration.map((path) => `${path}\n`).join(''));
  await command('dpkg-deb', ['--build', '--root-owner-group', '-Zgzip', tree, `${tree}_all.deb`]);
}

async function put(path: string, text: string, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await writeFile(path, text, { mode });
}
