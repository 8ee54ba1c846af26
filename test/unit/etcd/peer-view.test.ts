import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Connection } from '../../../src/connection/connection.ts';
import { askPeerView, parsePeerView } from '../../../src/etcd/peer-view.ts';
import { ensurePki } from '../../../src/pki/store.ts';

let dir: string;
let server: Server;
let identity: { caPem: string; certPem: string; keyPem: string };
let body = '';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'peer-view-'));
  const nobody = { dns: [], ip: [] };
  const { caPem, pairs } = await ensurePki({
    dir,
    keyAlgorithm: 'ecdsa-p256',
    lifetimeMs: 3_600_000,
    caCommonName: 'test CA',
    wishes: [
      { id: 'peer', commonName: 'peer', usage: ['server'], sans: { dns: ['localhost'], ip: [] } },
      { id: 'client', commonName: 'client', usage: ['client'], sans: nobody },
    ],
  });
  identity = { caPem, ...pairs.get('client')! };
  const { certPem: cert, keyPem: key } = pairs.get('peer')!;
  server = createServer({ ca: caPem, cert, key, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    response.writeHead(request.url === '/members' ? 200 : 404).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true });
});

test("the peer address is asked through the host's connection, and nowhere else", async () => {
  body = '[{"id":1881207352431186601,"peerURLs":["https://10.0.0.1:2380"],"name":"etcd-h1"}]';
  const { port } = server.address() as AddressInfo;
  const asked: string[] = [];
  const connection: Pick<Connection, 'openStream'> = {
    openStream: async (address, wantedPort) => {
      asked.push(`${address}:${wantedPort}`);
      return connect(port, '127.0.0.1');
    },
  };
  const place = { address: '10.0.0.1', port: 2380, serverName: 'localhost' };
  const members = await askPeerView(connection as Connection, place, identity);
  expect(asked).toEqual(['10.0.0.1:2380']);
  expect(members).toEqual([
    { id: '1a1b641eb68392a9', name: 'etcd-h1', peerUrls: ['https://10.0.0.1:2380'], clientUrls: [], isLearner: false },
  ]);
});

test('member IDs keep all of their 64 bits', () => {
  expect(parsePeerView('[{"id": 18446744073709551615}]')[0]!.id).toBe('ffffffffffffffff');
});
