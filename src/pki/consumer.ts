import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { InputError, PlayError } from '../errors.ts';
import type { Secret } from '../secret.ts';
import { type Authority, inspectAuthority } from './authority.ts';
import { certificateBlocks, describeCertificate } from './certificate.ts';
import {
  checkWritable,
  errorCode,
  exists,
  readIfThere,
  removeTemporaries,
  replaceFiles,
  syncDirectory,
} from './files.ts';
import type { KeyAlgorithm } from './issue.ts';
import { judgeLeaf, type KeyPair, type LeafVerdict, leafValidity } from './leaf.ts';
import { withLock } from './lock.ts';
import { makePkcs12, openPkcs12 } from './pkcs12.ts';
import { type CertificateWish, certFile, checkWishes, keyFile, type SubjectAltNames } from './wish.ts';

/** Before the name in those of its files: so it can be none of the cluster's own, whatever members are called. */
export const CONSUMER_PREFIX = 'consumer-';

/** A client certificate for somebody who uses the cluster. */
export interface ConsumerRequest {
  /** Where the CA lies, and the certificate will. */
  dir: string;
  /** The user's name in etcd, where users must log in. */
  commonName: string;
  /** DNS names and addresses. Undefined: those of the one that is there, or none. */
  names: readonly string[] | undefined;
  lifetimeMs: number;
  keyAlgorithm: KeyAlgorithm;
  /** Replace one that is still valid. */
  renew: boolean;
  /** Write a PKCS#12 file, too, closed by this. */
  password?: Secret | undefined;
  now?: Date;
}

export type ConsumerVerdict =
  | { action: 'issue' | 'renew'; reason: string }
  | { action: 'keep' }
  /** There is a valid one that is not as wished. */
  | { action: 'refuse'; reason: string };

export interface Consumer {
  verdict: ConsumerVerdict;
  certPath: string;
  keyPath: string;
  caPath: string;
  /** Undefined where it is only to be issued. */
  certificate: X509Certificate | undefined;
  /** The PKCS#12 file; `stale` where it holds another certificate than the PEM file. */
  p12: { path: string; state: 'written' | 'kept' | 'stale' } | undefined;
}

/** Whether a certificate is issued, over one that may be there. Pure. @param isValid the one that is there can be used. */
export function judgeConsumer(verdict: LeafVerdict, isValid: boolean, renew: boolean): ConsumerVerdict {
  if (verdict.action === 'issue') return { action: 'issue', reason: verdict.reason };
  if (renew) return { action: 'renew', reason: 'it was asked for' };
  if (verdict.action === 'keep') return { action: 'keep' };
  return isValid ? { action: 'refuse', reason: verdict.reason } : { action: 'renew', reason: verdict.reason };
}

/** What {@link issueConsumer} would do. Reads only. */
export async function inspectConsumer(request: ConsumerRequest): Promise<Consumer> {
  const { consumer } = await look(request);
  if (consumer.verdict.action !== 'keep' || request.password) await checkWritable(resolve(request.dir));
  return consumer;
}

/** Issues it, unless a valid one is there. @throws PlayError for a valid one that is not as wished, InputError without a CA. */
export async function issueConsumer(request: ConsumerRequest): Promise<Consumer> {
  const dir = resolve(request.dir);
  const before = await look(request);
  refuse(before.consumer);
  await checkWritable(dir);
  try {
    return await withLock(dir, () => issueNow(request, dir));
  } catch (error) {
    if (error instanceof PlayError || errorCode(error) === undefined) throw error;
    throw new InputError(`the certificate could not be written: ${(error as Error).message}`, {
      file: dir,
      next: 'Free some space or correct the rights, then run again.',
      cause: error,
    });
  }
}

async function issueNow(request: ConsumerRequest, dir: string): Promise<Consumer> {
  // Another run may have issued it while this one waited.
  const { authority, wish, consumer, pair: found, now } = await look(request);
  refuse(consumer);
  await removeTemporaries(dir);
  const isNew = consumer.verdict.action !== 'keep';
  const validity = leafValidity(now, request.lifetimeMs, authority);
  const { issueLeaf } = await import('./issue.ts');
  const pair = isNew ? await issueLeaf(dir, wish, { authority, algorithm: request.keyAlgorithm, validity }) : found!;
  const certificate = new X509Certificate(pair.certPem);
  const p12 = await pack(request, { dir, id: wish.id, pair, certificate, caPem: authority.pem, isNew });
  await syncDirectory(dir);
  return { ...consumer, certificate, p12 };
}

interface Packing {
  dir: string;
  id: string;
  pair: KeyPair;
  certificate: X509Certificate;
  caPem: string;
  isNew: boolean;
}

async function pack(
  { password, commonName: name, renew }: ConsumerRequest,
  { dir, id, pair, certificate, caPem, isNew }: Packing,
): Promise<Consumer['p12']> {
  const path = join(dir, `${id}.p12`);
  const isThere = await exists(path);
  if (!password) return isThere && isNew ? { path, state: 'stale' } : undefined;
  if (isThere && !isNew && !renew) {
    const held = await openPkcs12(path, password);
    if (held?.fingerprint256 === certificate.fingerprint256) return { path, state: 'kept' };
    if (!held) {
      throw new PlayError('there is a PKCS#12 file, and the password does not open it', {
        file: path,
        next: 'Give its password; or move the file away, and run again to have it made anew.',
      });
    }
  }
  const content = await makePkcs12({ ...pair, caPem, name }, password);
  await replaceFiles(dir, [{ name: `${id}.p12`, content, mode: 0o600 }]);
  return { path, state: 'written' };
}

function refuse({ verdict, certPath, certificate }: Consumer): void {
  if (verdict.action !== 'refuse') return;
  throw new PlayError(`there is a valid certificate, and it is not as wished: ${verdict.reason}`, {
    file: certPath,
    next: `It is valid until ${describeCertificate(certificate!).notAfter.toISOString().slice(0, 10)}. To replace it: -e renew=true`,
  });
}

interface Look {
  authority: Authority;
  wish: CertificateWish;
  consumer: Consumer;
  pair: KeyPair | undefined;
  now: Date;
}

async function look(request: ConsumerRequest): Promise<Look> {
  const { commonName, names, renew, now = new Date() } = request;
  const dir = resolve(request.dir);
  const id = `${CONSUMER_PREFIX}${commonName}`;
  // `a-key` would have for its certificate the name that the key of `a` has.
  if (id.endsWith('-key')) {
    throw new InputError(`cn=${commonName} ends as names of key files do`, { next: 'Choose another name.' });
  }
  const authority = await inspectAuthority(dir, now);
  if (authority.state === 'absent') {
    throw new InputError('there is no CA here that could issue a certificate', {
      file: dir,
      next: 'Set CERT_LOCAL_DIR to the folder the cluster was made with; play create_etcd makes one.',
    });
  }
  const [certPath, keyPath] = [join(dir, certFile(id)), join(dir, keyFile(id))];
  const [cert, key] = await Promise.all([readIfThere(certPath), readIfThere(keyPath)]);
  const certificate = readCertificate(cert);
  const wish: CertificateWish = {
    id,
    commonName,
    usage: ['client'],
    sans: names
      ? { dns: names.filter((name) => !isIP(name)), ip: names.filter((name) => isIP(name)) }
      : sansOf(certificate),
  };
  checkWishes([wish]);
  // One that is issued at this moment would not live longer: age alone replaces no certificate that others have a copy of.
  const terms = { authority, now, validity: { notBefore: now, notAfter: now } };
  const judged = judgeLeaf(wish, { keyPath, cert, key }, terms);
  const verdict = judgeConsumer(judged, isValid(certificate, key, authority, now), renew);
  const pair = judged.action === 'keep' ? judged.pair : undefined;
  const consumer: Consumer = { verdict, certPath, keyPath, caPath: authority.path, certificate, p12: undefined };
  return { authority, wish, consumer, pair, now };
}

function readCertificate(text: string | undefined): X509Certificate | undefined {
  const [block] = certificateBlocks(text ?? '');
  try {
    return block === undefined ? undefined : new X509Certificate(block);
  } catch {
    return undefined;
  }
}

function sansOf(certificate: X509Certificate | undefined): SubjectAltNames {
  return certificate ? describeCertificate(certificate).sans : { dns: [], ip: [] };
}

/** The cluster would take it now: during a change of CA also one of the CA that goes. */
function isValid(
  certificate: X509Certificate | undefined,
  key: string | undefined,
  { pem }: Authority,
  now: Date,
): boolean {
  if (!certificate || key === undefined) return false;
  const { notBefore, notAfter } = describeCertificate(certificate, now);
  if (notAfter <= now || notBefore > now) return false;
  const isTrusted = certificateBlocks(pem).some((block) => certificate.verify(new X509Certificate(block).publicKey));
  try {
    return isTrusted && certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
