import { existsSync, statSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Connection } from '../../../src/connection/connection.ts';
import { openTunnel } from '../../../src/connection/tunnel.ts';
import { fakeConnection } from './fake.ts';
import { localShell } from './local-shell.ts';

/** Sends back what it is sent, and ends when it is told the end. */
let server: Server;
let shell: Connection;
let port: number;
beforeAll(async () => {
  server = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  shell = await localShell();
});
afterAll(() => {
  shell.close();
  server.close();
});

const closed = (socket: Socket) =>
  new Promise<void>((resolve) => socket.on('error', () => undefined).once('close', resolve));

describe('a tunnel', () => {
  it('carries bytes both ways, and the end of one way without that of the other', async () => {
    const tunnel = await openTunnel(shell, '127.0.0.1', port);
    const said = await Promise.all(
      ['one', 'two'].map((words) => {
        const socket = connect(tunnel.socketPath);
        socket.end(words);
        return text(socket);
      }),
    );
    expect(said).toEqual(['one', 'two']);
    await tunnel.close();
  });

  it('can be entered by this user alone, and leaves nothing behind', async () => {
    const tunnel = await openTunnel(shell, '127.0.0.1', port);
    expect(statSync(dirname(tunnel.socketPath)).mode & 0o077).toBe(0);
    await tunnel.close();
    expect(existsSync(dirname(tunnel.socketPath))).toBe(false);
  });

  it('ends what goes through it when it is closed', async () => {
    const tunnel = await openTunnel(shell, '127.0.0.1', port);
    const socket = connect(tunnel.socketPath);
    await new Promise((resolve) => socket.write('x', resolve));
    const [end] = [closed(socket), await tunnel.close()];
    await end;
  });

  it('ends a connection for which the host opens no stream', async () => {
    const refusing = {
      ...fakeConnection(() => Promise.reject(new Error())),
      openStream: () => Promise.reject(new Error('no')),
    };
    const tunnel = await openTunnel(refusing, '127.0.0.1', port);
    await closed(connect(tunnel.socketPath));
    await tunnel.close();
  });

  it('closes a stream that comes when who asked for it is gone', async () => {
    const [stream] = duplexPair();
    let give: (() => void) | undefined;
    const openStream = () => new Promise<typeof stream>((resolve) => (give = () => resolve(stream)));
    const late = { ...fakeConnection(() => Promise.reject(new Error())), openStream };
    const tunnel = await openTunnel(late, '127.0.0.1', port);
    const socket = connect(tunnel.socketPath);
    await vi.waitUntil(() => give !== undefined);
    socket.destroy();
    await tunnel.close();
    give?.();
    await vi.waitUntil(() => stream.destroyed);
  });
});
