import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { InputError } from '../errors.ts';
import { assembleInventory } from './assemble.ts';
import { parseHostList } from './host-list.ts';
import type { Inventory } from './inventory.ts';
import { type IniDocument, parseIni } from './parse-ini.ts';
import { splitLines } from './text.ts';

const OTHER_FORMATS = new Map([
  ['.yml', 'YAML'],
  ['.yaml', 'YAML'],
  ['.json', 'JSON'],
  ['.toml', 'TOML'],
]);

/**
 * Reads inventories, as given with `-i`, and puts them together in their order. A source is an INI file, whatever its
 * name ends in, or, if it has a comma and is no file, a list of hosts: `web1,web2`.
 *
 * @throws {InputError} for a source that is missing or cannot be read or parsed. (Ansible warns and goes on without it.)
 */
export async function loadInventory(sources: string[]): Promise<Inventory> {
  if (sources.length === 0) {
    throw new InputError('No inventory is given', { next: 'Name one with -i: -i inventory/hosts.ini' });
  }
  return assembleInventory(await Promise.all(sources.map(loadSource)));
}

async function loadSource(source: string): Promise<IniDocument> {
  let bytes: Buffer;
  try {
    bytes = await readFile(source);
  } catch (error) {
    if (source.includes(',') && codeOf(error) === 'ENOENT') return parseHostList(source);
    throw unreadable(source, error);
  }
  const text = decode(bytes, source);
  await refuseOtherFormats(text, source);
  const document = parseIni(text.replace(/^\ufeff/, ''), source);
  if (text.startsWith('\ufeff')) {
    const message =
      'the file begins with a byte order mark, which Ansible takes for part of the first line; save it without';
    document.warnings.unshift({ message, file: source, line: 1 });
  }
  return document;
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
    case 'EISDIR':
      return new InputError('The inventory is a directory', {
        file,
        cause,
        next: 'Name the files in it, each with its own -i',
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
  const format = OTHER_FORMATS.get(extname(file).toLowerCase());
  if (format) {
    throw new InputError(`The inventory is a ${format} file`, { file, next: 'Give the inventory in INI form' });
  }
  if (text.startsWith('$ANSIBLE_VAULT;')) {
    const next = 'Decrypt it with ansible-vault first; an inventory itself is read as plain text only';
    throw new InputError('The inventory is encrypted with Ansible Vault', { file, line: 1, next });
  }
  if (text.startsWith('#!') && ((await stat(file)).mode & 0o111) !== 0) {
    const next = "Run it yourself and give its hosts in INI form, or take the file's execute bit away if it is one";
    throw new InputError('The inventory is a script, and scripts are not run', { file, line: 1, next });
  }
}
