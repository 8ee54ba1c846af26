import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { InputError } from '../errors.ts';
import type { Secret } from '../secret.ts';
import { assembleInventory } from './assemble.ts';
import type { DataOptions } from './data.ts';
import { descend } from './descend.ts';
import { readExtraVars } from './extra-vars.ts';
import { parseHostList } from './host-list.ts';
import { IMPLICIT_HOSTS } from './implicit.ts';
import type { Inventory } from './inventory.ts';
import { withLayers } from './layers.ts';
import { type IniDocument, parseIni } from './parse-ini.ts';
import { splitLines, strip } from './text.ts';
import { byCodePoint, readVariableFiles } from './variable-files.ts';
import { isVault } from './vault.ts';

const YAML_ENDINGS = ['.yml', '.yaml', '.json'];

/** What Ansible passes over in an inventory directory, beside hidden entries. */
const IGNORED = /^(?:group_vars|host_vars|vars_plugins)$|\.(?:pyc|pyo|swp|bak|rpm|md|txt|rst|orig|ini|cfg|retry)$|~$/;

export interface LoadOptions {
  /** Its `group_vars/` and `host_vars/` stand above those beside the inventory. */
  playbookDir?: string | undefined;
  /** As given with `-e`. */
  extraVars?: readonly string[];
  vaultPasswords?: readonly Secret[];
  /** Leaves `!vault` values closed where no password is given: for who only shows the inventory. */
  keepSealed?: boolean;
}

/**
 * Reads inventories, as given with `-i`, and puts them together in their order, with the variables in `group_vars/` and
 * `host_vars/` beside them. A source is an INI or YAML file, a directory of such, or, if it has a comma and is no file, a
 * list of hosts: `web1,web2`.
 *
 * @throws {InputError} for a source that is missing or cannot be read or parsed. (Ansible warns and goes on without it.)
 */
export async function loadInventory(sources: readonly string[], options: LoadOptions = {}): Promise<Inventory> {
  if (sources.length === 0) {
    throw new InputError('No inventory is given', { next: 'Name one with -i: -i inventory/hosts.ini' });
  }
  const data: DataOptions = { passwords: options.vaultPasswords ?? [], keepSealed: options.keepSealed ?? false };
  const loaded = await Promise.all(sources.map((source) => loadSource(source, data)));
  const inventory = assembleInventory(loaded.flatMap(({ documents }) => documents));
  const beside = loaded.flatMap(({ directory }) => directory ?? []);
  const playbookDirs = options.playbookDir === undefined ? [] : [options.playbookDir];
  const named = {
    groups: [...inventory.groups.keys()],
    hosts: new Set([...inventory.hosts.keys(), ...IMPLICIT_HOSTS]),
  };
  const files = await readVariableFiles([...beside, ...playbookDirs], named, data);
  const warnings = [...files.warnings];
  const extra = await readExtraVars(options.extraVars ?? [], data, warnings);
  const layered = withLayers(inventory, {
    inventory: files.folders.slice(0, beside.length),
    playbook: files.folders.slice(beside.length),
    extra,
  });
  return warnings.length === 0 ? layered : { ...layered, warnings: [...inventory.warnings, ...warnings] };
}

interface LoadedSource {
  documents: IniDocument[];
  /** Where `group_vars/` and `host_vars/` of the source are; a list of hosts has none. */
  directory?: string;
}

async function loadSource(source: string, data: DataOptions): Promise<LoadedSource> {
  const found = await stat(source).catch((error: unknown) => {
    if (source.includes(',') && codeOf(error) === 'ENOENT') return undefined;
    throw unreadable(source, error);
  });
  if (found === undefined) return { documents: [parseHostList(source)] };
  if (found.isDirectory()) return { documents: await loadDirectory(source, data), directory: source };
  return { documents: [await loadFile(source, data)], directory: dirname(source) };
}

/** All inventories in a directory and those below, in the order of their names. */
async function loadDirectory(
  directory: string,
  data: DataOptions,
  above: readonly string[] = [],
): Promise<IniDocument[]> {
  const within = await descend(directory, above);
  const entries = (await readdir(directory).catch((error) => Promise.reject(unreadable(directory, error)))).sort(
    byCodePoint,
  );
  const ignored = entries.filter((entry) => /\.(?:ini|cfg)$/.test(entry));
  const taken = entries.filter((entry) => !entry.startsWith('.') && !IGNORED.test(entry));
  if (taken.length === 0) {
    const next =
      ignored.length > 0
        ? `As in Ansible, files that end in .ini are passed over in a directory: name them with -i, or take the ending off`
        : 'Name a file with -i, or put one into the directory';
    throw new InputError('The directory holds no inventory', { file: directory, next });
  }
  const loaded = await Promise.all(
    taken.map(async (entry) => {
      const path = join(directory, entry);
      const isDirectory = (await stat(path).catch((error) => Promise.reject(unreadable(path, error)))).isDirectory();
      return isDirectory ? loadDirectory(path, data, within) : [await loadFile(path, data)];
    }),
  );
  const message = 'is passed over, as in Ansible, because it stands in an inventory directory; name it with -i';
  const warnings = ignored.map((entry) => ({ message, file: join(directory, entry), line: 1 }));
  return [{ file: directory, statements: [], warnings }, ...loaded.flat()];
}

async function loadFile(file: string, data: DataOptions): Promise<IniDocument> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw unreadable(file, error);
  }
  const text = decode(bytes, file);
  await refuseOtherFormats(text, file);
  if (isYaml(text, file)) {
    const { parseYamlInventory } = await import('./parse-yaml.ts');
    return parseYamlInventory(text, file, data);
  }
  const document = parseIni(text.replace(/^\ufeff/, ''), file);
  if (text.startsWith('\ufeff')) {
    const message =
      'the file begins with a byte order mark, which Ansible takes for part of the first line; save it without';
    document.warnings.unshift({ message, file, line: 1 });
  }
  return document;
}

/** By its ending; a file without one is YAML if its first line could not be INI. */
function isYaml(text: string, file: string): boolean {
  const ending = extname(file).toLowerCase();
  if (ending !== '') return YAML_ENDINGS.includes(ending);
  const first =
    splitLines(text)
      .map(strip)
      .find((line) => line !== '' && !/^[#;]/.test(line)) ?? '';
  return first === '---' || first.startsWith('{') || /^[^\s=[\]]+:(?:\s*#.*)?$/.test(first);
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function unreadable(file: string, cause: unknown): InputError {
  switch (codeOf(cause)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new InputError('The inventory does not exist', {
        file,
        cause,
        next: `Correct the path after -i, or create the file`,
      });
    case 'EACCES':
    case 'EPERM':
      return new InputError('The inventory may not be read', {
        file,
        cause,
        next: 'Give yourself the right to read the file',
      });
    default: {
      const reason = cause instanceof Error ? cause.message : String(cause);
      return new InputError(`The inventory cannot be read: ${reason}`, {
        file,
        cause,
        next: 'Correct the path after -i',
      });
    }
  }
}

/** UTF-8; as in Ansible, a comment may be in any encoding. */
function decode(bytes: Buffer, file: string): string {
  const text = bytes.toString('utf8');
  if (!text.includes('\ufffd')) return text;
  const lines = splitLines(text);
  const badLine = lines.findIndex((line) => line.includes('\ufffd') && !/^\s*[#;]/.test(line));
  // The character itself may be written in a file; then the bytes come back as they were.
  if (badLine < 0 || bytes.equals(Buffer.from(text))) return text;
  throw new InputError('The line is not valid UTF-8', { file, line: badLine + 1, next: 'Save the file as UTF-8' });
}

async function refuseOtherFormats(text: string, file: string): Promise<void> {
  if (extname(file).toLowerCase() === '.toml') {
    throw new InputError('The inventory is a TOML file', { file, next: 'Give the inventory in INI or YAML form' });
  }
  // A YAML inventory may be a vault as a whole.
  if (isVault(text) && !YAML_ENDINGS.includes(extname(file).toLowerCase())) {
    const next = 'Decrypt it with ansible-vault first; of inventories only YAML files may be vaults';
    throw new InputError('The inventory is encrypted with Ansible Vault', { file, line: 1, next });
  }
  if (text.startsWith('#!') && ((await stat(file)).mode & 0o111) !== 0) {
    const next = "Run it yourself and give its hosts in INI form, or take the file's execute bit away if it is one";
    throw new InputError('The inventory is a script, and scripts are not run', { file, line: 1, next });
  }
}
