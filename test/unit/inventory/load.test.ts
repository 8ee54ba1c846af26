import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../src/errors.ts';
import { loadInventory } from '../../../src/inventory/load.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'load'));
  mkdirSync(join(folder, 'dir'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function refusal(...sources: string[]): Promise<InputError> {
  const error = await loadInventory(sources).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(InputError);
  return error as InputError;
}

describe('loading inventories', () => {
  it('reads the reference configuration with its hosts and the types of its variables', async () => {
    const file = fileURLToPath(new URL('fixtures/etcd.conf', import.meta.url));
    const inventory = await loadInventory([file]);
    expect(inventory.hostsOf('etcd')).toEqual(['10.10.2.11', '10.10.2.12', '10.10.2.13']);
    const vars = inventory.varsOf('10.10.2.12');
    expect(Object.fromEntries([...vars].map(([name, { value }]) => [name, value]))).toEqual({
      CERT_EXPIRY: '87600h',
      CERT_LOCAL_DIR: '/etc/ssl/etcd/',
      ECTD_CERT_DIR: '/etc/ssl/certs',
      ETCD_DATA_DIR: '/var/lib/etcd',
      ETCD_WAL_DIR: '/var/lib/etcd/wal',
      ETCD_PEER_PORT: 2380,
      ETCD_CLIENT_PORT: 2379,
    });
    expect(vars.get('ETCD_PEER_PORT')?.origin).toEqual({ file, line: 18, scope: 'group etcd' });
    expect(inventory.warnings).toEqual([]);
  });

  it('puts several sources together in their order', async () => {
    const [a, b] = [write('a.ini', '[g]\nh v=1\n'), write('b.ini', '[g]\nh v=2\ni\n')];
    expect((await loadInventory([a, b])).varsOf('h').get('v')?.value).toBe(2);
    expect((await loadInventory([b, a])).varsOf('h').get('v')?.value).toBe(1);
  });

  it('takes a list of hosts with a comma for a source', async () => {
    const inventory = await loadInventory(['web1:2222, fe80::1,[fe80::2]:22,w[1:2],']);
    expect(inventory.hostsOf('ungrouped')).toEqual(['web1', 'fe80::1', 'fe80::2', 'w[1:2]']);
    expect(inventory.hosts.get('web1')?.port).toBe(2222);
  });

  it('takes a comment in any encoding', async () => {
    const file = write('latin1.ini', Buffer.from('# caf\xe9\nh\n', 'latin1'));
    expect([...(await loadInventory([file])).hosts.keys()]).toEqual(['h']);
  });

  it('leaves a byte order mark out and warns of it', async () => {
    const inventory = await loadInventory([write('bom.ini', '\ufeff[g]\nh\n')]);
    expect(inventory.hostsOf('g')).toEqual(['h']);
    expect(inventory.warnings).toMatchObject([{ line: 1, message: expect.stringMatching(/byte order mark/) }]);
  });

  it('refuses to go without any source', async () => {
    expect(await refusal()).toMatchObject({ message: 'No inventory is given', next: expect.stringMatching(/-i/) });
  });

  it.each<[string, () => string, RegExp]>([
    ['a file that does not exist', () => join(folder, 'nosuch.ini'), /does not exist/],
    ['a path through a file', () => join(write('plain', 'h\n'), 'x'), /does not exist/],
    ['an empty directory', () => join(folder, 'dir'), /holds no inventory/],
    ['TOML', () => write('hosts.toml', '[all]\n'), /is a TOML file/],
    ['a vault', () => write('vault', '$ANSIBLE_VAULT;1.1;AES256\n61\n'), /Ansible Vault/],
    ['bytes that are no text', () => write('latin1-host.ini', Buffer.from('h a=\xe9\n', 'latin1')), /UTF-8/],
    [
      'a script',
      () => {
        const path = write('script', '#!/bin/sh\necho {}\n');
        chmodSync(path, 0o755);
        return path;
      },
      /is a script/,
    ],
  ])('refuses %s, and says what to do', async (_, source, message) => {
    const file = source();
    const error = await refusal(write('good.ini', 'h\n'), file);
    expect(error).toMatchObject({ file, message: expect.stringMatching(message), next: expect.stringMatching(/./) });
  });
});
