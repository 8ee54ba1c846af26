import { once } from 'node:events';
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readKey, stagedCaFile } from '../../../src/pki/authority.ts';
import { type CertificateWish, ensurePki, planPki } from '../../../src/pki/store.ts';
import { contentsOf, finished, openssl, request, startIssuer, temporaryDir } from './workshop.ts';

const HOSTS = 3;
const wishes: CertificateWish[] = Array.from({ length: HOSTS }, (_, i) => ({
  id: `etcd-h${i + 1}`,
  commonName: `etcd-h${i + 1}`,
  usage: ['server', 'client'],
  sans: { dns: [`h${i + 1}`], ip: ['127.0.0.1'] },
}));
const leaves = wishes.map((wish) => `${wish.id}.pem`);
const files = ['ca-key.pem', 'ca.pem', ...wishes.flatMap((wish) => [`${wish.id}-key.pem`, `${wish.id}.pem`])];

async function expectWhole(dir: string): Promise<void> {
  const { pairs } = await ensurePki(request(dir, { wishes }));
  for (const { id } of wishes) {
    expect(readFileSync(join(dir, `${id}.pem`), 'utf8')).toBe(pairs.get(id)?.certPem);
    expect(readFileSync(join(dir, `${id}-key.pem`), 'utf8')).toBe(pairs.get(id)?.keyPem);
  }
  openssl('verify', '-CAfile', join(dir, 'ca.pem'), ...leaves.map((name) => join(dir, name)));
  expect((await planPki(request(dir, { wishes }))).leaves.every((leaf) => leaf.action === 'keep')).toBe(true);
}

describe('a run that is killed', () => {
  it('while it issues leaves, at any moment, leaves a set that the next run completes; the CA stays', {
    timeout: 120_000,
  }, async () => {
    const dir = temporaryDir();
    await ensurePki(request(dir, { wishes }));
    const ca = readFileSync(join(dir, 'ca.pem'), 'utf8') + readFileSync(join(dir, 'ca-key.pem'), 'utf8');
    for (let kill = 0; kill < 12; kill++) {
      const child = startIssuer(dir, 10_000, HOSTS);
      await once(child.stdout!, 'data');
      await sleep(Math.random() * 100);
      child.kill('SIGKILL');
      await once(child, 'close');
      await expectWhole(dir);
      expect(readFileSync(join(dir, 'ca.pem'), 'utf8') + readFileSync(join(dir, 'ca-key.pem'), 'utf8')).toBe(ca);
    }
    await ensurePki(request(dir, { wishes: wishes.map((wish) => ({ ...wish, commonName: 'x' })) }));
    expect(readdirSync(dir).sort()).toEqual(files.sort());
  });

  it('while it makes the CA leaves one that the next run completes or makes', { timeout: 120_000 }, async () => {
    for (let kill = 0; kill < 12; kill++) {
      const dir = temporaryDir();
      const child = startIssuer(dir, 1, HOSTS);
      await once(child.stdout!, 'data');
      await sleep(10 + Math.random() * 40);
      child.kill('SIGKILL');
      await once(child, 'close');
      const key = contentsOf(dir)['ca-key.pem'];
      await expectWhole(dir);
      if (key) expect(contentsOf(dir)['ca-key.pem']).toBe(key);
    }
  });

  it('between the two files of the CA leaves a key whose certificate is found', async () => {
    const dir = temporaryDir();
    await ensurePki(request(dir, { wishes: [] }));
    const [ca, path] = [join(dir, 'ca.pem'), join(dir, 'ca-key.pem')];
    const before = contentsOf(dir);
    renameSync(ca, join(dir, stagedCaFile(readKey({ path, text: readFileSync(path, 'utf8') }))));
    expect((await planPki(request(dir, { wishes: [] }))).ca.action).toBe('create');
    await ensurePki(request(dir, { wishes: [] }));
    expect(contentsOf(dir)).toEqual(before);
  });

  it('before the key of the CA had its name leaves nothing that matters', async () => {
    const [dir, other] = [temporaryDir(), temporaryDir()];
    await ensurePki(request(other, { wishes: [] }));
    const path = join(other, 'ca-key.pem');
    linkSync(join(other, 'ca.pem'), join(dir, stagedCaFile(readKey({ path, text: readFileSync(path, 'utf8') }))));
    writeFileSync(join(dir, '.tmp-0123456789abcdef'), 'half a ke');
    await expectWhole(dir);
    expect(readdirSync(dir).sort()).toEqual(files.sort());
  });
});

describe('several runs at once', () => {
  it('make one CA and one set of leaves', { timeout: 60_000 }, async () => {
    for (let round = 0; round < 3; round++) {
      const dir = temporaryDir();
      await Promise.all(Array.from({ length: 4 }, () => finished(startIssuer(dir, 1, HOSTS))));
      const before = contentsOf(dir);
      expect(Object.keys(before)).toEqual(files.sort());
      await expectWhole(dir);
      expect(contentsOf(dir)).toEqual(before);
    }
  });

  it('in one process give the same pairs to all', async () => {
    const dir = temporaryDir();
    const all = await Promise.all(Array.from({ length: 8 }, () => ensurePki(request(dir, { wishes }))));
    expect(new Set(all.map(({ caPem }) => caPem)).size).toBe(1);
    expect(new Set(all.map(({ pairs }) => JSON.stringify([...pairs]))).size).toBe(1);
    expect(all.filter(({ plan }) => plan.ca.action === 'create')).toHaveLength(1);
    rmSync(join(dir, `${wishes[0]?.id}.pem`));
    const again = await Promise.all(Array.from({ length: 4 }, () => ensurePki(request(dir, { wishes }))));
    expect(new Set(again.map(({ pairs }) => JSON.stringify([...pairs]))).size).toBe(1);
  });
});
