import { isIP } from 'node:net';
import { bad, good, type Kind, port, textOf } from '../../variables/kinds.ts';

/** An IP address in its shortest form, or undefined: `FD00:0::1` → `fd00::1`. IPv6 zones are refused. */
export function canonicalIp(text: string): string | undefined {
  const bare = /^\[.*\]$/.test(text) ? text.slice(1, -1) : text;
  if (isIP(bare) === 4) return bare;
  if (isIP(bare) === 6 && !bare.includes('%')) return new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  return undefined;
}

/** An IP address or a host name, in small letters; undefined if it is neither. */
export function canonicalAddress(text: string): string | undefined {
  const ip = canonicalIp(text);
  if (ip !== undefined) return ip;
  if (/^[\d.]+$/.test(text) || text.length > 253) return undefined;
  const label = '[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?';
  return new RegExp(`^${label}(\\.${label})*$`).test(text) ? text.toLowerCase() : undefined;
}

/** An address at which others reach this host. */
export const address: Kind<string> = {
  type: 'IP address or host name',
  read(value) {
    const found = canonicalAddress(textOf(value) ?? '');
    if (found === undefined) return bad('must be an IP address or a host name, without a port or "https://"');
    if (isWildcard(found)) return bad('must be an address that others can reach, not one that stands for all of them');
    return good(found);
  },
};

export function isWildcard(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::';
}

export function isLoopback(ip: string): boolean {
  return ip === '::1' || ip === 'localhost' || /^127\./.test(ip);
}

/** A list: as the inventory types it, or a text with commas. Nothing is let in twice. */
function listOf<T>(type: string, member: (text: string) => T | undefined, problem: string): Kind<T[]> {
  return {
    type,
    read(value) {
      const parts = Array.isArray(value) ? value.map((v) => textOf(v) ?? '') : (textOf(value) ?? '').split(',');
      const found: T[] = [];
      for (const part of parts) {
        const one = member(part.trim());
        if (one === undefined) return bad(`${problem}${parts.length > 1 ? ` (${JSON.stringify(part)} is none)` : ''}`);
        if (!found.includes(one)) found.push(one);
      }
      return good(found);
    },
  };
}

/** etcd listens on addresses only, never on names. */
export const ipAddresses: Kind<string[]> = listOf(
  'IP addresses, with commas',
  canonicalIp,
  'must be one IP address or more, with commas between them (etcd does not listen on names)',
);

export const addresses: Kind<string[]> = listOf(
  'IP addresses or host names, with commas',
  (text) => {
    const found = canonicalAddress(text.replace(/^\*\./, ''));
    return found && !isWildcard(found) ? (text.startsWith('*.') ? `*.${found}` : found) : undefined;
  },
  'must be IP addresses or host names, with commas between them',
);

export const listenUrls: Kind<string[]> = listOf(
  'URLs, with commas',
  (text) => {
    const [, scheme, host, portText] = /^(https?):\/\/(\[[^\]]+\]|[^:/]+):(\d{1,5})\/?$/.exec(text) ?? [];
    const ip = host === 'localhost' ? host : canonicalIp(host ?? '');
    if (ip === undefined || !port.read(portText).ok) return undefined;
    return `${scheme}://${bracketed(ip)}:${Number(portText)}`;
  },
  'must be URLs of an IP address and a port, such as http://127.0.0.1:2381',
);

/** As a URL has it: IPv6 addresses stand in brackets. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
