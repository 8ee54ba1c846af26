import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { InputError } from '../errors.ts';

/** What `play.cfg` may set in its section [defaults], and of what kind each is. */
const KNOWN = {
  inventory: 'list of paths',
  limit: 'text',
  diff: 'yes or no',
  output: ['auto', 'lines', 'json'],
  verbose: 'number',
  forks: 'number',
  user: 'text',
  'private-key': 'path',
  'host-key-checking': ['strict', 'accept-new', 'off'],
  'vault-password-file': 'list of paths',
  tags: 'text',
  'skip-tags': 'text',
} as const;

/**
 * Defaults for the command line, from `~/.config/etcd-play/play.cfg` and, above it, `play.cfg` in the working directory.
 * Paths in it start at the file. @throws InputError for a file that cannot be read or a name that is not known.
 */
export function readConfigFiles(): Record<string, unknown> {
  const home = join(process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'etcd-play', 'play.cfg');
  return Object.assign({}, ...[home, resolve('play.cfg')].filter((file) => existsSync(file)).map(readConfigFile));
}

/** A plain INI file: `[defaults]`, `name = value`, `#` or `;` for comments. */
export function readConfigFile(file: string): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  let section = '';
  textOf(file)
    .split(/\r?\n/)
    .forEach((raw, index) => {
      const text = raw.trim();
      const place = { file, line: index + 1 };
      if (text === '' || /^[#;]/.test(text)) return;
      const head = /^\[(.+)\]$/.exec(text)?.[1];
      if (head !== undefined) section = head;
      else if (section === 'defaults') Object.assign(settings, setting(text, place));
      else
        throw new InputError(`'${text}' stands in no section that is known`, {
          ...place,
          next: 'Put it under [defaults].',
        });
    });
  return settings;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const next = 'Give yourself the right to read it, or put it away.';
    throw new InputError(`the defaults cannot be read: ${(cause as Error).message}`, { file, cause, next });
  }
}

function setting(text: string, place: { file: string; line: number }): Record<string, unknown> {
  const [, name, value] = /^([\w-]+)\s*=\s*(.*)$/.exec(text) ?? [];
  const key = name?.replaceAll('_', '-') as keyof typeof KNOWN | undefined;
  if (key === undefined || value === undefined || !(key in KNOWN)) {
    const next = `Known are: ${Object.keys(KNOWN).join(', ')}.`;
    throw new InputError(`'${text}' sets nothing that is known`, { ...place, next });
  }
  return { [key]: readValue(key, value, place) };
}

/** @throws InputError for a value that its name cannot have. */
function readValue(key: keyof typeof KNOWN, value: string, place: { file: string; line: number }): unknown {
  const kind = KNOWN[key];
  const pathOf = (text: string) => resolve(dirname(place.file), text.replace(/^~(?=\/)/, homedir()));
  const fault = (allowed: string) =>
    new InputError(`${key} is '${value}'`, { ...place, next: `It may be ${allowed}.` });
  switch (kind) {
    case 'text':
      return value;
    case 'path':
      return pathOf(value);
    case 'list of paths':
      return value.split(',').flatMap((path) => (path.trim() ? [pathOf(path.trim())] : []));
    case 'yes or no':
      if (!/^(yes|true|on|1|no|false|off|0)$/i.test(value)) throw fault('yes or no');
      return /^(yes|true|on|1)$/i.test(value);
    case 'number':
      if (!/^\d+$/.test(value)) throw fault('a whole number');
      return Number(value);
    default:
      if (!(kind as readonly string[]).includes(value)) throw fault(kind.join(', '));
      return value;
  }
}
