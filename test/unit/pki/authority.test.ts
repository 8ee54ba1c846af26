import { X509Certificate } from 'node:crypto';
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rawNames } from '../../../src/pki/certificate.ts';
import { ensurePki, planPki } from '../../../src/pki/store.ts';
import {
  contentsOf,
  DAY_MS,
  EC_KEY,
  makeOpensslCa,
  type OpensslCa,
  openssl,
  RSA_KEY,
  request,
  server,
  temporaryDir,
} from './workshop.ts';

const read = (dir: string, name: string) => readFileSync(join(dir, name), 'utf8');

describe('a CA made by openssl is used as it is', () => {
  const openSslNames = { cert: 'ca.crt', key: 'ca.key' };
  const etcdNames = { cert: 'etcd-ca.pem', key: 'etcd-ca-key.pem' };
  it.each<[string, OpensslCa]>([
    ['EC in PKCS#8', { key: EC_KEY }],
    ['EC in SEC1', { key: EC_KEY, form: 'sec1' }],
    ['EC P-384 as ca.crt', { key: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'], names: openSslNames }],
    ['EC P-521', { key: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'] }],
    ['RSA in PKCS#8 as ca.crt', { key: RSA_KEY, names: openSslNames }],
    ['RSA in PKCS#1 as etcd-ca.pem', { key: RSA_KEY, form: 'pkcs1', names: etcdNames }],
    [
      'a subject in UTF-8 and PrintableString',
      { subject: '/C=DE/ST=Köln/O=A+B, "C"/OU=x+OU=y/CN=Müller', more: ['-utf8'] },
    ],
    ['a subject in BMPString', { subject: '/O=Example/CN=x', stringMask: 'MASK:0x0800' }],
    ['a subject in T61String', { subject: '/O=Example/CN=x', stringMask: 'MASK:0x4' }],
    ['a subject in PrintableString', { subject: '/O=Example/CN=x', stringMask: 'MASK:0x2' }],
    [
      'a multi-valued and repeated subject',
      { subject: '/DC=com/DC=example/CN=a+emailAddress=b@c.d', more: ['-multivalue-rdn'] },
    ],
    ['no key identifier', { more: ['-addext', 'subjectKeyIdentifier=none'] }],
    ['a path length and key usage', { more: ['-addext', 'keyUsage=critical,keyCertSign'] }],
  ])('%s', async (_, ca) => {
    const dir = temporaryDir();
    makeOpensslCa(dir, ca);
    const names = ca.names ?? { cert: 'ca.pem', key: 'ca-key.pem' };
    const before = contentsOf(dir);
    const { plan, caPem, pairs } = await ensurePki(request(dir));
    expect(plan.ca).toMatchObject({ action: 'keep', path: join(dir, names.cert) });
    expect(contentsOf(dir)).toMatchObject(before);
    expect(openssl('verify', '-CAfile', join(dir, names.cert), join(dir, `${server.id}.pem`))).toContain('OK');
    const leaf = new X509Certificate(pairs.get(server.id)?.certPem ?? '');
    const signer = new X509Certificate(caPem);
    expect(leaf.verify(signer.publicKey)).toBe(true);
    expect(rawNames(leaf).issuer.toString('hex')).toBe(rawNames(signer).subject.toString('hex'));
    const again = await ensurePki(request(dir));
    expect(again.plan.leaves.map((one) => one.action)).toEqual(['keep', 'keep']);
    expect(again.pairs).toEqual(pairs);
  });

  it('with a parameter block before its key, as `openssl ecparam -genkey` writes it', async () => {
    const dir = temporaryDir();
    const [key, cert] = [join(dir, 'ca.key'), join(dir, 'ca.crt')];
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-out', key);
    openssl('req', '-x509', '-new', '-key', key, '-days', '30', '-subj', '/CN=x', '-out', cert);
    expect(read(dir, 'ca.key')).toContain('EC PARAMETERS');
    expect((await ensurePki(request(dir))).plan.ca).toMatchObject({ action: 'keep', subject: 'CN=x' });
  });

  it('that is no root but was issued by one', async () => {
    const [dir, root] = [temporaryDir(), temporaryDir()];
    makeOpensslCa(root);
    openssl(
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      join(dir, 'ca-key.pem'),
      '-subj',
      '/CN=Sub',
      '-out',
      join(dir, 'csr'),
    );
    writeFileSync(join(dir, 'ext'), 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\n');
    openssl(
      ...['x509', '-req', '-in', join(dir, 'csr'), '-CA', join(root, 'ca.pem'), '-CAkey', join(root, 'ca-key.pem')],
      ...['-CAcreateserial', '-days', '30', '-extfile', join(dir, 'ext'), '-out', join(dir, 'ca.pem')],
    );
    await ensurePki(request(dir));
    const chain = ['-CAfile', join(root, 'ca.pem'), '-untrusted', join(dir, 'ca.pem')];
    expect(openssl('verify', ...chain, join(dir, `${server.id}.pem`))).toContain('OK');
  });
});

describe("a CA's file", () => {
  it('may hold several certificates: the one that the key belongs to signs, all are trusted', async () => {
    const [dir, old] = [temporaryDir(), temporaryDir()];
    makeOpensslCa(dir, { subject: '/CN=new' });
    makeOpensslCa(old, { subject: '/CN=old' });
    const [mine, theirs] = [read(dir, 'ca.pem'), read(old, 'ca.pem')];
    for (const bundle of [mine + theirs, theirs + mine]) {
      writeFileSync(join(dir, 'ca.pem'), bundle);
      const { plan, caPem } = await ensurePki(request(dir));
      expect(plan.ca.subject).toBe('CN=new');
      expect(caPem).toBe(bundle);
      expect(openssl('x509', '-noout', '-issuer', '-in', join(dir, `${server.id}.pem`))).toContain('CN = new');
    }
  });

  it('gives only its certificates to be trusted, not the text or the key beside them', async () => {
    const dir = temporaryDir();
    makeOpensslCa(dir);
    const clean = read(dir, 'ca.pem');
    const text = openssl('x509', '-text', '-in', join(dir, 'ca.pem'));
    writeFileSync(join(dir, 'ca.pem'), read(dir, 'ca-key.pem') + text.replaceAll('\n', '\r\n'));
    expect((await ensurePki(request(dir))).caPem).toBe(clean);
  });

  it('may lie there twice under two names', async () => {
    const dir = temporaryDir();
    makeOpensslCa(dir);
    writeFileSync(join(dir, 'ca.crt'), read(dir, 'ca.pem'));
    writeFileSync(join(dir, 'ca.key'), read(dir, 'ca-key.pem'), { mode: 0o600 });
    expect((await planPki(request(dir))).warnings).toEqual([]);
  });

  it('that others can read the key of is used with a warning', async () => {
    const dir = temporaryDir();
    makeOpensslCa(dir);
    chmodSync(join(dir, 'ca-key.pem'), 0o644);
    expect((await planPki(request(dir))).warnings).toEqual([expect.stringContaining('chmod 600')]);
  });
});

describe('a CA that cannot sign is refused, and nothing is written', () => {
  const at = (days: number) => new Date(Date.now() + days * DAY_MS);
  const cases: [string, RegExp, string, (dir: string) => void, Date?][] = [
    ['expired', /the CA expired on/, 'ca.pem', (dir) => makeOpensslCa(dir, { days: '30' }), at(31)],
    ['not valid yet', /not valid before/, 'ca.pem', (dir) => makeOpensslCa(dir), at(-2)],
    ['without its key', /certificate is here, but its key is not/, 'ca.pem', remove('ca-key.pem')],
    ['without its certificate', /key is here, but its certificate is not/, 'ca-key.pem', remove('ca.pem')],
    [
      'with the key of another',
      /does not belong to this CA/,
      'ca.pem',
      (dir) => {
        makeOpensslCa(dir);
        openssl('genpkey', ...EC_KEY, '-out', join(dir, 'ca-key.pem'));
      },
    ],
    [
      'that is no CA',
      /may not sign others/,
      'ca.pem',
      (dir) => makeOpensslCa(dir, { more: ['-addext', 'basicConstraints=critical,CA:FALSE'] }),
    ],
    [
      'whose key usage does not allow it',
      /may not sign others/,
      'ca.pem',
      (dir) => makeOpensslCa(dir, { more: ['-addext', 'keyUsage=digitalSignature'] }),
    ],
    [
      'with an encrypted key (PKCS#8)',
      /this key is encrypted/,
      'ca-key.pem',
      (dir) => {
        makeOpensslCa(dir);
        openssl('pkey', '-in', join(dir, 'ca-key.pem'), '-aes256', '-passout', 'pass:x', '-out', join(dir, 'enc'));
        renameSync(join(dir, 'enc'), join(dir, 'ca-key.pem'));
      },
    ],
    [
      'with an encrypted key (PKCS#1)',
      /this key is encrypted/,
      'ca-key.pem',
      (dir) => {
        makeOpensslCa(dir, { key: RSA_KEY });
        const plain = join(dir, 'ca-key.pem');
        openssl('rsa', '-in', plain, '-traditional', '-aes256', '-passout', 'pass:x', '-out', join(dir, 'enc'));
        renameSync(join(dir, 'enc'), plain);
      },
    ],
    [
      'with an Ed25519 key',
      /type ed25519 is not usable/,
      'ca-key.pem',
      (dir) => makeOpensslCa(dir, { key: ['-algorithm', 'ED25519'] }),
    ],
    [
      'with a key that is no text',
      /this key cannot be read/,
      'ca-key.pem',
      (dir) => {
        makeOpensslCa(dir);
        writeFileSync(join(dir, 'ca-key.pem'), 'not a key');
      },
    ],
    [
      'with a certificate in DER',
      /no certificate in PEM/,
      'ca.pem',
      (dir) => {
        makeOpensslCa(dir);
        openssl('x509', '-in', join(dir, 'ca.pem'), '-outform', 'der', '-out', join(dir, 'der'));
        renameSync(join(dir, 'der'), join(dir, 'ca.pem'));
      },
    ],
    [
      'with a damaged second certificate',
      /certificate 2 of this file cannot be read/,
      'ca.pem',
      (dir) => {
        makeOpensslCa(dir);
        writeFileSync(join(dir, 'ca.pem'), read(dir, 'ca.pem') + read(dir, 'ca.pem').replace(/\n.{8}/, '\nAAAAAAAA'));
      },
    ],
    [
      'beside another one',
      /belongs to another CA than .*ca\.pem/,
      'ca.crt',
      (dir) => {
        makeOpensslCa(dir);
        makeOpensslCa(dir, { names: { cert: 'ca.crt', key: 'ca.key' } });
      },
    ],
  ];

  function remove(name: string): (dir: string) => void {
    return (dir) => {
      makeOpensslCa(dir);
      rmSync(join(dir, name));
    };
  }

  it.each(cases)('%s', async (_, message, file, prepare, at) => {
    const dir = temporaryDir();
    prepare(dir);
    const now = at ?? new Date();
    const before = contentsOf(dir);
    for (const run of [planPki, ensurePki]) {
      const error = await run(request(dir, { now })).catch((reason) => reason);
      expect(error).toMatchObject({ name: 'InputError', file: join(dir, file), next: expect.stringMatching(/\S/) });
      expect(error.message).toMatch(message);
    }
    expect(contentsOf(dir)).toEqual(before);
  });
});
