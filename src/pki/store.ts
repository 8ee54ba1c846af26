import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InputError, PlayError } from '../errors.ts';
import { type AuthorityState, inspectAuthority } from './authority.ts';
import { allDone, checkWritable, errorCode, readIfThere, removeTemporaries, syncDirectory } from './files.ts';
import type { KeyAlgorithm } from './issue.ts';
import { judgeLeaf, type KeyPair, type LeafVerdict, leafValidity } from './leaf.ts';
import { withLock } from './lock.ts';
import { type CertificateWish, certFile, checkWishes, keyFile } from './wish.ts';

export { type CertificateDescription, describeCertificate } from './certificate.ts';
export type { KeyAlgorithm } from './issue.ts';
export type { KeyPair } from './leaf.ts';
export type { CertificateUsage, CertificateWish, SubjectAltNames } from './wish.ts';

const DAY_MS = 86_400_000;
const CA_LIFETIME_MS = 3650 * DAY_MS;
const SHORTEST_LIFETIME_MS = 60_000;
const LAST_MOMENT = new Date('9999-12-31T23:59:59Z');

/** Which certificates should lie in a directory of the control machine (CERT_LOCAL_DIR). */
export interface PkiRequest {
  dir: string;
  /** For keys made from now on. */
  keyAlgorithm: KeyAlgorithm;
  /** How long a leaf issued now is valid. A new CA is valid for ten years, or as long as this if that is longer. */
  lifetimeMs: number;
  /** For a CA made now. */
  caCommonName: string;
  wishes: CertificateWish[];
  /** SHA-256 fingerprints of certificates that are to be issued anew, although nothing is wrong with them. */
  retired?: ReadonlySet<string>;
  /** Also of a CA that has ended it is said what it would issue anew. It issues nothing. */
  mayHaveEnded?: boolean;
  now?: Date;
}

export interface PkiPlan {
  ca: { action: 'create' | 'keep'; path: string; notAfter?: Date; subject?: string };
  leaves: { id: string; action: 'issue' | 'keep' | 'reissue'; reason?: string }[];
  /** What should be known but stops nothing: sentences. */
  warnings: string[];
}

interface Look {
  plan: PkiPlan;
  authority: AuthorityState;
  verdicts: { wish: CertificateWish; verdict: LeafVerdict }[];
}

/**
 * What `ensurePki` would do. Reads only.
 *
 * @throws InputError, with the file and the next step: a CA that is expired, half there, unreadable, or unable to sign;
 * a name that no certificate can carry; a directory that must be written and cannot be. ManyErrors for several bad names.
 */
export async function planPki(request: PkiRequest): Promise<PkiPlan> {
  const now = checkRequest(request);
  const { plan } = await look(request, now);
  if (!isDone(plan)) await checkWritable(resolve(request.dir));
  return plan;
}

/** The same for who only looks: the directory need not be one that may be written. @throws as {@link planPki}. */
export async function inspectPki(request: PkiRequest): Promise<PkiPlan> {
  return (await look(request, checkRequest(request))).plan;
}

/**
 * Makes what is missing, keeps what is good, byte by byte; the plan tells what was done. A CA is made once and never
 * overwritten. It may be killed at any moment and run again, and several processes may do this at once.
 *
 * @returns with the plan: `caPem`, all certificates in the CA's file, to be trusted; `pairs` by the id of the wish.
 * @throws as {@link planPki}, and InputError when a file cannot be written.
 */
export async function ensurePki(
  request: PkiRequest,
): Promise<{ plan: PkiPlan; caPem: string; pairs: Map<string, KeyPair> }> {
  const now = checkRequest(request);
  const dir = resolve(request.dir);
  const first = await look(request, now);
  if (isDone(first.plan)) return result(first);
  await checkWritable(dir);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return await withLock(dir, () => issueMissing(request, dir, now));
  } catch (error) {
    if (error instanceof PlayError || errorCode(error) === undefined) throw error;
    throw new InputError(`certificates could not be written: ${(error as Error).message}`, {
      file: dir,
      next: 'Free some space or correct the rights, then run again: it goes on where it stopped.',
      cause: error,
    });
  }
}

async function issueMissing(request: PkiRequest, dir: string, now: Date) {
  const before = await look({ ...request, mayHaveEnded: false }, now); // another run may have done it while this one waited
  const { issueLeaf, makeAuthority } = await import('./issue.ts');
  let authority = before.authority;
  if (authority.state === 'absent') {
    const validity = caValidity(now, request.lifetimeMs);
    await makeAuthority(dir, { algorithm: request.keyAlgorithm, commonName: request.caCommonName, validity });
    authority = await inspectAuthority(dir, now);
    if (authority.state === 'absent') throw new Error(`no CA in ${dir} after one was made`);
  }
  await removeTemporaries(dir);
  const terms = {
    authority,
    algorithm: request.keyAlgorithm,
    validity: leafValidity(now, request.lifetimeMs, authority),
  };
  const pairs = await allDone(
    before.verdicts.map(
      async ({ wish, verdict }): Promise<[string, KeyPair]> => [
        wish.id,
        verdict.action === 'keep' ? verdict.pair : await issueLeaf(dir, wish, terms),
      ],
    ),
  );
  await syncDirectory(dir);
  return { plan: before.plan, caPem: authority.pem, pairs: new Map(pairs) };
}

function result({ plan, authority, verdicts }: Look) {
  const pairs = verdicts.flatMap(({ wish, verdict }): [string, KeyPair][] =>
    verdict.action === 'keep' ? [[wish.id, verdict.pair]] : [],
  );
  return { plan, caPem: authority.state === 'ready' ? authority.pem : '', pairs: new Map(pairs) };
}

function isDone(plan: PkiPlan): boolean {
  return plan.ca.action === 'keep' && plan.leaves.every((leaf) => leaf.action === 'keep');
}

async function look(request: PkiRequest, now: Date, secondLook = false): Promise<Look> {
  const dir = resolve(request.dir);
  const [authority, files] = await Promise.all([
    inspectAuthority(dir, now, request),
    Promise.all(
      request.wishes.map(async (wish) => {
        const keyPath = join(dir, keyFile(wish.id));
        const [cert, key] = await Promise.all([readIfThere(join(dir, certFile(wish.id))), readIfThere(keyPath)]);
        return { wish, files: { keyPath, cert, key } };
      }),
    ),
  ]);
  if (authority.state === 'absent') {
    const orphan = files.find(({ files }) => files.cert !== undefined);
    // Another run may have made the CA, and then the certificate, since the CA was looked for.
    if (orphan && !secondLook) return look(request, now, true);
    // A new CA beside them would be a stranger to the members that run with these certificates.
    if (orphan) {
      throw new InputError(`there is no CA here, but certificates of one: ${certFile(orphan.wish.id)}`, {
        file: dir,
        next: 'Put back the CA (ca.pem and ca-key.pem). To begin anew with another CA, move the certificates away.',
      });
    }
    const { notAfter } = caValidity(now, request.lifetimeMs);
    const ca: PkiPlan['ca'] = {
      action: 'create',
      path: authority.path,
      notAfter,
      subject: `CN=${request.caCommonName}`,
    };
    const verdicts = request.wishes.map((wish) => ({
      wish,
      verdict: { action: 'issue', reason: 'there is none yet' } as const,
    }));
    return { authority, verdicts, plan: { ca, leaves: leavesOf(verdicts), warnings: [] } };
  }
  const validity = leafValidity(now, request.lifetimeMs, authority);
  const verdicts = files.map(({ wish, files }) => ({
    wish,
    verdict: judgeLeaf(wish, files, { authority, now, validity, ...(request.retired && { retired: request.retired }) }),
  }));
  const ca: PkiPlan['ca'] = {
    action: 'keep',
    path: authority.path,
    notAfter: authority.notAfter,
    subject: authority.subject,
  };
  const warnings = [...authority.warnings];
  if (now.getTime() + request.lifetimeMs - validity.notAfter.getTime() > DAY_MS) {
    warnings.push(
      `${authority.path}: the CA ends on ${authority.notAfter.toISOString()}, and with it every certificate issued now, ` +
        'sooner than the lifetime asked for',
    );
  }
  return { authority, verdicts, plan: { ca, leaves: leavesOf(verdicts), warnings } };
}

function leavesOf(verdicts: Look['verdicts']): PkiPlan['leaves'] {
  return verdicts.map(({ wish, verdict }) =>
    verdict.action === 'keep'
      ? { id: wish.id, action: verdict.action }
      : { id: wish.id, action: verdict.action, reason: verdict.reason },
  );
}

/** How long a CA made now is valid. */
export function caValidity(now: Date, lifetimeMs: number): { notBefore: Date; notAfter: Date } {
  return leafValidity(now, Math.max(CA_LIFETIME_MS, lifetimeMs));
}

function checkRequest({ lifetimeMs, caCommonName, wishes, now = new Date() }: PkiRequest): Date {
  if (!(lifetimeMs >= SHORTEST_LIFETIME_MS && now.getTime() + lifetimeMs <= LAST_MOMENT.getTime())) {
    throw new InputError(`certificates cannot be valid for ${lifetimeMs} ms`, {
      next: 'Give a lifetime (CERT_EXPIRY) of at least a minute, for example 8760h.',
    });
  }
  if (!/^[^\p{Cc}]{1,64}$/u.test(caCommonName)) {
    throw new InputError(`the CA's common name ${JSON.stringify(caCommonName)} is not 1 to 64 printable characters`, {
      next: 'Shorten the name.',
    });
  }
  checkWishes(wishes);
  return now;
}
