import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import type { Connection } from '../../connection/connection.ts';
import { PlayError } from '../../errors.ts';
import type { ClientIdentity, MemberAddress } from '../client.ts';

const HANDSHAKE_MS = 5_000;

/** The certificate that a member shows in a handshake made now: SHA-256, as `X509Certificate` has it. */
export async function servedCertificate(
  connection: Connection,
  { address, port, serverName }: MemberAddress,
  { caPem, certPem, keyPem }: ClientIdentity,
): Promise<string> {
  const stream = await connection.openStream(address, port);
  try {
    return await new Promise<string>((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error('no handshake in time')), HANDSHAKE_MS);
      const socket = connect(
        { socket: stream, servername: serverName, ca: caPem, cert: certPem, key: keyPem, ALPNProtocols: ['h2'] },
        () => {
          clearTimeout(deadline);
          resolve(new X509Certificate(socket.getPeerCertificate().raw).fingerprint256);
          socket.destroy();
        },
      );
      socket.on('error', (error) => {
        clearTimeout(deadline);
        reject(error);
      });
    });
  } finally {
    stream.destroy();
  }
}

/** @throws PlayError unless a member shows this certificate, of which the host has the file by now. */
export async function proveServed(
  connection: Connection,
  address: MemberAddress,
  identity: ClientIdentity,
  { certPem, what }: { certPem: string; what: string },
): Promise<void> {
  const wanted = new X509Certificate(certPem).fingerprint256;
  const shown = await servedCertificate(connection, address, identity).catch((cause: Error) => {
    throw new PlayError(`no TLS handshake with ${what} on port ${address.port}: ${cause.message}`, {
      next: 'See there: journalctl -u etcd.service. Run again: what is not in place yet is sent again.',
      cause,
    });
  });
  if (shown === wanted) return;
  throw new PlayError(`${what} on port ${address.port} still shows another certificate (${shown.slice(0, 23)}…)`, {
    next: 'Something else may listen there. See with: openssl s_client -connect HOST:PORT -showcerts',
  });
}
