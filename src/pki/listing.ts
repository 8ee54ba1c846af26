import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { certificateBlocks, isIssuedBy } from './certificate.ts';
import { CONSUMER_PREFIX } from './consumer.ts';
import { expiryOf, expiryText, renewalText } from './expiry.ts';
import { isOpenToOthers, namesIn, readIfThere, TEMPORARY } from './files.ts';
import { CA_CERT_FILES, keyFile } from './wish.ts';

export type ListedKind = 'ca' | 'member' | 'client' | 'consumer' | 'other';

/** One certificate in a directory of the control machine. */
export interface ListedCertificate {
  file: string;
  kind: ListedKind;
  /** Undefined where the file cannot be read as one. */
  certificate: X509Certificate | undefined;
  /** Of the key beside it; `unwanted` for a CA's, which may be kept elsewhere. */
  key: 'fits' | 'open' | 'missing' | 'other' | 'unwanted';
}

/** Something about a certificate that is not well. */
export interface CertificateProblem {
  file: string;
  kind: 'expired' | 'not-yet' | 'expires' | 'unreadable' | 'issuer' | 'key' | 'key-open' | 'no-ca';
  severity: 'critical' | 'warning';
  message: string;
  next: string;
}

/** All certificates of a directory: CA, members, client, consumers, then what else lies there. */
export async function listCertificates(
  dir: string,
  own: { members: readonly string[]; client: string },
): Promise<ListedCertificate[]> {
  const files = (await namesIn(dir)).filter((name) => /\.(pem|crt)$/.test(name) && !name.startsWith(TEMPORARY)).sort();
  const listed = await Promise.all(files.map((file) => listFile(dir, file, kindOf(file, own))));
  const order: ListedKind[] = ['ca', 'member', 'client', 'consumer', 'other'];
  return listed.flat().sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

function kindOf(file: string, { members, client }: { members: readonly string[]; client: string }): ListedKind {
  const stem = file.replace(/\.(pem|crt)$/, '');
  if ((CA_CERT_FILES as readonly string[]).includes(file)) return 'ca';
  if (members.includes(stem)) return 'member';
  if (stem === client) return 'client';
  return stem.startsWith(CONSUMER_PREFIX) ? 'consumer' : 'other';
}

async function listFile(dir: string, file: string, kind: ListedKind): Promise<ListedCertificate[]> {
  const text = (await readIfThere(join(dir, file))) ?? '';
  const blocks = certificateBlocks(text);
  if (blocks.length === 0) {
    return /PRIVATE KEY-----/.test(text) ? [] : [{ file, kind, certificate: undefined, key: 'unwanted' }];
  }
  // A CA's file may hold several; of a leaf's only the first is its own.
  const certificates = (kind === 'ca' ? blocks : blocks.slice(0, 1)).map(readBlock);
  const key = kind === 'ca' ? 'unwanted' : await keyState(dir, file, certificates[0]);
  return certificates.map((certificate) => ({ file, kind, certificate, key }));
}

function readBlock(block: string): X509Certificate | undefined {
  try {
    return new X509Certificate(block);
  } catch {
    return undefined;
  }
}

async function keyState(
  dir: string,
  file: string,
  certificate: X509Certificate | undefined,
): Promise<ListedCertificate['key']> {
  const path = join(dir, keyFile(file.replace(/\.(pem|crt)$/, '')));
  const text = await readIfThere(path);
  if (text === undefined) return 'missing';
  try {
    if (!certificate?.checkPrivateKey(createPrivateKey(text))) return 'other';
  } catch {
    return 'other';
  }
  return (await isOpenToOthers(path)) ? 'open' : 'fits';
}

/** What is not well with them, the gravest first. Pure. @param warnDays see `expiryOf`. */
export function judgeCertificates(
  listed: readonly ListedCertificate[],
  { now, warnDays }: { now: Date; warnDays: number | undefined },
): CertificateProblem[] {
  const authorities = listed.flatMap(({ kind, certificate }) => (kind === 'ca' && certificate ? [certificate] : []));
  const problems = listed.flatMap((one) => problemsOf(one, authorities, now, warnDays));
  if (authorities.length === 0) {
    problems.push({
      file: CA_CERT_FILES[0],
      kind: 'no-ca',
      severity: 'critical',
      message: 'there is no CA certificate',
      next: 'Set CERT_LOCAL_DIR to the folder the cluster was made with; play create_etcd makes one.',
    });
  }
  const rank = ({ severity }: CertificateProblem) => (severity === 'critical' ? 0 : 1);
  return problems.sort((a, b) => rank(a) - rank(b));
}

function problemsOf(
  one: ListedCertificate,
  authorities: readonly X509Certificate[],
  now: Date,
  warnDays: number | undefined,
): CertificateProblem[] {
  const { file, kind, certificate, key } = one;
  const problems: CertificateProblem[] = [];
  const say = (word: CertificateProblem['kind'], critical: boolean, message: string, next: string) =>
    problems.push({ file, kind: word, severity: critical ? 'critical' : 'warning', message, next });
  if (!certificate) {
    say('unreadable', kind !== 'other', 'it holds no certificate that can be read', 'Put back a whole copy of it.');
    return problems;
  }
  const renewal = renewalOf(one);
  const expiry = expiryOf(certificate, now, warnDays);
  if (expiry === 'expired') say('expired', true, `it expired ${expiryText(certificate, now)}`, renewal);
  if (expiry === 'soon') {
    const isOwn = kind === 'member' || kind === 'client';
    say('expires', false, `it ends ${expiryText(certificate, now)}`, isOwn ? renewalText(certificate, now) : renewal);
  }
  if (expiry === 'not yet')
    say('not-yet', true, 'it is not valid yet', 'See whether the clock of this machine is right.');
  if (kind === 'ca') return problems;
  if (authorities.length > 0 && !authorities.some((ca) => isIssuedBy(certificate, ca))) {
    say('issuer', kind !== 'other', 'the CA here did not issue it', renewal);
  }
  if (key === 'missing' || key === 'other') {
    say('key', kind !== 'other', key === 'missing' ? 'its key is missing' : 'its key does not match it', renewal);
  }
  if (key === 'open') say('key-open', false, 'others can read its key', 'Close it: chmod 600');
  return problems;
}

function renewalOf({ kind, file }: ListedCertificate): string {
  switch (kind) {
    case 'ca':
      return 'Change it without an outage: play rotate_certs_etcd -e ca=true';
    case 'member':
    case 'client':
      return 'Have it reissued and sent: play reload_etcd';
    case 'consumer':
      return `Issue it anew, and hand it on: play certs_etcd -e cn=${file.slice(CONSUMER_PREFIX.length).replace(/\.(pem|crt)$/, '')} -e renew=true`;
    case 'other':
      return 'No member of the inventory has it: move it away if nobody uses it.';
  }
}
