import { X509Certificate } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RotationStep, readRotation, takeRotationStep } from '../../../src/pki/rotation.ts';
import { ensurePki, type PkiRequest } from '../../../src/pki/store.ts';

const NOW = new Date('2026-11-21T10:00:00Z');
const DAY_MS = 86_400_000;
let dir: string;
let request: PkiRequest;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rotation-'));
  const wishes = [{ id: 'client', commonName: 'root', usage: ['client' as const], sans: { dns: [], ip: [] } }];
  request = { dir, keyAlgorithm: 'ecdsa-p256', lifetimeMs: 90 * DAY_MS, caCommonName: 'first', wishes, now: NOW };
  await ensurePki(request);
});
afterEach(() => rm(dir, { recursive: true }));

const take = async (...steps: RotationStep[]) => {
  const wish = { algorithm: 'ecdsa-p256' as const, commonName: 'second', lifetimeMs: 90 * DAY_MS };
  for (const step of steps) await takeRotationStep(dir, step, wish, NOW);
};
const stage = async () => (await readRotation(dir, NOW)).stage;
const read = (file: string) => readFile(join(dir, file), 'utf8');
/** Issues what is due, and says who issued the client's certificate. */
const issuer = async () => {
  const { pairs, plan } = await ensurePki(request);
  const { issuer: name } = new X509Certificate(pairs.get('client')!.certPem);
  return `${name} ${plan.leaves[0]!.action}`;
};

describe('a change of CA on the control machine', () => {
  it('goes from stage to stage, each read off the files; what is due is issued by the one that signs', async () => {
    const [ca, key] = [await read('ca.pem'), await read('ca-key.pem')];
    expect(await stage()).toBe('none');
    await take('make');
    expect(await stage()).toBe('made');
    expect(await read('ca.pem')).toBe(ca);
    await take('trust both');
    expect(await stage()).toBe('both, old signs');
    expect(await issuer()).toBe('CN=first keep');
    await take('sign by new');
    expect(await stage()).toBe('both, new signs');
    expect((await readRotation(dir, NOW)).both).toBe(await read('ca.pem'));
    expect(await issuer()).toBe('CN=second reissue');
    await take('trust new');
    expect(await stage()).toBe('new');
    expect(await issuer()).toBe('CN=second keep');
    await take('keep old');
    expect(await stage()).toBe('none');
    expect((await readRotation(dir, NOW)).changedAt).toEqual(NOW);
    expect(await read('ca-replaced-20261121T100000Z/old-ca.pem')).toBe(ca);
    expect(await read('ca-replaced-20261121T100000Z/old-ca-key.pem')).toBe(key);
    expect(await readdir(join(dir, 'ca-replaced-20261121T100000Z'))).not.toContain('ca-key.pem');
  });

  it('comes back to the old CA from both', async () => {
    const [ca, key] = [await read('ca.pem'), await read('ca-key.pem')];
    await take('make', 'trust both', 'sign by new');
    expect(await issuer()).toBe('CN=second reissue');
    await take('sign by old');
    expect(await issuer()).toBe('CN=first reissue');
    await take('trust old', 'drop new');
    expect([await stage(), await read('ca.pem'), await read('ca-key.pem')]).toEqual(['none', ca, key]);
    expect(await readdir(dir)).toContain('ca-abandoned-20261121T100000Z');
  });

  it('may make each step twice', async () => {
    await take('make', 'make');
    const made = await readRotation(dir, NOW);
    await take('make', 'trust both', 'trust both', 'sign by new', 'sign by new', 'trust new', 'trust new');
    expect((await readRotation(dir, NOW)).new).toBe(made.new);
    expect(await stage()).toBe('new');
  });

  it('counts as not begun while the new CA is not whole', async () => {
    await take('make');
    await rm(join(dir, 'ca-rotation/ca-key.pem'));
    await rm(join(dir, 'ca-rotation/ca.pem'));
    expect(await stage()).toBe('none');
    await take('make');
    expect(await stage()).toBe('made');
  });

  it('keeps keys to their owner', async () => {
    await take('make', 'trust both', 'sign by new');
    for (const file of ['ca-key.pem', 'ca-rotation/ca-key.pem', 'ca-rotation/old-ca-key.pem']) {
      expect((await stat(join(dir, file))).mode & 0o777, file).toBe(0o600);
    }
    expect((await stat(join(dir, 'ca-rotation'))).mode & 0o777).toBe(0o700);
  });

  it('refuses files that are of no stage, and says how to go on', async () => {
    await take('make', 'trust both');
    await writeFile(join(dir, 'ca.pem'), (await read('ca.pem')) + (await read('ca-rotation/ca.pem')));
    await expect(stage()).rejects.toThrow(/neither the old CA, nor the new one, nor both/);
  });

  it('refuses a CA that lies there twice: two files do not change in one moment', async () => {
    await copyFile(join(dir, 'ca.pem'), join(dir, 'ca.crt'));
    await expect(take('make')).rejects.toThrow(/lies here twice, as ca\.pem and ca\.crt/);
  });
});
