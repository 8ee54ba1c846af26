import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { InputError } from '../errors.ts';
import type { Authority } from './authority.ts';
import { type CertificateDescription, certificateBlocks, describeCertificate, rawNames } from './certificate.ts';
import { type CertificateWish, canonicalSans, type SubjectAltNames } from './wish.ts';

const HOUR_MS = 3_600_000;

/** Certificate and private key, both PEM; the certificate is the leaf only, the key PKCS#8 without encryption. */
export interface KeyPair {
  certPem: string;
  keyPem: string;
}

/** The two files of a leaf as they are now; undefined where there is none. */
export interface LeafFiles {
  keyPath: string;
  cert: string | undefined;
  key: string | undefined;
}

export type LeafVerdict = { action: 'keep'; pair: KeyPair } | { action: 'issue' | 'reissue'; reason: string };

/** What decides beside the files: the CA that signs, the time, and how long a certificate issued now would be valid. */
export interface LeafTerms {
  authority: Pick<Authority, 'publicKey' | 'rawSubject'>;
  now: Date;
  validity: { notBefore: Date; notAfter: Date };
  /** Fingerprints of leaves that are to go. */
  retired?: ReadonlySet<string>;
}

/**
 * The validity of a leaf issued now. It begins an hour ago, for hosts whose clock is behind, and ends with the CA at the
 * latest. A lifetime under an hour is backdated by no more than itself, or it would be born in its last third.
 */
export function leafValidity(
  now: Date,
  lifetimeMs: number,
  ca?: { notBefore: Date; notAfter: Date },
): { notBefore: Date; notAfter: Date } {
  const begin = now.getTime() - Math.min(HOUR_MS, lifetimeMs);
  const end = now.getTime() + lifetimeMs;
  return {
    notBefore: new Date(Math.max(begin, ca?.notBefore.getTime() ?? begin)),
    notAfter: new Date(Math.min(end, ca?.notAfter.getTime() ?? end)),
  };
}

/**
 * Decides whether a leaf stays. It stays unless a reason is found; a certificate reissued at each run would make every
 * run a change. Another key algorithm alone is none: old and new work together, and the next renewal brings it.
 *
 * @throws InputError for an encrypted key, which somebody must have put there: it is not overwritten.
 */
export function judgeLeaf(wish: CertificateWish, files: LeafFiles, terms: LeafTerms): LeafVerdict {
  if (files.cert === undefined) {
    return { action: 'issue', reason: files.key === undefined ? 'there is none yet' : 'its certificate is missing' };
  }
  const again = (reason: string): LeafVerdict => ({ action: 'reissue', reason });
  if (files.key === undefined) return again('its key is missing');
  const certPem = certificateBlocks(files.cert)[0];
  const cert = certPem === undefined ? undefined : attempt(() => new X509Certificate(certPem));
  if (certPem === undefined || !cert) return again('its certificate cannot be read');
  const key = leafKey(files.key, files.keyPath);
  if (!key) return again('its key cannot be read');
  if (!cert.checkPrivateKey(key)) return again('its key does not match its certificate');
  const found = describeCertificate(cert, terms.now);
  const reason =
    difference(wish, found) ?? strangeIssuer(cert, terms) ?? ageing(found, terms) ?? retirement(found, terms);
  if (reason) return again(reason);
  const keyPem = files.key.includes('BEGIN PRIVATE KEY')
    ? files.key
    : key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { action: 'keep', pair: { certPem, keyPem } };
}

function leafKey(text: string, path: string): KeyObject | undefined {
  if (/ENCRYPTED/.test(text)) {
    throw new InputError('this key is encrypted, and etcd reads no encrypted keys', {
      file: path,
      next: 'Decrypt it (openssl pkey), or move it and its certificate away to have a new pair issued.',
    });
  }
  return attempt(() => createPrivateKey(text));
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function difference(wish: CertificateWish, found: CertificateDescription): string | undefined {
  if (found.commonName !== wish.commonName) {
    return `its common name is ${JSON.stringify(found.commonName ?? '')}, not ${JSON.stringify(wish.commonName)}`;
  }
  if (wish.organization !== undefined && found.organization !== wish.organization) {
    return `its organization is ${JSON.stringify(found.organization ?? '')}, not ${JSON.stringify(wish.organization)}`;
  }
  const usage = [...new Set(wish.usage)].sort().join(' and ');
  if (found.usage.join(' and ') !== usage || found.otherUsages.length > 0) {
    return `its usage is ${[...found.usage, ...found.otherUsages].join(' and ') || 'not limited'}, not ${usage}`;
  }
  const now = nameList(found.sans, found.otherNames);
  const then = nameList(canonicalSans(wish.sans), []);
  const changes = [
    ...then.filter((name) => !now.includes(name)).map((name) => `+${name}`),
    ...now.filter((name) => !then.includes(name)).map((name) => `-${name}`),
  ];
  return changes.length === 0 ? undefined : `its names differ: ${changes.join(' ')}`;
}

function nameList(sans: SubjectAltNames, other: string[]): string[] {
  return [...sans.dns, ...sans.ip, ...other];
}

function strangeIssuer(cert: X509Certificate, { authority }: LeafTerms): string | undefined {
  if (!cert.verify(authority.publicKey)) return 'it was issued by another CA';
  if (!rawNames(cert).issuer.equals(authority.rawSubject)) return 'it does not name its issuer as the CA names itself';
  return undefined;
}

function retirement(found: CertificateDescription, { retired }: LeafTerms): string | undefined {
  return retired?.has(found.fingerprint) ? 'another one is to take its place' : undefined;
}

function ageing(found: CertificateDescription, { now, validity }: LeafTerms): string | undefined {
  if (found.notAfter <= now) return `it expired on ${found.notAfter.toISOString()}`;
  if (found.notBefore > now) return `it is not valid before ${found.notBefore.toISOString()}`;
  const lifetimeMs = found.notAfter.getTime() - found.notBefore.getTime();
  const leftMs = found.notAfter.getTime() - now.getTime();
  // One that would not live longer when issued again (it ends with the CA) would be issued again at each run.
  if (leftMs * 3 >= lifetimeMs || wholeSeconds(validity.notAfter) <= found.notAfter.getTime()) return undefined;
  return `less than a third of its lifetime is left: it ends on ${found.notAfter.toISOString()}`;
}

/** A certificate holds whole seconds. */
function wholeSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000) * 1000;
}
