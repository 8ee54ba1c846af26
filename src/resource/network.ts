import { isIP } from 'node:net';
import { PlayError } from '../errors.ts';

export interface Network {
  /** As firewalls write it: `10.0.0.0/8`, `10.1.2.3`, `fd00::/8`. */
  text: string;
  family: 'ipv4' | 'ipv6';
}

/**
 * An address or network, written in the one way in which firewalls list it, so that it is found again.
 * @throws PlayError for what is none, for a network whose address lies within it, and for all addresses (`/0`).
 */
export function network(text: string): Network {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  const longest = version === 4 ? 32 : 128;
  const length = bits === undefined ? longest : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (version === 0 || address.includes('%') || rest.length > 0 || length < 0 || length > longest) {
    throw new PlayError(`'${text}' is no address or network: write it as 10.0.0.0/8`);
  }
  if (length === 0) throw new PlayError(`'${text}' is everyone: leave \`from\` out`);
  const number = toNumber(address, version);
  if (number & ((1n << BigInt(longest - length)) - 1n)) {
    throw new PlayError(`'${text}' has bits of a host in it`, { next: `Give the network, or ${address} alone.` });
  }
  const plain = version === 4 ? address : new URL(`http://[${address}]`).hostname.slice(1, -1);
  return { text: length === longest ? plain : `${plain}/${length}`, family: version === 4 ? 'ipv4' : 'ipv6' };
}

function toNumber(address: string, version: number): bigint {
  if (version === 4) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  // The URL standard writes IPv6 in its shortest form, without dots.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (part: string | undefined) => (part ? part.split(':') : []);
  const zeros = tail === undefined ? [] : Array<string>(8 - groups(head).length - groups(tail).length).fill('0');
  return [...groups(head), ...zeros, ...groups(tail)].reduce((sum, part) => (sum << 16n) | BigInt(`0x${part}`), 0n);
}
