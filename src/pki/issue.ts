import { createPublicKey, generateKeyPair, type KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import 'reflect-metadata'; // @peculiar/x509 needs it before itself
import * as x509 from '@peculiar/x509';
import { type Authority, readKey, stagedCaFile } from './authority.ts';
import { linkNew, placeNew, readIfThere, replaceFiles, syncDirectory } from './files.ts';
import type { KeyPair } from './leaf.ts';
import { CA_CERT_FILES, CA_KEY_FILES, type CertificateWish, canonicalSans, certFile, keyFile } from './wish.ts';

// This file is the only one that loads @peculiar/x509 (about 0.1 s): import it when something is to be issued.

export type KeyAlgorithm = 'ecdsa-p256' | 'ecdsa-p384' | 'rsa-2048' | 'rsa-3072' | 'rsa-4096';

export interface Validity {
  notBefore: Date;
  notAfter: Date;
}

const CERT_MODE = 0o644;
const KEY_MODE = 0o600;
const USAGE_OID = { server: x509.ExtendedKeyUsage.serverAuth, client: x509.ExtendedKeyUsage.clientAuth } as const;

/**
 * Makes a CA, or finishes the one that a killed run began. Nothing that is there is ever overwritten: when another run is
 * quicker, its CA stays. For the holder of the lock; even without it there would be one CA, since the key's name is given
 * by the kernel to one run only, and the certificate is found by the key.
 */
export async function makeAuthority(
  dir: string,
  wish: { algorithm: KeyAlgorithm; commonName: string; validity: Validity },
): Promise<void> {
  const keyPath = join(dir, CA_KEY_FILES[0]);
  let keyText = await readIfThere(keyPath);
  if (keyText === undefined) {
    const made = await newAuthority(wish);
    await placeNew(dir, stagedCaFile(made.key), made.certPem, CERT_MODE);
    await syncDirectory(dir);
    await placeNew(dir, CA_KEY_FILES[0], pkcs8(made.key), KEY_MODE);
    keyText = await readIfThere(keyPath);
  }
  const staged = join(dir, stagedCaFile(readKey({ path: keyPath, text: keyText ?? '' })));
  await linkNew(staged, join(dir, CA_CERT_FILES[0]));
  await syncDirectory(dir);
  await unlink(staged).catch(() => {});
}

async function newAuthority(wish: { algorithm: KeyAlgorithm; commonName: string; validity: Validity }) {
  const key = await newKey(wish.algorithm);
  const publicKey = new x509.PublicKey(spki(key));
  const name = new x509.Name([{ CN: [{ utf8String: wish.commonName }] }]);
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: name,
    issuer: name,
    ...wish.validity,
    publicKey,
    ...(await signingWith(key)),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return { key, certPem: pem(cert) };
}

/** Issues a leaf with a new key, and puts both files in place, the key first. */
export async function issueLeaf(
  dir: string,
  wish: CertificateWish,
  terms: { authority: Authority; algorithm: KeyAlgorithm; validity: Validity },
): Promise<KeyPair> {
  const { authority } = terms;
  const key = await newKey(terms.algorithm);
  const publicKey = new x509.PublicKey(spki(key));
  const { organization } = wish;
  const sans = canonicalSans(wish.sans);
  const flags = x509.KeyUsageFlags;
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: new x509.Name([
      ...(organization === undefined ? [] : [{ O: [{ utf8String: organization }] }]),
      { CN: [{ utf8String: wish.commonName }] },
    ]),
    issuer: new x509.Name(authority.rawSubject),
    ...terms.validity,
    publicKey,
    ...(await signingWith(authority.key)),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(
        // With RSA key exchange (TLS 1.2 and older) the client encrypts to this key.
        terms.algorithm.startsWith('rsa') ? flags.digitalSignature | flags.keyEncipherment : flags.digitalSignature,
        true,
      ),
      new x509.ExtendedKeyUsageExtension([...new Set(wish.usage)].sort().map((usage) => USAGE_OID[usage])),
      ...(sans.dns.length + sans.ip.length === 0
        ? []
        : [
            new x509.SubjectAlternativeNameExtension([
              ...sans.dns.map((value) => ({ type: 'dns' as const, value })),
              ...sans.ip.map((value) => ({ type: 'ip' as const, value })),
            ]),
          ]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await authorityKeyIdentifier(authority),
    ],
  });
  const pair: KeyPair = { certPem: pem(cert), keyPem: pkcs8(key) };
  await replaceFiles(dir, [
    { name: keyFile(wish.id), content: pair.keyPem, mode: KEY_MODE },
    { name: certFile(wish.id), content: pair.certPem, mode: CERT_MODE },
  ]);
  return pair;
}

/** The CA's own subject key identifier where it has one: it need not be the SHA-1 that RFC 5280 proposes. */
async function authorityKeyIdentifier(authority: Authority): Promise<x509.AuthorityKeyIdentifierExtension> {
  const own = new x509.X509Certificate(authority.signer.raw).getExtension(x509.SubjectKeyIdentifierExtension);
  return own
    ? new x509.AuthorityKeyIdentifierExtension(own.keyId)
    : x509.AuthorityKeyIdentifierExtension.create(new x509.PublicKey(spki(authority.key)));
}

const makeKeyPair = promisify(generateKeyPair);

async function newKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  const [kind, size = ''] = algorithm.split('-');
  const { privateKey } =
    kind === 'rsa'
      ? await makeKeyPair('rsa', { modulusLength: Number(size) })
      : await makeKeyPair('ec', { namedCurve: `P-${size.slice(1)}` });
  return privateKey;
}

/** SHA-256 for every key: all that etcd and its clients run on knows it. */
async function signingWith(key: KeyObject) {
  const curve = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }[
    key.asymmetricKeyDetails?.namedCurve ?? ''
  ];
  const algorithm = curve
    ? { name: 'ECDSA', namedCurve: curve, hash: 'SHA-256' }
    : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const der = key.export({ type: 'pkcs8', format: 'der' });
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
  return { signingKey, signingAlgorithm: algorithm };
}

/** 128 bits, of which the first two are 01: positive, and never shorter. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

const spki = (key: KeyObject): Buffer => createPublicKey(key).export({ type: 'spki', format: 'der' });
const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const pem = (cert: x509.X509Certificate): string => `${cert.toString('pem').trim()}\n`;
