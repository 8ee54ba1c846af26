import type { IncomingHttpHeaders } from 'node:http';
import { get } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import type { Connection } from '../connection/connection.ts';
import { PlayError } from '../errors.ts';
import type { ClientIdentity, MemberAddress } from './client.ts';

/** What a member answers to an HTTP GET at one of its addresses. */
export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Asks a member over HTTPS, through its host's connection. @throws Error without an answer in time. */
export async function askHttp(
  connection: Connection,
  { address, port, serverName }: MemberAddress,
  { caPem, certPem, keyPem }: ClientIdentity,
  path: string,
  deadlineMs = 5_000,
): Promise<HttpAnswer> {
  const stream = await connection.openStream(address, port);
  const createConnection = (): Duplex =>
    connect({ socket: stream, servername: serverName, host: serverName, ca: caPem, cert: certPem, key: keyPem });
  return await new Promise<HttpAnswer>((resolve, reject) => {
    const request = get({ path, host: serverName, createConnection }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    request.setTimeout(deadlineMs, () => request.destroy(new Error('no answer')));
    request.on('error', reject);
  }).finally(() => stream.destroy());
}

/** What it means that an answer did not come: the host is lost, or etcd there is. */
export async function whyNoAnswer(connection: Connection, what: string, error: unknown): Promise<PlayError> {
  if (error instanceof PlayError) return error;
  const lost = await connection.run(':', { timeoutMs: 5_000 }).catch((cause: unknown) => cause);
  if (lost instanceof PlayError) return lost;
  return new PlayError(`${what}: ${(error as Error).message}`, {
    host: connection.host,
    cause: error,
    next: 'Look at etcd there (journalctl -u etcd), then run again.',
  });
}
