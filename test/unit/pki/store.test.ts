import { X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/errors.ts';
import { describeCertificate, ensurePki, type KeyAlgorithm, planPki } from '../../../src/pki/store.ts';
import {
  client,
  contentsOf,
  DAY_MS,
  finished,
  openssl,
  request,
  server,
  startIssuer,
  temporaryDir,
} from './workshop.ts';

const actions = (plan: { leaves: { action: string }[] }) => plan.leaves.map((leaf) => leaf.action);

describe('an empty directory', () => {
  it('gets a CA and all leaves, and openssl finds them good', async () => {
    const dir = join(temporaryDir(), 'deep', 'certs');
    const planned = await planPki(request(dir));
    expect(existsSync(dir)).toBe(false);
    const { plan, caPem, pairs } = await ensurePki(request(dir));
    expect(plan).toMatchObject({ ca: { action: 'create', path: join(dir, 'ca.pem') }, warnings: [] });
    expect(actions(plan)).toEqual(['issue', 'issue']);
    expect(actions(planned)).toEqual(actions(plan));
    const file = join(dir, `${server.id}.pem`);
    const ca = join(dir, 'ca.pem');
    expect(openssl('verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', ca, file)).toContain('OK');
    expect(openssl('verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', ca, file)).toContain('OK');
    expect(openssl('verify', '-purpose', 'sslclient', '-CAfile', ca, join(dir, 'client.pem'))).toContain('OK');
    expect(() => openssl('verify', '-purpose', 'sslserver', '-CAfile', ca, join(dir, 'client.pem'))).toThrow();
    expect(readFileSync(ca, 'utf8')).toBe(caPem);
    expect(readFileSync(file, 'utf8')).toBe(pairs.get(server.id)?.certPem);
    expect(readFileSync(join(dir, `${server.id}-key.pem`), 'utf8')).toBe(pairs.get(server.id)?.keyPem);
    expect(Object.keys(contentsOf(dir))).toEqual([
      ...['ca-key.pem', 'ca.pem', 'client-key.pem', 'client.pem', 'etcd-h1-server-key.pem', 'etcd-h1-server.pem'],
    ]);
  });

  it('is made for its owner only, and keys too, whatever the umask', async () => {
    const dir = join(temporaryDir(), 'certs');
    await ensurePki(request(dir));
    const mode = (name: string) => statSync(join(dir, name)).mode & 0o777;
    expect([mode('.'), mode('ca-key.pem'), mode('client-key.pem')]).toEqual([0o700, 0o600, 0o600]);
    expect([mode('ca.pem'), mode('client.pem')]).toEqual([0o644, 0o644]);
  });

  it('gets leaves that say what was wished, as openssl reads them', async () => {
    const dir = temporaryDir();
    await ensurePki(request(dir));
    const text = openssl('x509', '-noout', '-text', '-in', join(dir, `${server.id}.pem`));
    expect(text).toContain('Subject: O = etcd, CN = etcd-h1');
    expect(text).toContain('Issuer: CN = etcd-ca');
    expect(text).toContain('Signature Algorithm: ecdsa-with-SHA256');
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    expect(text).toMatch(/Extended Key Usage: \s+TLS Web Client Authentication, TLS Web Server Authentication\n/);
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
    expect(text).toContain(
      'DNS:h1, DNS:h1.example.com, DNS:localhost, IP Address:10.0.0.1, IP Address:127.0.0.1, ' +
        'IP Address:0:0:0:0:0:0:0:1, IP Address:FD00:0:0:0:0:0:A:1',
    );
    const ca = openssl('x509', '-noout', '-text', '-in', join(dir, 'ca.pem'));
    expect(ca).toMatch(/Basic Constraints: critical\s+CA:TRUE/);
    expect(ca).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign/);
    const identifier = (of: string, which: string) =>
      new RegExp(`${which} Key Identifier: \\s+([0-9A-F:]+)`).exec(of)?.[1];
    expect(identifier(text, 'Authority')).toBe(identifier(ca, 'Subject'));
    const [one, other] = ['client', server.id].map((id) =>
      openssl('x509', '-noout', '-serial', '-in', join(dir, `${id}.pem`)),
    );
    expect(one).toMatch(/^serial=[4-7][0-9A-F]{31}\n$/);
    expect(one).not.toBe(other);
  });

  it.each<[KeyAlgorithm, RegExp, RegExp]>([
    ['ecdsa-p256', /ASN1 OID: prime256v1/, /ecdsa-with-SHA256/],
    ['ecdsa-p384', /ASN1 OID: secp384r1/, /ecdsa-with-SHA256/],
    ['rsa-2048', /Public-Key: \(2048 bit\)/, /sha256WithRSAEncryption/],
    ['rsa-3072', /Public-Key: \(3072 bit\)/, /sha256WithRSAEncryption/],
  ])('gets keys of the kind asked for: %s', async (keyAlgorithm, key, signature) => {
    const dir = temporaryDir();
    await ensurePki(request(dir, { keyAlgorithm, wishes: [server] }));
    for (const file of ['ca.pem', `${server.id}.pem`]) {
      const text = openssl('x509', '-noout', '-text', '-in', join(dir, file));
      expect(text).toMatch(key);
      expect(text).toMatch(signature);
      if (file !== 'ca.pem') expect(text.includes('Key Encipherment')).toBe(keyAlgorithm.startsWith('rsa'));
    }
    expect(readFileSync(join(dir, `${server.id}-key.pem`), 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });

  it('gets a CA for ten years, or for as long as a leaf', async () => {
    const now = new Date('2030-01-01T00:00:00Z');
    const [short, long] = [temporaryDir(), temporaryDir()];
    const at = async (dir: string, days: number) => {
      const { caPem, pairs } = await ensurePki(request(dir, { now, lifetimeMs: days * DAY_MS }));
      return [describeCertificate(caPem), describeCertificate(pairs.get('client')?.certPem ?? '')] as const;
    };
    const [ca, leaf] = await at(short, 365);
    expect(ca.notAfter).toEqual(new Date('2039-12-30T00:00:00Z'));
    expect(leaf.notBefore).toEqual(new Date('2029-12-31T23:00:00Z'));
    expect(leaf.notAfter).toEqual(new Date('2031-01-01T00:00:00Z'));
    const [longCa, longLeaf] = await at(long, 36_500);
    expect(longCa.notAfter).toEqual(longLeaf.notAfter);
    expect(longLeaf.notAfter.getUTCFullYear()).toBe(2129);
    expect(actions(await planPki(request(long, { now, lifetimeMs: 36_500 * DAY_MS })))).toEqual(['keep', 'keep']);
  });

  it('gets names with odd characters as they are, and keeps them on the next run', async () => {
    const dir = temporaryDir();
    const commonName = ' #1, "Ünal" + <x>; CN=y\\z ';
    const wishes = [{ ...client, commonName, organization: 'a=b, c' }];
    const { pairs } = await ensurePki(request(dir, { wishes, caCommonName: 'Müller, CA + #1' }));
    const found = describeCertificate(pairs.get('client')?.certPem ?? '');
    expect(found).toMatchObject({ commonName, organization: 'a=b, c' });
    expect(actions(await planPki(request(dir, { wishes })))).toEqual(['keep']);
  });
});

describe('a second run', () => {
  it('keeps every byte, also when another key algorithm is asked for', async () => {
    const dir = temporaryDir();
    const first = await ensurePki(request(dir));
    const before = contentsOf(dir);
    const second = await ensurePki(
      request(dir, { keyAlgorithm: 'rsa-2048', caCommonName: 'other', lifetimeMs: DAY_MS }),
    );
    expect(second.plan.ca.action).toBe('keep');
    expect(actions(second.plan)).toEqual(['keep', 'keep']);
    expect(second.pairs).toEqual(first.pairs);
    expect(second.caPem).toBe(first.caPem);
    expect(contentsOf(dir)).toEqual(before);
  });

  it('changes nothing in a directory that cannot be written, and needs no right to', async () => {
    const dir = temporaryDir();
    await ensurePki(request(dir));
    chmodSync(dir, 0o500);
    expect(actions((await ensurePki(request(dir))).plan)).toEqual(['keep', 'keep']);
    chmodSync(dir, 0o700);
  });

  it('issues for a new member only', async () => {
    const dir = temporaryDir();
    await ensurePki(request(dir));
    const before = contentsOf(dir);
    const added = { ...server, id: 'etcd-h2-server', commonName: 'etcd-h2' };
    const { plan } = await ensurePki(request(dir, { wishes: [server, client, added] }));
    expect(actions(plan)).toEqual(['keep', 'keep', 'issue']);
    expect(contentsOf(dir)).toMatchObject(before);
  });

  it('gives a leaf a new key when it is issued again', async () => {
    const dir = temporaryDir();
    const first = await ensurePki(request(dir));
    const changed = { ...server, sans: { ...server.sans, ip: ['10.0.0.9'] } };
    const { plan, pairs } = await ensurePki(request(dir, { wishes: [changed, client] }));
    expect(plan.leaves[0]).toMatchObject({ action: 'reissue', reason: expect.stringContaining('+10.0.0.9 -10.0.0.1') });
    expect(pairs.get(server.id)?.keyPem).not.toBe(first.pairs.get(server.id)?.keyPem);
    expect(pairs.get('client')).toEqual(first.pairs.get('client'));
  });

  it('loads no certificate library when there is nothing to issue', async () => {
    const dir = temporaryDir();
    expect(await finished(startIssuer(dir))).toContain('library loaded');
    expect(await finished(startIssuer(dir))).not.toContain('library loaded');
  });
});

describe('time', () => {
  it('brings a new leaf in the last third of its life, once', async () => {
    const dir = temporaryDir();
    const start = new Date('2030-01-01T00:00:00Z');
    await ensurePki(request(dir, { now: start, lifetimeMs: 90 * DAY_MS }));
    const onDay = (days: number) =>
      request(dir, { now: new Date(start.getTime() + days * DAY_MS), lifetimeMs: 90 * DAY_MS });
    expect(actions(await planPki(onDay(59)))).toEqual(['keep', 'keep']);
    expect((await planPki(onDay(61))).leaves[0]).toMatchObject({
      action: 'reissue',
      reason: expect.stringMatching(/less than a third .* 2030-04-01/),
    });
    expect((await planPki(onDay(91))).leaves[0]?.reason).toMatch(/expired on 2030-04-01/);
    await ensurePki(onDay(61));
    expect(actions(await planPki(onDay(61)))).toEqual(['keep', 'keep']);
  });

  it('ends a leaf with the CA, says so, and does not issue it again and again', async () => {
    const dir = temporaryDir();
    const start = new Date('2030-01-01T00:00:00Z');
    await ensurePki(request(dir, { now: start, wishes: [] }));
    const { notAfter } = (await planPki(request(dir, { now: start, wishes: [] }))).ca;
    const late = request(dir, { now: new Date((notAfter?.getTime() ?? 0) - 100 * DAY_MS) });
    const { plan, pairs } = await ensurePki(late);
    expect(plan.warnings).toEqual([expect.stringContaining('the CA ends on 2039-12-30')]);
    expect(describeCertificate(pairs.get('client')?.certPem ?? '').notAfter).toEqual(notAfter);
    const later = request(dir, { now: new Date((notAfter?.getTime() ?? 0) - 5 * DAY_MS) });
    expect(actions(await planPki(later))).toEqual(['keep', 'keep']);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 59_999])('cannot be %s ms', async (lifetimeMs) => {
    await expect(planPki(request('/nonexistent', { lifetimeMs }))).rejects.toThrow(InputError);
  });
});

describe('a certificate described', () => {
  it('says whose it is, by whom, for what, and until when', async () => {
    const now = new Date('2030-01-01T00:00:00.500Z');
    const { pairs } = await ensurePki(request(temporaryDir(), { now }));
    const pem = pairs.get(server.id)?.certPem ?? '';
    const found = describeCertificate(pem, now);
    expect(found).toMatchObject({
      subject: 'O=etcd, CN=etcd-h1',
      issuer: 'CN=etcd-ca',
      daysLeft: 364,
      sans: { dns: ['h1', 'h1.example.com', 'localhost'], ip: ['10.0.0.1', '127.0.0.1', '::1', 'fd00::a:1'] },
      usage: ['client', 'server'],
      otherNames: [],
      otherUsages: [],
      isCa: false,
      notAfter: new Date('2031-01-01T00:00:00Z'),
    });
    expect(found.serial).toBe(new X509Certificate(pem).serialNumber);
    expect(describeCertificate(pem, new Date('2031-01-01T00:00:01Z')).daysLeft).toBe(-1);
  });

  it('keeps names of other kinds apart, and takes no quoted text for a name', () => {
    const dir = temporaryDir();
    const file = join(dir, 'x.pem');
    openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=x'],
      ...['-keyout', join(dir, 'x-key.pem'), '-out', file],
      ...['-addext', 'subjectAltName=DNS:ok,URI:spiffe://a/b,email:a@b.c,IP:10.0.0.1'],
    );
    expect(describeCertificate(readFileSync(file, 'utf8'))).toMatchObject({
      sans: { dns: ['ok'], ip: ['10.0.0.1'] },
      otherNames: ['URI:spiffe://a/b', 'email:a@b.c'],
    });
  });
});

describe('a directory that cannot be used is refused', () => {
  const refusal = (dir: string) =>
    planPki(request(dir)).then(
      () => undefined,
      (error) => error,
    );

  it('when it is a file', async () => {
    const path = join(temporaryDir(), 'certs');
    writeFileSync(path, '');
    expect(await refusal(path)).toBeInstanceOf(InputError);
    const below = await refusal(join(path, 'below'));
    expect(below).toBeInstanceOf(InputError);
    expect(below).toMatchObject({ file: expect.stringContaining('certs'), next: expect.any(String) });
  });

  it.skipIf(process.getuid?.() === 0)('when it cannot be written or read', async () => {
    const dir = temporaryDir();
    chmodSync(dir, 0o500);
    expect(await refusal(dir)).toMatchObject({ message: expect.stringContaining('cannot be written'), file: dir });
    expect(await refusal(join(dir, 'a', 'b'))).toMatchObject({ file: dir });
    chmodSync(dir, 0o000);
    expect(await refusal(dir)).toMatchObject({ message: expect.stringContaining('cannot be read'), file: dir });
    chmodSync(dir, 0o700);
  });

  it('when a directory lies where a file should be', async () => {
    const dir = temporaryDir();
    mkdirSync(join(dir, `${server.id}.pem`));
    expect(await refusal(dir)).toMatchObject({ name: 'InputError', file: join(dir, `${server.id}.pem`) });
  });

  it('when the CA is gone and its leaves are not: another CA would be a stranger to the members', async () => {
    const dir = temporaryDir();
    await ensurePki(request(dir));
    rmSync(join(dir, 'ca.pem'));
    rmSync(join(dir, 'ca-key.pem'));
    const before = contentsOf(dir);
    await expect(ensurePki(request(dir))).rejects.toThrow(/no CA here, but certificates of one: etcd-h1-server.pem/);
    expect(contentsOf(dir)).toEqual(before);
  });
});
