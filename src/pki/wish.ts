import { isIPv4, SocketAddress } from 'node:net';
import { InputError, ManyErrors } from '../errors.ts';

export type CertificateUsage = 'server' | 'client';

/** Names that a certificate is valid for. */
export interface SubjectAltNames {
  dns: string[];
  ip: string[];
}

/** A certificate as it should be. */
export interface CertificateWish {
  /** Stem of the two files: `<id>.pem` and `<id>-key.pem`. */
  id: string;
  commonName: string;
  organization?: string;
  usage: CertificateUsage[];
  sans: SubjectAltNames;
}

/** Every name under which a CA may lie in the directory; a leaf may take none of them. */
export const CA_CERT_FILES = ['ca.pem', 'ca.crt', 'etcd-ca.pem'] as const;
export const CA_KEY_FILES = ['ca-key.pem', 'ca.key', 'etcd-ca-key.pem'] as const;

export const certFile = (id: string): string => `${id}.pem`;
export const keyFile = (id: string): string => `${id}-key.pem`;

/**
 * One spelling for one address: IPv6 compressed and in lower case. Undefined when it is no address;
 * a zone (`fe80::1%eth0`) means something on one host only, so no certificate can carry it.
 */
export function canonicalIp(address: string): string | undefined {
  if (!address.includes(':')) return isIPv4(address) ? address : undefined;
  if (address.includes('%')) return undefined;
  try {
    return new SocketAddress({ address, family: 'ipv6' }).address;
  } catch {
    return undefined;
  }
}

/**
 * Why this is no name for a certificate, or undefined when it is one. As Go's verifier has it (crypto/x509,
 * `validHostname`): RFC 1123 labels, an underscore is let pass, `*` may be the whole first label.
 */
export function dnsNameFault(name: string): string | undefined {
  if (canonicalIp(name)) return 'is an IP address, not a DNS name';
  if (name.length === 0) return 'is empty';
  if (name.length > 253) return 'is longer than 253 characters';
  if (name.endsWith('.')) return 'ends with a dot';
  const labels = (name.startsWith('*.') ? name.slice(2) : name).split('.');
  for (const label of labels) {
    if (label.length === 0) return 'has an empty label';
    if (label.length > 63) return 'has a label longer than 63 characters';
    if (!/^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$/.test(label)) return `has a label that is none: "${label}"`;
  }
  // A slip in an address: 10.0.0.256, 10.0.0. But `etcd-10.0.0.11` is the name of a member whose host is known by address.
  if (/^[\d.]+$/.test(name)) return 'looks like an IP address but is none';
  return undefined;
}

/** The names in one spelling, each once, sorted: equal sets are equal arrays. */
export function canonicalSans(sans: SubjectAltNames): SubjectAltNames {
  return {
    dns: [...new Set(sans.dns.map((name) => name.toLowerCase()))].sort(),
    ip: [...new Set(sans.ip.map((address) => canonicalIp(address) ?? address))].sort(),
  };
}

/**
 * Checks what the names in the inventory would turn into, before anything is read or written.
 *
 * @throws InputError, or ManyErrors when several wishes are wrong.
 */
export function checkWishes(wishes: readonly CertificateWish[]): void {
  const errors: InputError[] = [];
  const taken = new Set<string>([...CA_CERT_FILES, ...CA_KEY_FILES]);
  for (const wish of wishes) {
    const fault = wishFault(wish, taken);
    if (fault)
      errors.push(new InputError(`certificate ${JSON.stringify(wish.id)}: ${fault.what}`, { next: fault.next }));
    taken.add(certFile(wish.id)).add(keyFile(wish.id));
  }
  const first = errors[0];
  if (errors.length > 1) throw new ManyErrors('These certificates cannot be issued:', errors);
  if (first) throw first;
}

function wishFault(wish: CertificateWish, taken: ReadonlySet<string>): { what: string; next: string } | undefined {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/.test(wish.id)) {
    return {
      what: 'this is no name for a file',
      next: 'Use a host or member name of letters, digits, dots, dashes and underscores.',
    };
  }
  const clash = [certFile(wish.id), keyFile(wish.id)].find((file) => taken.has(file));
  if (clash) return { what: `${clash} is already the name of another file`, next: 'Rename the host or the member.' };
  for (const [what, text] of [
    ['common name', wish.commonName],
    ['organization', wish.organization],
  ] as const) {
    // 64 is the upper bound of X.520 for both attributes.
    if (text !== undefined && !/^[^\p{Cc}]{1,64}$/u.test(text)) {
      return {
        what: `the ${what} ${JSON.stringify(text)} is not 1 to 64 printable characters`,
        next: 'Shorten the name.',
      };
    }
  }
  if (wish.usage.length === 0) return { what: 'it is for neither server nor client', next: 'Give it a usage.' };
  for (const name of wish.sans.dns) {
    const fault = dnsNameFault(name);
    if (fault) {
      return {
        what: `the DNS name ${JSON.stringify(name)} ${fault}`,
        next: 'Correct the host name or address in the inventory.',
      };
    }
  }
  const odd = wish.sans.ip.find((address) => canonicalIp(address) === undefined);
  if (odd !== undefined) {
    return {
      what: `${JSON.stringify(odd)} is no IP address`,
      next: odd.includes('%')
        ? 'Use an address without a zone; a link-local address is valid on one host only.'
        : 'Correct the address in the inventory.',
    };
  }
  // Clients ignore the common name of a server since Go 1.15: without a SAN nobody could connect.
  if (wish.usage.includes('server') && wish.sans.dns.length + wish.sans.ip.length === 0) {
    return { what: 'a server certificate needs a DNS name or an IP address', next: 'Give the host an address.' };
  }
  return undefined;
}
