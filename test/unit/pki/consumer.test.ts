import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ConsumerRequest, type ConsumerVerdict, issueConsumer, judgeConsumer } from '../../../src/pki/consumer.ts';
import type { LeafVerdict } from '../../../src/pki/leaf.ts';
import { ensurePki } from '../../../src/pki/store.ts';
import { Secret } from '../../../src/secret.ts';
import { contentsOf, DAY_MS, makeOpensslCa, openssl, request, temporaryDir } from './workshop.ts';

const keep: LeafVerdict = { action: 'keep', pair: { certPem: '', keyPem: '' } };
const issue: LeafVerdict = { action: 'issue', reason: 'there is none yet' };
const reissue: LeafVerdict = { action: 'reissue', reason: 'its names differ' };

it.each<[string, LeafVerdict, boolean, boolean, ConsumerVerdict['action']]>([
  ['none is there', issue, false, false, 'issue'],
  ['none is there, and a new one is asked for', issue, false, true, 'issue'],
  ['a valid one is there', keep, true, false, 'keep'],
  ['a valid one is to be replaced', keep, true, true, 'renew'],
  ['a valid one differs', reissue, true, false, 'refuse'],
  ['a valid one differs and is to be replaced', reissue, true, true, 'renew'],
  ['one that has expired, or is of another CA', reissue, false, false, 'renew'],
])('%s', (_, verdict, isValid, renew, expected) => {
  expect(judgeConsumer(verdict, isValid, renew).action).toBe(expected);
});

/** A folder with a CA. */
async function folder(): Promise<string> {
  const dir = temporaryDir();
  await ensurePki(request(dir));
  return dir;
}

const orders = (dir: string, change: Partial<ConsumerRequest> = {}): ConsumerRequest => ({
  dir,
  commonName: 'orders',
  names: undefined,
  lifetimeMs: 90 * DAY_MS,
  keyAlgorithm: 'ecdsa-p256',
  renew: false,
  ...change,
});

describe('a certificate for a consumer', () => {
  it('is a client certificate of the CA, closed to others, and stays when it is asked for again', async () => {
    const dir = await folder();
    const { verdict, certPath, keyPath, caPath } = await issueConsumer(
      orders(dir, { names: ['app.example.com', '10.9.9.9'] }),
    );
    expect(verdict.action).toBe('issue');
    expect(openssl('verify', '-CAfile', caPath, '-purpose', 'sslclient', certPath)).toContain('OK');
    const text = openssl('x509', '-in', certPath, '-noout', '-text');
    expect(text).toMatch(/Subject: CN ?= ?orders/);
    expect(text).toContain('DNS:app.example.com, IP Address:10.9.9.9');
    expect(text).toContain('TLS Web Client Authentication');
    expect(text).not.toContain('TLS Web Server Authentication');
    expect(statSync(keyPath).mode & 0o777).toBe(0o600);
    const before = contentsOf(dir);
    expect((await issueConsumer(orders(dir))).verdict.action).toBe('keep');
    expect(contentsOf(dir)).toEqual(before);
  });

  it('is not replaced where it is valid and other names are wished, unless that is said', async () => {
    const dir = await folder();
    await issueConsumer(orders(dir, { names: ['a.example.com'] }));
    const before = contentsOf(dir);
    await expect(issueConsumer(orders(dir, { names: ['b.example.com'] }))).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('its names differ: +b.example.com -a.example.com'),
      next: expect.stringContaining('-e renew=true'),
    });
    expect(contentsOf(dir)).toEqual(before);
    const { verdict, certPath } = await issueConsumer(orders(dir, { names: ['b.example.com'], renew: true }));
    expect(verdict.action).toBe('renew');
    expect(openssl('x509', '-in', certPath, '-noout', '-ext', 'subjectAltName')).toContain('b.example.com');
  });

  it('keeps its names when it is renewed', async () => {
    const dir = await folder();
    await issueConsumer(orders(dir, { names: ['a.example.com'] }));
    const { certPath } = await issueConsumer(orders(dir, { renew: true }));
    expect(openssl('x509', '-in', certPath, '-noout', '-ext', 'subjectAltName')).toContain('a.example.com');
  });

  it('is issued anew where it has expired, and kept in its last third', async () => {
    const dir = await folder();
    await issueConsumer(orders(dir));
    const later = (days: number) => new Date(Date.now() + days * DAY_MS);
    expect((await issueConsumer(orders(dir, { now: later(80) }))).verdict.action).toBe('keep');
    expect((await issueConsumer(orders(dir, { now: later(91) }))).verdict.action).toBe('renew');
  });

  it('is issued anew where another CA has come', async () => {
    const dir = await folder();
    await issueConsumer(orders(dir));
    for (const name of ['ca.pem', 'ca-key.pem']) rmSync(join(dir, name));
    makeOpensslCa(dir);
    const { verdict, certPath, caPath } = await issueConsumer(orders(dir));
    expect(verdict.action).toBe('renew');
    expect(openssl('verify', '-CAfile', caPath, certPath)).toContain('OK');
  });

  it.each(['ca-key', 'a-key'])('refuses the name %s, which ends as names of key files do', async (commonName) => {
    await expect(issueConsumer(orders(await folder(), { commonName }))).rejects.toMatchObject({ exitCode: 1 });
  });

  it('needs a CA', async () => {
    const dir = temporaryDir();
    await expect(issueConsumer(orders(dir))).rejects.toMatchObject({ exitCode: 1, file: dir });
    expect(contentsOf(dir)).toEqual({});
  });

  it('is issued once where several ask at the same moment', async () => {
    const dir = await folder();
    const made = await Promise.all(Array.from({ length: 4 }, () => issueConsumer(orders(dir))));
    expect(made.map(({ verdict }) => verdict.action).sort()).toEqual(['issue', 'keep', 'keep', 'keep']);
    expect(new Set(made.map(({ certificate }) => certificate!.fingerprint256)).size).toBe(1);
  });
});

describe('its PKCS#12 file', () => {
  const password = new Secret('Grüße, $(x) "y" \\z');

  it('holds certificate, key and CA, and is kept when it is asked for again', async () => {
    const dir = await folder();
    const { p12, certPath, keyPath, caPath } = await issueConsumer(orders(dir, { password }));
    expect(p12).toEqual({ path: join(dir, 'consumer-orders.p12'), state: 'written' });
    expect(statSync(p12!.path).mode & 0o777).toBe(0o600);
    const file = join(temporaryDir(), 'password');
    writeFileSync(file, password.reveal());
    const out = openssl('pkcs12', '-in', p12!.path, '-passin', `file:${file}`, '-nodes');
    for (const path of [certPath, keyPath, caPath]) expect(out).toContain(readFileSync(path, 'utf8').trim());
    expect(out).toContain('friendlyName: orders');
    expect((await issueConsumer(orders(dir, { password }))).p12?.state).toBe('kept');
  });

  it('is not written over where the password is another', async () => {
    const dir = await folder();
    await issueConsumer(orders(dir, { password }));
    const before = readFileSync(join(dir, 'consumer-orders.p12'));
    const other = new Secret('another one');
    await expect(issueConsumer(orders(dir, { password: other }))).rejects.toThrow('the password does not open it');
    expect(readFileSync(join(dir, 'consumer-orders.p12'))).toEqual(before);
    expect((await issueConsumer(orders(dir, { password: other, renew: true }))).p12?.state).toBe('written');
  });

  it('is told of where it holds the old certificate', async () => {
    const dir = await folder();
    await issueConsumer(orders(dir, { password }));
    expect((await issueConsumer(orders(dir, { renew: true }))).p12?.state).toBe('stale');
    expect((await issueConsumer(orders(dir, { password }))).p12?.state).toBe('written');
  });
});
