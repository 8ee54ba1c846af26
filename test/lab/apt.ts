import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './command.ts';
import { LabError } from './lab-error.ts';

export const archiveKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

export interface AptSource {
  uri: string;
  suite: string;
  components: string[];
}

/** The sources in a file of apt's one-line form (`sources.list`). Options in brackets are passed over. */
export function parseOneLineSources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (match) sources.push({ uri: match[1]!, suite: match[2]!, components: words(match[3]!) });
  }
  return sources;
}

/** The sources in a file of apt's deb822 form (`*.sources`): stanzas of fields, with continuation lines. */
export function parseDeb822Sources(text: string): AptSource[] {
  const uncommented = text.replace(/^#.*\n?/gm, '');
  return uncommented.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = new Map<string, string>();
    for (const line of stanza.replace(/\n[ \t]+/g, ' ').split('\n')) {
      const colon = line.indexOf(':');
      if (colon > 0) fields.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
    }
    if (!words(fields.get('types')).includes('deb') || fields.get('enabled')?.toLowerCase() === 'no') return [];
    const components = words(fields.get('components'));
    return words(fields.get('uris')).flatMap((uri) =>
      words(fields.get('suites')).map((suite) => ({ uri, suite, components })),
    );
  });
}

/** The address of the Debian archive that this machine itself installs from. */
export async function machineMirror(): Promise<string> {
  const sources = await machineSources();
  const mirror = chooseMirror(sources);
  if (mirror) return mirror;
  throw new LabError("apt's sources on this machine name no Debian archive", {
    next: 'the lab builds Debian hosts from the mirror this machine uses: add a line for Debian main to /etc/apt/sources.list.d',
  });
}

/** The first source that serves a Debian release itself, not its updates, and `main` in it. */
export function chooseMirror(sources: readonly AptSource[]): string | undefined {
  const releases = /^(bullseye|bookworm|trixie|forky|duke|sid|stable|oldstable|oldoldstable|testing|unstable)$/;
  return sources.find((s) => releases.test(s.suite) && s.components.includes('main'))?.uri;
}

/** The settings of the machine's apt that decide how it reaches its mirror (proxies, log-ins, checks), as a configuration file. */
export async function machineAptSettings(): Promise<string> {
  const dump = await command('apt-config', ['dump']);
  const reach = /^Acquire::(?!IndexTargets|CompressionTypes|Languages|Changelogs|cdrom|GzipIndexes)\S+ "/;
  const lines = dump.split('\n').filter((line) => reach.test(line) || /^APT::Sandbox::User "/.test(line));
  lines.push('Dir::Etc::netrc "/etc/apt/auth.conf";', 'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";');
  return `${lines.join('\n')}\n`;
}

async function machineSources(): Promise<AptSource[]> {
  const parts = '/etc/apt/sources.list.d';
  const names = (await readdir(parts).catch(() => [])).sort().map((name) => join(parts, name));
  const found: AptSource[] = [];
  for (const file of ['/etc/apt/sources.list', ...names]) {
    const parse = file.endsWith('.sources') ? parseDeb822Sources : file.endsWith('.list') ? parseOneLineSources : null;
    if (parse) found.push(...parse(await readFile(file, 'utf8').catch(() => '')));
  }
  return found;
}

function words(text: string | undefined): string[] {
  return text?.trim() ? text.trim().split(/\s+/) : [];
}
