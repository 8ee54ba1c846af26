import { once } from 'node:events';
import {
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, createServer as createSocketServer, Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { onTestFinished } from 'vitest';
import { type GrpcSession, secureSession, sessionOver } from '../../../../src/etcd/grpc/session.ts';
import { ensurePki } from '../../../../src/pki/store.ts';
import { request, temporaryDir } from '../../pki/workshop.ts';

/** How a session reaches its member. */
export const WAYS = ['a tunnel', 'TLS through a tunnel', 'a socket', 'TLS through a socket'] as const;
export type Way = (typeof WAYS)[number];

export interface FarEnd {
  session: GrpcSession;
  /** Ours of what is between the two. */
  near: Duplex;
  /** HTTP/2 as the member has it. */
  far: ServerHttp2Session;
  /** All that is left of a process that was killed: its half ends. */
  kill(): void;
}

/** A session with a member that is played by the test: `/method` is answered by what stands under that name. */
export async function farEnd(way: Way, calls: Record<string, (stream: ServerHttp2Stream) => void>): Promise<FarEnd> {
  const [near, beyond] = way.endsWith('socket') ? await sockets() : duplexPair();
  const { caPem, pairs } = await ensurePki(request(temporaryDir()));
  const { certPem, keyPem } = pairs.get('etcd-h1-server')!;
  const isSecure = way.startsWith('TLS');
  const server = isSecure ? createSecureServer({ key: keyPem, cert: certPem }) : createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined);
    calls[headers[':path']!]!(stream);
  });
  server.on('sessionError', () => undefined);
  const meeting = once(server, 'session') as Promise<[ServerHttp2Session]>;
  server.emit('connection', beyond);
  const identity = { caPem, ...pairs.get('client')! };
  const session = isSecure ? await secureSession(near, 'h1', 'localhost', identity) : sessionOver(near, 'h1');
  const [far] = await meeting;
  onTestFinished(() => {
    session.close();
    for (const one of [near, beyond]) one.on('error', () => undefined).destroy();
  });
  return { session, near, far, kill: () => void beyond.end() };
}

/** The beginning of an answer; it ends with the status where the stream is ended. */
export function answer(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
}

/** A message without anything in it. */
export const EMPTY = Buffer.alloc(5);

export const emptyAnswer = (stream: ServerHttp2Stream): void => {
  answer(stream);
  stream.end(EMPTY);
};

function sockets(): Promise<[Socket, Socket]> {
  return new Promise((resolve) => {
    const near = new Socket();
    const server = createSocketServer((beyond) => {
      server.close();
      resolve([near, beyond]);
    });
    server.listen(0, '127.0.0.1', () => near.connect((server.address() as AddressInfo).port, '127.0.0.1'));
  });
}
