import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseListeners, parseLocalAddresses } from '../../../src/etcd/proc-net.ts';

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 18023 1 0000000000000000 100 0 0 10 0
   1: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 55501 1 0000000000000000 100 0 0 10 0
   2: 0B00000A:094C 0C00000A:C350 01 00000000:00000000 02:000A7214 00000000   999        0 55502 2 0000000000000000 20 4 30 10 -1
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 18034 1 0000000000000000 100 0 0 10 0
`;

const FIB = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.0.0/24 2 0 2
        |-- 10.0.0.0
           /32 link BROADCAST
           /24 link UNICAST
        |-- 10.0.0.11
           /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
Local:
        |-- 10.0.0.11
           /32 host LOCAL
`;

const IF6 = `00000000000000000000000000000001 01 80 10 80       lo
fd000000000000000000000000000011 02 40 00 80     eth0
fe80000000000000021635fffe8a1b2c 02 40 20 80     eth0
`;

describe('listening sockets', () => {
  it('are those in the state of listening, of both families, with the inode that tells whose they are', () => {
    expect(parseListeners(TCP)).toEqual([
      { port: 22, inode: '18023' },
      { port: 2379, inode: '55501' },
      { port: 22, inode: '18034' },
    ]);
  });

  it.each(['', '\n', 'cat: /proc/net/tcp6: No such file or directory\n', '   0: 00000000:0016 0A'])(
    'are none in %j',
    (text) => {
      expect(parseListeners(text)).toEqual([]);
    },
  );
});

describe('the addresses of a host', () => {
  it('are the local ones, each once, without networks and broadcasts', () => {
    expect(parseLocalAddresses(FIB, IF6)).toEqual([
      '10.0.0.11',
      '127.0.0.1',
      '0000:0000:0000:0000:0000:0000:0000:0001',
      'fd00:0000:0000:0000:0000:0000:0000:0011',
      'fe80:0000:0000:0000:0216:35ff:fe8a:1b2c',
    ]);
  });

  it('are none where the kernel tells none', () => {
    expect(parseLocalAddresses('', '')).toEqual([]);
  });
});

describe('on this very machine', () => {
  const server = createServer();
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => void server.close());

  it('a port that is listened on is found', () => {
    const { port } = server.address() as { port: number };
    expect(parseListeners(readFileSync('/proc/net/tcp', 'utf8')).map((one) => one.port)).toContain(port);
  });

  it('the addresses are those that the system names', () => {
    const named = Object.values(networkInterfaces()).flatMap((all) => all!.filter(({ family }) => family === 'IPv4'));
    const found = parseLocalAddresses(readFileSync('/proc/net/fib_trie', 'utf8'), '');
    expect(named.length).toBeGreaterThan(0);
    expect(found).toEqual(expect.arrayContaining(named.map(({ address }) => address)));
  });
});
