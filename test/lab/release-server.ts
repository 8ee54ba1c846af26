import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';

/** What a download may suffer. `status` instead of the file; the rest is done to its bytes. */
export interface Damage {
  /** Answer with this status and no file. */
  status?: number;
  /** Close the connection after that many bytes, though more were promised. */
  cutAfterBytes?: number;
  /** End in good order after that many bytes, as a mirror with a half file does. */
  shortenToBytes?: number;
  /** Turn one bit over in the byte at this place. */
  flipByteAt?: number;
  /** Send that many bytes and then nothing more, with the connection open. */
  stallAfterBytes?: number;
  /** Only the first so many requests suffer it; all when not said. */
  times?: number;
}

export interface ReleaseServer {
  /** For ETCD_RELEASE_URL: a release is at `<url>/v3.5.16/etcd-v3.5.16-linux-amd64.tar.gz`. */
  readonly url: string;
  /** Paths asked for, in order of arrival. */
  readonly requests: readonly string[];
  /** From now on, paths that end with `name` suffer this; undefined heals them. */
  damage(name: string, damage: Damage | undefined): void;
  close(): Promise<void>;
}

/** Serves a folder of releases on the loopback address, on a free port. */
export async function serveReleases(dir: string): Promise<ReleaseServer> {
  const requests: string[] = [];
  const damages = new Map<string, Damage & { left: number }>();
  const suffer = (path: string): Damage => {
    const found = [...damages].find(([name, { left }]) => path.endsWith(name) && left > 0)?.[1];
    if (found) found.left--;
    return found ?? {};
  };
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname));
    requests.push(path);
    answer(join(dir, path), suffer(path), response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    damage: (name, damage) => {
      if (damage) damages.set(name, { ...damage, left: damage.times ?? Number.POSITIVE_INFINITY });
      else damages.delete(name);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(file: string, damage: Damage, response: ServerResponse): Promise<void> {
  const info = await stat(file).catch(() => undefined);
  if (damage.status !== undefined || !info?.isFile()) {
    response.writeHead(damage.status ?? 404, { 'content-type': 'text/plain' }).end('no such release\n');
    return;
  }
  const { cutAfterBytes, stallAfterBytes, shortenToBytes, flipByteAt } = damage;
  const sentBytes = Math.min(info.size, cutAfterBytes ?? stallAfterBytes ?? shortenToBytes ?? info.size);
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': shortenToBytes === undefined ? info.size : sentBytes,
  });
  if (sentBytes === info.size && flipByteAt === undefined) {
    createReadStream(file)
      .on('error', () => response.destroy())
      .pipe(response);
    return;
  }
  const bytes = (await readFile(file)).subarray(0, sentBytes);
  if (flipByteAt !== undefined && flipByteAt < bytes.length) bytes[flipByteAt]! ^= 1;
  response.write(bytes, () => {
    if (cutAfterBytes !== undefined) response.destroy();
    else if (stallAfterBytes === undefined) response.end();
  });
}
