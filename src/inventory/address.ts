const BRACKETED_PORT = /^\[(.+)\]:([0-9]+)$/;
const PORT = /^((?:[^:[\]]|\[[^\]]*\])*):([0-9]+)$/;

const NUMBERS = '\\[[0-9]+:[0-9]+(?::[0-9]+)?\\]';
const HEX_NUMBERS = '\\[[0-9a-f]+:[0-9a-f]+(?::[0-9]+)?\\]';
const LETTERS = '\\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\\]';

const OCTET = `(?:[01]?[0-9]{1,2}|2[0-4][0-9]|25[0-5]|${NUMBERS})`;
const HEXTET = `(?:[0-9a-f]{1,4}|${HEX_NUMBERS})`;
const nameOf = (word: string, flags: string): RegExp => {
  const label = `(?:[${word}]|${LETTERS})(?:[${word}-]|${LETTERS})*(?<![_-])`;
  return new RegExp(`^${label}(?:\\.${label})*$`, flags);
};

const IPV4 = new RegExp(`^(?:${OCTET}\\.){3}${OCTET}$`, 'i');
// Ansible's expression is anchored at its end only for the last form, so an address is known by how it begins; the same
// texts must count as addresses here, because only then is a port split off.
const IPV6 = new RegExp(
  [
    `^(?:${HEXTET}:){7}${HEXTET}`,
    `^(?:${HEXTET}:){1,6}:`,
    ...[1, 2, 3, 4, 5, 6].map((n) => `^(?:${HEXTET}:){${n}}(?::${HEXTET}){1,${7 - n}}`),
    `^:(?::${HEXTET}){1,6}`,
    `^${HEXTET}?::`,
    `^(?:0:){6}(?:${HEXTET}\\.){3}${HEXTET}`,
    `^::(?:ffff:)?(?:${HEXTET}\\.){3}${HEXTET}`,
    `^(?:0:){5}ffff:(?:${HEXTET}\\.){3}${HEXTET}$`,
  ].join('|'),
  'i',
);
const NAME = nameOf('\\w', 'i');
// Only names beyond ASCII pay for the tables of Unicode, which take milliseconds to compile.
const UNICODE_NAME = nameOf('\\p{L}\\p{N}_', 'iu');

export interface Address {
  host: string;
  port?: number;
}

/**
 * Splits a host as an inventory writes it — name, IPv4 or IPv6 address, with or without ranges — from its port.
 * An IPv6 address has a port only when it is in brackets: `[fe80::1]:22`.
 *
 * @returns undefined when the text is no such host; Ansible then takes all of it, colon and port too, for the name.
 */
export function parseAddress(text: string): Address | undefined {
  let host = text;
  let port: number | undefined;
  // Both in turn, not either: `[web1:5]:22` is, in the end, web1 with port 5.
  for (const pattern of [BRACKETED_PORT, PORT]) {
    const found = pattern.exec(host);
    if (!found) continue;
    host = found[1]!;
    port = Number(found[2]);
  }
  // The cheapest test first: an expression is compiled when it is used first.
  if (![NAME, IPV4, IPV6, UNICODE_NAME].some((pattern) => pattern.test(host))) return undefined;
  return port === undefined ? { host } : { host, port };
}
