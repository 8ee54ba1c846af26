import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connection } from './connection.ts';

export interface Tunnel {
  /** The local unix socket, in a folder that only this user can enter. */
  socketPath: string;
  close(): Promise<void>;
}

/** A local socket each of whose connections ends at an address as seen from the host. */
export async function openTunnel(connection: Connection, address: string, port: number): Promise<Tunnel> {
  const folder = await mkdtemp(join(tmpdir(), 'etcd-play-'));
  const socketPath = join(folder, 's');
  const open = new Set<{ destroy(): void }>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    connection.openStream(address, port).then(
      (stream) => {
        // Who asked may be gone by now, and then nobody would ever close it.
        if (socket.destroyed) return void stream.destroy();
        stream.on('error', () => socket.destroy());
        stream.on('close', () => socket.destroy());
        socket.on('close', () => stream.destroy());
        socket.pipe(stream).pipe(socket);
      },
      (error: Error) => socket.destroy(error),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  return {
    socketPath,
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
