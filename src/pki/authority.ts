import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { InputError } from '../errors.ts';
import { certificateBlocks, describeCertificate, keyFingerprint, rawNames } from './certificate.ts';
import { isOpenToOthers, namesIn, readIfThere, TEMPORARY } from './files.ts';
import { CA_CERT_FILES, CA_KEY_FILES } from './wish.ts';

/** A CA that may sign. */
export interface Authority {
  path: string;
  /** All certificates of the file (during a change of CA it holds several), no keys and no text around them. */
  pem: string;
  /** The certificate that the key belongs to. */
  signer: X509Certificate;
  key: KeyObject;
  publicKey: KeyObject;
  /** DER of its subject, to be the issuer of leaves byte by byte. */
  rawSubject: Buffer;
  subject: string;
  notBefore: Date;
  notAfter: Date;
  warnings: string[];
}

/** `absent`: none here, or only the beginning of one of ours that a killed run left. */
export type AuthorityState = { state: 'absent'; path: string } | ({ state: 'ready' } & Authority);

/**
 * The name of our CA's certificate before it gets its real one. It lies there before the key gets its name, and is found
 * by the key: whoever comes upon a key without certificate can finish what was begun.
 */
export const stagedCaFile = (key: KeyObject): string =>
  `${TEMPORARY}ca-${keyFingerprint(createPublicKey(key).export({ type: 'spki', format: 'der' }))}.pem`;

/**
 * Finds and checks the CA in a directory; reads only. A CA made by cfssl or openssl is as good as ours: certificates
 * `ca.pem`, `ca.crt`, `etcd-ca.pem`; keys `ca-key.pem`, `ca.key`, `etcd-ca-key.pem` in PKCS#8, PKCS#1 or SEC1.
 *
 * @param options `mayHaveEnded`: one that is not valid any more is found too, by who replaces it.
 * @throws InputError when there is one that cannot sign, or when files of two different CAs lie there.
 */
export async function inspectAuthority(
  dir: string,
  now: Date,
  { mayHaveEnded = false, secondLook = false }: { mayHaveEnded?: boolean; secondLook?: boolean } = {},
): Promise<AuthorityState> {
  const names = new Set(await namesIn(dir));
  const [certs, keys] = await Promise.all([readAll(dir, CA_CERT_FILES, names), readAll(dir, CA_KEY_FILES, names)]);
  const [cert, ...otherCerts] = certs;
  const [key, ...otherKeys] = keys;
  if (cert && key) {
    const authority = await load(cert, readKey(key), key, mayHaveEnded ? undefined : now);
    for (const other of otherCerts) {
      if (!readBundle(other).some((one) => one.fingerprint256 === authority.signer.fingerprint256)) {
        throw anotherCa(other.path, cert.path);
      }
    }
    for (const other of otherKeys) {
      if (!authority.signer.checkPrivateKey(readKey(other))) throw anotherCa(other.path, cert.path);
    }
    return { state: 'ready', ...authority };
  }
  if (!cert && !key) return { state: 'absent', path: join(dir, CA_CERT_FILES[0]) };
  if (key && names.has(stagedCaFile(readKey(key)))) return { state: 'absent', path: join(dir, CA_CERT_FILES[0]) };
  // Another run may just have given both files their names while the directory was being listed.
  if (!secondLook) return inspectAuthority(dir, now, { mayHaveEnded, secondLook: true });
  if (cert) {
    throw new InputError("the CA's certificate is here, but its key is not", {
      file: cert.path,
      next: `Put the key beside it as ${CA_KEY_FILES[0]}, or name another directory (CERT_LOCAL_DIR) to make a new CA there.`,
    });
  }
  throw new InputError("the CA's key is here, but its certificate is not", {
    file: key?.path ?? dir,
    next: `Put the certificate beside it as ${CA_CERT_FILES[0]}, or name another directory (CERT_LOCAL_DIR) to make a new CA there.`,
  });
}

interface Pem {
  path: string;
  text: string;
}

async function readAll(dir: string, candidates: readonly string[], names: ReadonlySet<string>): Promise<Pem[]> {
  const files = candidates.filter((name) => names.has(name)).map((name) => join(dir, name));
  const texts = await Promise.all(files.map(readIfThere));
  return files.flatMap((path, i) => {
    const text = texts[i];
    return text === undefined ? [] : [{ path, text }];
  });
}

async function load(cert: Pem, key: KeyObject, keyPem: Pem, now: Date | undefined): Promise<Authority> {
  const bundle = readBundle(cert);
  const signer = bundle.find((one) => one.checkPrivateKey(key));
  if (!signer) {
    throw new InputError(`the key in ${keyPem.path} does not belong to this CA certificate`, {
      file: cert.path,
      next: 'Put the certificate and the key of one CA there.',
    });
  }
  if (!signer.ca) {
    throw new InputError('this certificate may not sign others: it is no CA (basicConstraints CA:TRUE, keyCertSign)', {
      file: cert.path,
      next: "Put the CA's own certificate there, not one that it issued.",
    });
  }
  const { notBefore, notAfter, subject } = describeCertificate(signer, now ?? new Date());
  if (now && notAfter <= now) {
    throw new InputError(`the CA expired on ${notAfter.toISOString()}`, {
      file: cert.path,
      next: 'Check the clock of this machine. If it is right, the cluster needs a new CA: play rotate_certs_etcd -e ca=true -e outage=accept',
    });
  }
  if (now && notBefore > now) {
    throw new InputError(`the CA is not valid before ${notBefore.toISOString()}`, {
      file: cert.path,
      next: 'Check the clock of this machine.',
    });
  }
  const warnings = signingFault(key, keyPem.path);
  if (await isOpenToOthers(keyPem.path)) warnings.push(`${keyPem.path}: others can read the CA's key: chmod 600 it`);
  const pem = certificateBlocks(cert.text).join('');
  const { publicKey } = signer;
  const rawSubject = rawNames(signer).subject;
  return { path: cert.path, pem, signer, key, publicKey, rawSubject, subject, notBefore, notAfter, warnings };
}

function readBundle(file: Pem): X509Certificate[] {
  const blocks = certificateBlocks(file.text);
  if (blocks.length === 0) {
    throw new InputError('there is no certificate in PEM in this file', {
      file: file.path,
      next: 'If it is in DER, convert it: openssl x509 -inform der -in FILE -out ca.pem',
    });
  }
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new InputError(`certificate ${i + 1} of this file cannot be read: ${(error as Error).message}`, {
        file: file.path,
        next: 'Put back a whole copy of the file.',
        cause: error,
      });
    }
  });
}

/** @throws InputError for a key that is encrypted or cannot be read. */
export function readKey(file: Pem): KeyObject {
  if (/ENCRYPTED/.test(file.text)) {
    throw new InputError('this key is encrypted', {
      file: file.path,
      next: 'Decrypt it in place: openssl pkey -in FILE -out FILE.plain, then mv FILE.plain FILE and chmod 600 FILE.',
    });
  }
  try {
    return createPrivateKey(file.text);
  } catch (error) {
    throw new InputError(`this key cannot be read: ${(error as Error).message}`, {
      file: file.path,
      next: 'Put back a whole copy of the key, in PEM.',
      cause: error,
    });
  }
}

const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];

/** Warnings about a key that can sign. @throws InputError for one that WebCrypto, or some etcd, cannot use. */
function signingFault(key: KeyObject, path: string): string[] {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec' && CURVES.includes(namedCurve ?? '')) return [];
  if (key.asymmetricKeyType === 'rsa') {
    return modulusLength >= 2048 ? [] : [`${path}: an RSA key of ${modulusLength} bits is too short to be safe`];
  }
  throw new InputError(
    `a CA with a key of type ${[key.asymmetricKeyType, namedCurve].filter(Boolean).join(' ')} is not usable`,
    {
      file: path,
      next: 'Use an ECDSA key (P-256, P-384, P-521) or an RSA key.',
    },
  );
}

function anotherCa(path: string, than: string): InputError {
  return new InputError(`belongs to another CA than ${than}`, {
    file: path,
    next: 'Keep only the files of the CA that the cluster trusts in this directory.',
  });
}
