import { createHash, X509Certificate } from 'node:crypto';
import { type CertificateUsage, canonicalSans, type SubjectAltNames } from './wish.ts';

const DAY_MS = 86_400_000;
const USAGE_BY_OID: ReadonlyMap<string, CertificateUsage> = new Map([
  ['1.3.6.1.5.5.7.3.1', 'server'],
  ['1.3.6.1.5.5.7.3.2', 'client'],
]);

/** What a person, or a plan, wants to know of a certificate. */
export interface CertificateDescription {
  commonName: string | undefined;
  organization: string | undefined;
  /** One line, most general part first: `O=etcd, CN=etcd-h1`. */
  subject: string;
  issuer: string;
  /** Hexadecimal. */
  serial: string;
  notBefore: Date;
  notAfter: Date;
  /** Whole days until `notAfter`, rounded down; negative when expired. */
  daysLeft: number;
  /** Canonical: lower case, IPv6 compressed, sorted. Names of other kinds (URI, e-mail) are in `otherNames`. */
  sans: SubjectAltNames;
  otherNames: string[];
  /** Extended key usages that etcd knows; empty when the certificate does not limit its usage. */
  usage: CertificateUsage[];
  /** OIDs of extended key usages beyond these. */
  otherUsages: string[];
  isCa: boolean;
  /** SHA-256 of the DER, colon-separated upper-case hexadecimal, as openssl prints it. */
  fingerprint: string;
}

/**
 * Reads the first certificate in a PEM text. Uses node:crypto only: cheap enough for every run.
 *
 * @throws Error from node:crypto when the text holds no certificate.
 */
export function describeCertificate(pem: string | X509Certificate, now = new Date()): CertificateDescription {
  const cert = typeof pem === 'string' ? new X509Certificate(pem) : pem;
  const notAfter = new Date(cert.validTo);
  const oids = cert.keyUsage ?? [];
  const { sans, other } = readSans(cert.subjectAltName);
  return {
    commonName: attribute(cert.subject, 'CN'),
    organization: attribute(cert.subject, 'O'),
    subject: oneLine(cert.subject),
    issuer: oneLine(cert.issuer),
    serial: cert.serialNumber,
    notBefore: new Date(cert.validFrom),
    notAfter,
    daysLeft: Math.floor((notAfter.getTime() - now.getTime()) / DAY_MS),
    sans,
    otherNames: other,
    usage: oids.flatMap((oid) => USAGE_BY_OID.get(oid) ?? []).sort(),
    otherUsages: oids.filter((oid) => !USAGE_BY_OID.has(oid)),
    isCa: cert.ca,
    fingerprint: cert.fingerprint256,
  };
}

/**
 * One attribute of a name as node prints it: a line for each, special characters escaped (RFC 2253). An attribute that
 * is there twice gives both values, which equals no wish. (`toLegacyObject` would do, at 2 ms for its first call.)
 */
function attribute(name: string | undefined, type: string): string | undefined {
  const lines = (name ?? '').split('\n').filter((line) => line.startsWith(`${type}=`));
  if (lines.length === 0) return undefined;
  return lines.map((line) => line.slice(type.length + 1).replace(/\\(.)/g, '$1')).join('\n');
}

function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ');
}

/** Reads node's `DNS:a, IP Address:10.0.0.1`. A name with odd characters is quoted by node; it is no DNS name. */
function readSans(text: string | undefined): { sans: SubjectAltNames; other: string[] } {
  const sans: SubjectAltNames = { dns: [], ip: [] };
  const other: string[] = [];
  for (const entry of text?.match(/[^:,]+:("(\\.|[^"\\])*"|[^,]*)/g) ?? []) {
    const name = entry.trim();
    if (name.startsWith('DNS:') && !name.startsWith('DNS:"')) sans.dns.push(name.slice(4));
    else if (name.startsWith('IP Address:')) sans.ip.push(name.slice(11));
    else other.push(name);
  }
  return { sans: canonicalSans(sans), other };
}

/** The PEM blocks of certificates in a text, in order, each ending with a newline; all else (text, keys) is left out. */
export function certificateBlocks(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => `${block.replaceAll('\r\n', '\n')}\n`);
}

/**
 * Subject and issuer as the bytes that stand in the certificate. Go compares names byte by byte (RFC 5280 would let
 * `PrintableString` equal `UTF8String`, and so does openssl): a leaf whose issuer is written in another string type
 * than the CA's subject passes `openssl verify`, and etcd says "certificate signed by unknown authority".
 */
export function rawNames(cert: X509Certificate): { issuer: Buffer; subject: Buffer } {
  const [tbs] = elements(contents(cert.raw));
  const fields = elements(contents(tbs ?? Buffer.alloc(0)));
  if (fields[0]?.[0] === 0xa0) fields.shift(); // version; then serial, algorithm, issuer, validity, subject
  const [, , issuer, , subject] = fields;
  if (!issuer || !subject) throw new Error('not a certificate in DER');
  return { issuer, subject };
}

/** Whether etcd would take a certificate for one of this CA. */
export function isIssuedBy(leaf: X509Certificate, ca: X509Certificate): boolean {
  return leaf.verify(ca.publicKey) && rawNames(leaf).issuer.equals(rawNames(ca).subject);
}

/** Identifier of a public key, for names of files: SHA-256 of its SPKI, hexadecimal. */
export function keyFingerprint(spkiDer: Buffer): string {
  return createHash('sha256').update(spkiDer).digest('hex');
}

/** Where the contents of the DER element at the start of `der` begin and end. */
function bounds(der: Buffer): { start: number; end: number } {
  const first = der[1] ?? 0;
  if (first < 0x80) return { start: 2, end: 2 + first };
  const size = first & 0x7f;
  const start = 2 + size;
  return { start, end: start + der.readUIntBE(2, size) };
}

function contents(der: Buffer): Buffer {
  const { start, end } = bounds(der);
  return der.subarray(start, end);
}

function elements(der: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let rest = der; rest.length > 1; ) {
    const { end } = bounds(rest);
    found.push(rest.subarray(0, end));
    rest = rest.subarray(end);
  }
  return found;
}
