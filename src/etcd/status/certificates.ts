import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { Connection } from '../../connection/connection.ts';
import { quote } from '../../connection/quote.ts';
import { certificateBlocks } from '../../pki/certificate.ts';
import { readIfThere } from '../../pki/files.ts';
import { CLIENT_ID, peerId, serverId } from '../certificates.ts';
import type { ClientIdentity, MemberAddress } from '../client.ts';
import { certificateFiles } from '../configuration.ts';
import { clientAddress, peerAddress } from '../look.ts';
import type { EtcdSettings } from '../variables.ts';

export type CertificateKind = 'server' | 'peer' | 'client';

/** One certificate of a member, as it is served, as it lies on its host, and as it lies in CERT_LOCAL_DIR. */
export interface CertificateSight {
  host: string;
  kind: CertificateKind;
  /** Undefined where nothing answers; a client's is not served. */
  served: X509Certificate | undefined;
  onHost: X509Certificate | undefined;
  here: X509Certificate | undefined;
}

const HANDSHAKE_MS = 5_000;

/** What a host serves and has on its disk, beside what lies here. Silence is an answer too. */
export async function lookAtCertificates(
  connection: Connection,
  settings: EtcdSettings,
  identity: ClientIdentity,
  runs: boolean,
): Promise<CertificateSight[]> {
  const { host } = settings;
  const [server, peer, onHost, here] = await Promise.all([
    runs ? served(connection, clientAddress(settings), identity) : undefined,
    runs ? served(connection, peerAddress(settings), identity) : undefined,
    onDisk(connection, settings),
    certificatesHere(settings),
  ]);
  return [
    { host, kind: 'server', served: server, onHost: onHost.server, here: here.server },
    { host, kind: 'peer', served: peer, onHost: onHost.peer, here: here.peer },
    { host, kind: 'client', served: undefined, onHost: onHost.client, here: here.client },
  ];
}

type OfKinds = Partial<Record<CertificateKind, X509Certificate | undefined>>;

/** The certificate that a port shows in its handshake, whoever issued it. */
async function served(
  connection: Connection,
  { address, port, serverName }: MemberAddress,
  { caPem, certPem, keyPem }: ClientIdentity,
): Promise<X509Certificate | undefined> {
  const stream = await connection.openStream(address, port).catch(() => undefined);
  if (!stream) return undefined;
  const socket = connect({
    socket: stream,
    servername: serverName,
    ca: caPem,
    cert: certPem,
    key: keyPem,
    // Nothing is said over it: a certificate that is not trusted is what we are here to see.
    rejectUnauthorized: false,
  });
  return new Promise<X509Certificate | undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), HANDSHAKE_MS);
    const settle = (certificate: X509Certificate | undefined) => {
      clearTimeout(timer);
      resolve(certificate);
    };
    socket.on('error', () => settle(undefined));
    socket.once('close', () => settle(undefined));
    socket.once('secureConnect', () => settle(socket.getPeerX509Certificate()));
  }).finally(() => {
    socket.destroy();
    stream.destroy();
  });
}

async function onDisk(connection: Connection, settings: EtcdSettings): Promise<OfKinds> {
  const { serverCert, peerCert, clientCert } = certificateFiles(settings);
  const files = Object.entries({ server: serverCert, peer: peerCert, client: clientCert });
  const script = files.map(([kind, path]) => `echo '# ${kind}'; cat -- ${quote(path)} 2>/dev/null; echo`).join('\n');
  const { stdout } = await connection.run(`${script}\n:`);
  const texts = stdout.split(/^# /m).slice(1);
  return Object.fromEntries(
    texts.map((text) => [text.slice(0, text.indexOf('\n')), certificateIn(text)] as const),
  ) as OfKinds;
}

/** The certificates of a member that lie on the control machine. */
export async function certificatesHere({ certLocalDir, name }: EtcdSettings): Promise<OfKinds> {
  const read = async (id: string) => certificateIn((await readIfThere(join(certLocalDir, `${id}.pem`))) ?? '');
  const [server, peer, client] = await Promise.all([read(serverId(name)), read(peerId(name)), read(CLIENT_ID)]);
  return { server, peer, client };
}

/** The first certificate of a text; undefined where there is none that can be read. */
function certificateIn(text: string): X509Certificate | undefined {
  const [first] = certificateBlocks(text);
  try {
    return first === undefined ? undefined : new X509Certificate(first);
  } catch {
    return undefined;
  }
}
