import type { X509Certificate } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../errors.ts';
import { inspectAuthority } from './authority.ts';
import { exists, namesIn, readIfThere, replaceFiles, syncDirectory } from './files.ts';
import type { KeyAlgorithm } from './issue.ts';
import { withLock } from './lock.ts';
import { caValidity } from './store.ts';
import { CA_CERT_FILES, CA_KEY_FILES } from './wish.ts';

/** Beside the CA while it is being changed: the new one, and a copy of the old one. */
const FOLDER = 'ca-rotation';
const OLD_CERT = 'old-ca.pem';
const OLD_KEY = 'old-ca-key.pem';
const CERT_MODE = 0o644;
const KEY_MODE = 0o600;

/**
 * How far a change of CA has come on the control machine. Each stage is reached from the one before by one file that is
 * put in place, and is read off the files: what is trusted, and whose key signs.
 */
export type RotationStage = 'none' | 'made' | 'both, old signs' | 'both, new signs' | 'new';

export interface Rotation {
  stage: RotationStage;
  /** What is trusted: by the old stage, by those between, by the last. Without a new CA all are the same. */
  old: string;
  both: string;
  new: string;
  newCa: X509Certificate | undefined;
  /** When the CA that signs ended; undefined while it is valid. */
  endedAt: Date | undefined;
  /** When the last change of CA was finished. */
  changedAt: Date | undefined;
}

export type RotationStep =
  | 'make'
  | 'trust both'
  | 'sign by new'
  | 'trust new'
  | 'sign by old'
  | 'trust old'
  | 'keep old'
  | 'drop new';

/** Reads only. @throws InputError where the files are of no stage: somebody has changed them. */
export async function readRotation(dir: string, now: Date): Promise<Rotation> {
  const authority = await inspectAuthority(dir, now, { mayHaveEnded: true });
  if (authority.state === 'absent') throw new InputError('there is no CA here', { file: dir });
  const endedAt = authority.notAfter <= now ? authority.notAfter : undefined;
  const changedAt = (await namesIn(dir)).flatMap((name) => stampOf(name) ?? []).sort((a, b) => +b - +a)[0];
  const folder = join(dir, FOLDER);
  const [next, old] = await Promise.all([inspectAuthority(folder, now), readIfThere(join(folder, OLD_CERT))]);
  const { pem } = authority;
  if (next.state === 'absent' || old === undefined) {
    return { stage: 'none', old: pem, both: pem, new: pem, newCa: undefined, endedAt, changedAt };
  }
  const both = old + next.pem;
  const newSigns = authority.signer.fingerprint256 === next.signer.fingerprint256;
  const stage = stageOf(pem, newSigns, { old, both, new: next.pem });
  if (!stage) {
    throw new InputError(`what is trusted here is neither the old CA, nor the new one, nor both (see ${folder})`, {
      file: authority.path,
      next: `Put back one of them: ${OLD_CERT} or ca.pem from ${folder}, or both in this order. Its key must fit.`,
    });
  }
  return { stage, old, both, new: next.pem, newCa: next.signer, endedAt, changedAt };
}

function stageOf(pem: string, newSigns: boolean, known: { old: string; both: string; new: string }) {
  if (pem === known.old && !newSigns) return 'made';
  if (pem === known.both) return newSigns ? 'both, new signs' : 'both, old signs';
  return pem === known.new && newSigns ? 'new' : undefined;
}

/** For a CA that is made now. */
export interface NewAuthority {
  algorithm: KeyAlgorithm;
  commonName: string;
  lifetimeMs: number;
}

/** Makes one step. It may be killed at any moment and made again. */
export async function takeRotationStep(dir: string, step: RotationStep, wish: NewAuthority, now = new Date()) {
  const { cert, key } = await ownFiles(dir);
  const folder = join(dir, FOLDER);
  const put = async (name: string, content: string | undefined, mode: number) => {
    if (content === undefined) throw new InputError('a file of the change of CA is missing', { file: folder });
    await replaceFiles(dir, [{ name, content, mode }]);
    await syncDirectory(dir);
  };
  const { old, both, new: next } = await readRotation(dir, now);
  await withLock(dir, async () => {
    switch (step) {
      case 'make':
        return makeNext(dir, { cert, key }, wish, now);
      case 'trust both':
        return put(cert, both, CERT_MODE);
      case 'trust new':
        return put(cert, next, CERT_MODE);
      case 'trust old':
        return put(cert, old, CERT_MODE);
      case 'sign by new':
        return put(key, await readIfThere(join(folder, CA_KEY_FILES[0])), KEY_MODE);
      case 'sign by old':
        return put(key, await readIfThere(join(folder, OLD_KEY)), KEY_MODE);
      case 'keep old':
        return putAway(dir, `ca-replaced-${stamp(now)}`, CA_KEY_FILES[0]);
      case 'drop new':
        return putAway(dir, `ca-abandoned-${stamp(now)}`, OLD_KEY);
    }
  });
}

/** A CA may lie under several names. Two of a kind could not be changed in one moment. */
async function ownFiles(dir: string): Promise<{ cert: string; key: string }> {
  const names = await namesIn(dir);
  const one = (candidates: readonly string[]) => {
    const [found, other] = candidates.filter((name) => names.includes(name));
    if (found === undefined || other !== undefined) {
      throw new InputError(
        found === undefined ? 'there is no CA here' : `the CA lies here twice, as ${found} and ${other}`,
        { file: dir, next: 'Move one of the two away: they could not be changed in one moment.' },
      );
    }
    return basename(found);
  };
  return { cert: one(CA_CERT_FILES), key: one(CA_KEY_FILES) };
}

async function makeNext(dir: string, own: { cert: string; key: string }, wish: NewAuthority, now: Date) {
  const folder = join(dir, FOLDER);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const authority = await inspectAuthority(dir, now, { mayHaveEnded: true });
  const key = await readIfThere(join(dir, own.key));
  if (authority.state === 'absent' || key === undefined) throw new InputError('there is no CA here', { file: dir });
  await replaceFiles(folder, [
    { name: OLD_KEY, content: key, mode: KEY_MODE },
    { name: OLD_CERT, content: authority.pem, mode: CERT_MODE },
  ]);
  await syncDirectory(folder);
  if ((await inspectAuthority(folder, now)).state === 'ready') return;
  const { makeAuthority } = await import('./issue.ts');
  const { algorithm, commonName, lifetimeMs } = wish;
  await makeAuthority(folder, { algorithm, commonName, validity: caValidity(now, lifetimeMs) });
  await syncDirectory(dir);
}

/** The name first: without its key the folder could not be read any more. */
async function putAway(dir: string, name: string, twice: string): Promise<void> {
  const to = join(dir, name);
  if (await exists(join(dir, FOLDER))) await rename(join(dir, FOLDER), to);
  await syncDirectory(dir);
  await rm(join(to, twice), { force: true });
}

const stamp = (now: Date) => now.toISOString().replace(/[-:]|\.\d+/g, '');

function stampOf(name: string): Date | undefined {
  const match = /^ca-replaced-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(name);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
