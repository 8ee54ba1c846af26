import { createHmac, randomBytes } from 'node:crypto';

/** One line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
export interface KnownHost {
  marker: 'cert-authority' | 'revoked' | undefined;
  /** The names as written: a comma list of patterns, or one hashed name. */
  names: string;
  keyType: string;
  /** The key, base64. */
  key: string;
  file: string;
  line: number;
}

export type HostKeyVerdict =
  | { known: 'yes' }
  | { known: 'no' }
  | { known: 'changed'; entry: KnownHost }
  | { known: 'revoked'; entry: KnownHost };

/** Reads a known_hosts file; lines that are no entry are passed over, as OpenSSH does. */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  const entries: KnownHost[] = [];
  text.split('\n').forEach((raw, index) => {
    const words = raw.trim().split(/\s+/);
    if (words.length < 3 || words[0]!.startsWith('#')) return;
    const marker = words[0] === '@cert-authority' || words[0] === '@revoked' ? words.shift()!.slice(1) : undefined;
    const [names, keyType, key] = words;
    if (!names || !keyType || !key) return;
    entries.push({ marker: marker as KnownHost['marker'], names, keyType, key, file, line: index + 1 });
  });
  return entries;
}

/** The name under which a host stands in known_hosts: bare on port 22, `[host]:port` elsewhere. */
export function knownHostName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
}

/** Is this the host's key? Any entry for the host that holds it counts; a revoked key never does. */
export function judgeHostKey(entries: readonly KnownHost[], name: string, key: Buffer): HostKeyVerdict {
  const offered = key.toString('base64');
  const offeredType = keyTypeOf(key);
  const own = entries.filter((entry) => matchesName(entry.names, name));
  const revoked = own.find((entry) => entry.marker === 'revoked' && entry.key === offered);
  if (revoked) return { known: 'revoked', entry: revoked };
  const plain = own.filter((entry) => entry.marker === undefined);
  if (plain.some((entry) => entry.key === offered)) return { known: 'yes' };
  const other = plain.find((entry) => entry.keyType === offeredType) ?? plain[0];
  return other ? { known: 'changed', entry: other } : { known: 'no' };
}

/** The lines that let an authority speak for this host (`@cert-authority`). */
export function authoritiesFor(entries: readonly KnownHost[], name: string): KnownHost[] {
  return entries.filter((entry) => entry.marker === 'cert-authority' && matchesName(entry.names, name));
}

/** The line of a new host, ending in a newline; hashed, it does not tell the name to whoever reads the file. */
export function knownHostLine(name: string, key: Buffer, hashed: boolean): string {
  const salt = randomBytes(20);
  const hash = createHmac('sha1', salt).update(name).digest('base64');
  const shown = hashed ? `|1|${salt.toString('base64')}|${hash}` : name;
  return `${shown} ${keyTypeOf(key)} ${key.toString('base64')}\n`;
}

/** The key types on file for a host, so that the server is asked for a key that can be checked. */
export function knownKeyTypes(entries: readonly KnownHost[], name: string): string[] {
  const own = entries.filter((entry) => entry.marker === undefined && matchesName(entry.names, name));
  return [...new Set(own.map((entry) => entry.keyType))];
}

/** The type name that an SSH public key blob starts with. */
export function keyTypeOf(key: Buffer): string {
  return key.length < 4 ? '' : key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1');
}

function matchesName(names: string, name: string): boolean {
  if (names.startsWith('|1|')) {
    const [, , salt, hash] = names.split('|');
    if (!salt || !hash) return false;
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  }
  let matched = false;
  for (const pattern of names.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (!wildcard(negated ? pattern.slice(1) : pattern).test(name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

/** A name pattern of OpenSSH: `*` and `?` (ssh_config(5), PATTERNS). */
export function wildcard(pattern: string): RegExp {
  const body = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${body}$`);
}
