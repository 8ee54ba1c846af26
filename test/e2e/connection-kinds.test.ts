import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe } from 'vitest';
import { openConnection } from '../../src/connection/open.ts';
import { connectionSettings } from '../../src/connection/settings.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { connectionSuite } from './connection-suite.ts';

function connect(vars: Record<string, string>) {
  const given = Object.entries(vars).map(
    ([name, value]) => [name, { value, origin: { file: 'test', line: 1 } }] as const,
  );
  return openConnection(connectionSettings('h1', new Map(given), { become: true }));
}

describe('a connection by ssh', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab({ name: 'cxkinds', hosts: 1, fresh: true });
  });
  afterAll(() => lab?.down());
  connectionSuite({
    connect: () =>
      connect({
        ansible_host: lab.addressOf('h1'),
        ansible_user: 'plain',
        ansible_ssh_private_key_file: lab.keyFile,
        ansible_ssh_common_args: `-o UserKnownHostsFile=${lab.knownHostsFile}`,
      }),
    greeter: () => ({ port: 22, greeting: /^SSH-2\.0/ }),
  });
});

describe('a connection to this machine itself', () => {
  let server: Server;
  let port: number;
  beforeAll(async () => {
    server = createServer((socket) => socket.end('hello\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as { port: number }).port;
  });
  afterAll(() => void server.close());
  const greeter = () => ({ port, greeting: /^hello/ });
  connectionSuite({ connect: () => connect({ ansible_connection: 'local' }), greeter });

  describe('with a password for sudo, whether it is asked for or not', () => {
    connectionSuite({
      connect: () => connect({ ansible_connection: 'local', ansible_become_password: 'unused' }),
      greeter,
    });
  });
});
