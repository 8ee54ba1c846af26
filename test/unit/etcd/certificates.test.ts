import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../src/errors.ts';
import { clientIdentity, localCa, pkiRequest, subjectAltNames } from '../../../src/etcd/certificates.ts';
import { ensurePki } from '../../../src/pki/store.ts';
import { Wanted } from './plan/observed.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'certificates-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const requested = (vars: Record<string, unknown> = {}, size = 2) => {
  const { settings } = new Wanted(size, vars);
  return pkiRequest(settings.map((one) => ({ settings: one, hostName: `node-${one.host}` })));
};

describe('the certificates of a cluster', () => {
  it('are a server and a peer certificate for each member, and one for clients', () => {
    expect(requested().wishes.map(({ id, commonName, usage }) => [id, commonName, usage.join('+')])).toEqual([
      ['etcd-h1-server', 'etcd-h1', 'server+client'],
      ['etcd-h1-peer', 'etcd-h1', 'server+client'],
      ['etcd-h2-server', 'etcd-h2', 'server+client'],
      ['etcd-h2-peer', 'etcd-h2', 'server+client'],
      ['client', 'root', 'client'],
    ]);
  });

  it('hold every name by which a member is called, also the one its own system has', () => {
    const [server] = requested({ ETCD_CERT_NAMES: 'etcd.example.com,192.0.2.9' }).wishes;
    expect(server!.sans.dns.toSorted()).toEqual(['etcd-h1', 'etcd.example.com', 'h1', 'localhost', 'node-h1']);
    expect(server!.sans.ip.toSorted()).toEqual(['10.0.0.11', '127.0.0.1', '192.0.2.9', '::1']);
  });

  it('hold no names for clients, who are known by their common name', () => {
    expect(requested().wishes.at(-1)!.sans).toEqual({ dns: [], ip: [] });
  });

  it('are asked for as the variables say', () => {
    const made = requested({ CERT_EXPIRY: '24h', CERT_KEY_ALGORITHM: 'rsa-2048', ETCD_CLUSTER_TOKEN: 'orders' });
    expect(made).toMatchObject({ keyAlgorithm: 'rsa-2048', lifetimeMs: 86_400_000, caCommonName: 'orders CA' });
  });
});

describe('subject alternative names', () => {
  it.each([
    [[], ['localhost'], ['127.0.0.1', '::1']],
    [
      ['', 'a', 'a'],
      ['a', 'localhost'],
      ['127.0.0.1', '::1'],
    ],
    [['10.0.0.1', 'fd00::1', '127.0.0.1'], ['localhost'], ['10.0.0.1', 'fd00::1', '127.0.0.1', '::1']],
    [['10.0.0.1.example.com'], ['10.0.0.1.example.com', 'localhost'], ['127.0.0.1', '::1']],
  ])('of %j are the names %j and the addresses %j', (names, dns, ip) => {
    expect(subjectAltNames(names)).toEqual({ dns, ip });
  });
});

describe('what lies on the control machine', () => {
  it('is nothing before it was made, and afterwards the client with which members are asked', async () => {
    const dir = join(folder, 'pki');
    expect(await localCa(dir)).toBeUndefined();
    expect(clientIdentity(dir, undefined)).toBeUndefined();
    const { caPem, pairs } = await ensurePki({ ...requested({}, 1), dir });
    expect(await localCa(dir)).toBe(caPem);
    expect(clientIdentity(dir, caPem)).toEqual({ caPem, ...pairs.get('client') });
    rmSync(join(dir, 'client-key.pem'));
    expect(clientIdentity(dir, caPem)).toBeUndefined();
  });

  it('is an error of the input where it is of no use', async () => {
    writeFileSync(join(folder, 'ca.pem'), 'no certificate');
    writeFileSync(join(folder, 'ca-key.pem'), 'no key');
    await expect(localCa(folder)).rejects.toThrow(InputError);
  });
});
