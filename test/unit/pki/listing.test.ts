import { chmodSync, copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { issueConsumer } from '../../../src/pki/consumer.ts';
import { judgeCertificates, listCertificates } from '../../../src/pki/listing.ts';
import { ensurePki } from '../../../src/pki/store.ts';
import { DAY_MS, makeOpensslCa, request, temporaryDir } from './workshop.ts';

const own = { members: ['etcd-h1-server'], client: 'client' };

/** A CA of ten years, a member's certificate and the client's of one year, a consumer's of 90 days. */
async function folder(): Promise<string> {
  const dir = temporaryDir();
  await ensurePki(request(dir));
  await issueConsumer({
    dir,
    commonName: 'orders',
    names: undefined,
    lifetimeMs: 90 * DAY_MS,
    keyAlgorithm: 'ecdsa-p256',
    renew: false,
  });
  return dir;
}

async function problems(dir: string, inDays = 0, warnDays?: number): Promise<string[]> {
  const now = new Date(Date.now() + inDays * DAY_MS);
  const found = judgeCertificates(await listCertificates(dir, own), { now, warnDays });
  return found.map(({ severity, kind, file }) => `${severity} ${kind} ${file}`);
}

describe('the certificates of a folder', () => {
  it('are listed by what they are for, without keys', async () => {
    const dir = await folder();
    copyFileSync(join(dir, 'client.pem'), join(dir, 'odd.crt'));
    const listed = await listCertificates(dir, own);
    expect(listed.map(({ file, kind, key }) => [file, kind, key])).toEqual([
      ['ca.pem', 'ca', 'unwanted'],
      ['etcd-h1-server.pem', 'member', 'fits'],
      ['client.pem', 'client', 'fits'],
      ['consumer-orders.pem', 'consumer', 'fits'],
      ['odd.crt', 'other', 'missing'],
    ]);
  });

  it.each<[days: number, warnDays: number | undefined, expected: string[]]>([
    [0, undefined, []],
    [0, 100, ['warning expires consumer-orders.pem']],
    [59, undefined, []],
    [61, undefined, ['warning expires consumer-orders.pem']],
    [91, undefined, ['critical expired consumer-orders.pem']],
    [
      340,
      undefined,
      ['critical expired consumer-orders.pem', 'warning expires etcd-h1-server.pem', 'warning expires client.pem'],
    ],
  ])('after %s days, warned of %s days before', async (days, warnDays, expected) => {
    expect(await problems(await folder(), days, warnDays)).toEqual(expected);
  });

  it.each<[string, (dir: string) => void, string[]]>([
    ['a key is missing', (dir) => rmSync(join(dir, 'client-key.pem')), ['critical key client.pem']],
    [
      'a key is of another',
      (dir) => copyFileSync(join(dir, 'client-key.pem'), join(dir, 'etcd-h1-server-key.pem')),
      ['critical key etcd-h1-server.pem'],
    ],
    ['others can read a key', (dir) => chmodSync(join(dir, 'client-key.pem'), 0o644), ['warning key-open client.pem']],
    ['a file is cut off', (dir) => writeFileSync(join(dir, 'client.pem'), 'x'), ['critical unreadable client.pem']],
    [
      'the CA is another',
      (dir) => makeOpensslCa(dir),
      ['critical issuer etcd-h1-server.pem', 'critical issuer client.pem', 'critical issuer consumer-orders.pem'],
    ],
    ['there is no CA', (dir) => rmSync(join(dir, 'ca.pem')), ['critical no-ca ca.pem']],
  ])('%s', async (_, harm, expected) => {
    const dir = await folder();
    harm(dir);
    expect(await problems(dir)).toEqual(expected);
  });

  it('are none where there is no such folder', async () => {
    expect(await listCertificates(join(temporaryDir(), 'none'), own)).toEqual([]);
  });
});
