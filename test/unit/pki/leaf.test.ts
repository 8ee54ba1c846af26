import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leafValidity } from '../../../src/pki/leaf.ts';
import { type CertificateWish, ensurePki, planPki } from '../../../src/pki/store.ts';
import { contentsOf, DAY_MS, openssl, request, server, temporaryDir } from './workshop.ts';

const cert = `${server.id}.pem`;
const key = `${server.id}-key.pem`;
const read = (dir: string, name: string) => readFileSync(join(dir, name), 'utf8');

describe('a leaf is issued again when', () => {
  const damage: [string, RegExp, (dir: string) => void | Promise<void>][] = [
    ['its certificate is missing', /certificate is missing/, (dir) => rmSync(join(dir, cert))],
    ['its key is missing', /key is missing/, (dir) => rmSync(join(dir, key))],
    ['its certificate is empty', /certificate cannot be read/, (dir) => writeFileSync(join(dir, cert), '')],
    [
      'its certificate is cut short',
      /certificate cannot be read/,
      (dir) => writeFileSync(join(dir, cert), read(dir, cert).slice(0, 300)),
    ],
    [
      'its certificate is damaged',
      /certificate cannot be read/,
      (dir) => writeFileSync(join(dir, cert), read(dir, cert).replace(/\n.{8}/, '\nAAAAAAAA')),
    ],
    [
      'its key is cut short',
      /key cannot be read/,
      (dir) => writeFileSync(join(dir, key), read(dir, key).slice(0, 100)),
    ],
    [
      'its key is that of another',
      /key does not match/,
      (dir) => writeFileSync(join(dir, key), read(dir, 'client-key.pem')),
    ],
    [
      'it was issued by another CA of the same name',
      /another CA/,
      async (dir) => {
        const other = temporaryDir();
        await ensurePki(request(other));
        for (const name of [cert, key]) writeFileSync(join(dir, name), read(other, name));
      },
    ],
  ];

  it.each(damage)('%s', async (_, reason, damageIt) => {
    const dir = temporaryDir();
    await ensurePki(request(dir));
    const ca = [read(dir, 'ca.pem'), read(dir, 'ca-key.pem'), read(dir, 'client.pem')];
    await damageIt(dir);
    const { plan, pairs } = await ensurePki(request(dir));
    expect(plan.leaves[0]).toMatchObject({
      action: expect.stringMatching(/issue/),
      reason: expect.stringMatching(reason),
    });
    expect(plan.leaves[1]).toEqual({ id: 'client', action: 'keep' });
    expect([read(dir, 'ca.pem'), read(dir, 'ca-key.pem'), read(dir, 'client.pem')]).toEqual(ca);
    expect(openssl('verify', '-CAfile', join(dir, 'ca.pem'), join(dir, cert))).toContain('OK');
    expect(read(dir, cert)).toBe(pairs.get(server.id)?.certPem);
    expect((await planPki(request(dir))).leaves.every((leaf) => leaf.action === 'keep')).toBe(true);
  });

  it.each<[string, Partial<CertificateWish>, RegExp]>([
    ['a name is added', { sans: { ...server.sans, dns: [...server.sans.dns, 'h9'] } }, /names differ: \+h9$/],
    ['a name is gone', { sans: { ...server.sans, dns: ['localhost', 'h1'] } }, /names differ: -h1\.example\.com$/],
    [
      'an address is another',
      { sans: { ...server.sans, ip: ['10.0.0.2'] } },
      /names differ: \+10\.0\.0\.2 -10\.0\.0\.1/,
    ],
    ['its common name is another', { commonName: 'etcd-h2' }, /common name is "etcd-h1", not "etcd-h2"/],
    ['its organization is another', { organization: 'x' }, /organization is "etcd", not "x"/],
    ['its usage is another', { usage: ['server'] }, /usage is client and server, not server/],
  ])('%s', async (_, change, reason) => {
    const dir = temporaryDir();
    const wished = (wish: CertificateWish) => request(dir, { wishes: [wish] });
    await ensurePki(wished(server));
    const plan = await planPki(wished({ ...server, ...change }));
    expect(plan.leaves[0]).toMatchObject({ action: 'reissue', reason: expect.stringMatching(reason) });
  });
});

describe('a leaf stays when', () => {
  it('its names come in another order, spelling or number', async () => {
    const dir = temporaryDir();
    await ensurePki(request(dir, { wishes: [server] }));
    const sans = {
      dns: ['H1.example.com', 'localhost', 'h1', 'LOCALHOST'],
      ip: ['fd00:0::a:1', '10.0.0.1', '0::1', '127.0.0.1', '::1'],
    };
    const plan = await planPki(request(dir, { wishes: [{ ...server, sans, usage: ['client', 'server', 'client'] }] }));
    expect(plan.leaves[0]?.action).toBe('keep');
  });

  it('openssl issued it with our CA as it was wished; a key in SEC1 is given as PKCS#8', async () => {
    const dir = temporaryDir();
    await ensurePki(request(dir, { wishes: [] }));
    const at = (name: string) => join(dir, name);
    writeFileSync(at('ext'), 'subjectAltName=DNS:x,IP:::1\nextendedKeyUsage=clientAuth,serverAuth\n');
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-out', at('x-key.pem'));
    openssl('req', '-new', '-key', at('x-key.pem'), '-subj', '/O=Someone/CN=x', '-out', at('csr'));
    openssl(
      ...['x509', '-req', '-in', at('csr'), '-CA', at('ca.pem'), '-CAkey', at('ca-key.pem'), '-CAcreateserial'],
      ...['-days', '90', '-extfile', at('ext'), '-out', at('x.pem')],
    );
    const before = contentsOf(dir);
    const wish: CertificateWish = {
      id: 'x',
      commonName: 'x',
      usage: ['server', 'client'],
      sans: { dns: ['x'], ip: ['::1'] },
    };
    const { plan, pairs } = await ensurePki(request(dir, { wishes: [wish] }));
    expect(plan.leaves).toEqual([{ id: 'x', action: 'keep' }]);
    expect(contentsOf(dir)).toEqual(before);
    expect(pairs.get('x')?.keyPem).toMatch(/^-----BEGIN PRIVATE KEY-----\n[^-]+-----END PRIVATE KEY-----\n$/);
  });
});

describe('the key of a leaf', () => {
  it('is not overwritten when it is encrypted: somebody put it there', async () => {
    const dir = temporaryDir();
    await ensurePki(request(dir));
    openssl('pkey', '-in', join(dir, key), '-aes256', '-passout', 'pass:x', '-out', join(dir, 'enc'));
    writeFileSync(join(dir, key), read(dir, 'enc'));
    const before = contentsOf(dir);
    await expect(ensurePki(request(dir))).rejects.toMatchObject({ name: 'InputError', file: join(dir, key) });
    expect(contentsOf(dir)).toEqual(before);
  });
});

describe('the validity of a leaf', () => {
  const now = new Date('2030-01-01T12:00:00Z');
  const hours = (n: number) => new Date(now.getTime() + n * 3_600_000);
  it.each([
    ['begins an hour ago', 90 * 24, undefined, -1, 90 * 24],
    ['begins no earlier ago than it lasts', 0.5, undefined, -0.5, 0.5],
    ['ends with the CA', 90 * 24, { notBefore: hours(-100), notAfter: hours(48) }, -1, 48],
    ['begins with the CA', 24, { notBefore: hours(-0.25), notAfter: hours(48) }, -0.25, 24],
  ])('%s', (_, lifetimeHours, ca, begin, end) => {
    expect(leafValidity(now, (lifetimeHours / 24) * DAY_MS, ca)).toEqual({
      notBefore: hours(begin),
      notAfter: hours(end),
    });
  });
});
