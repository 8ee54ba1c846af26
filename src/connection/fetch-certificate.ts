import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { CERTIFICATE_TYPES } from './host-certificate.ts';
import { SshReader, sshString } from './wire.ts';

const DISCONNECT = 1;
const KEXINIT = 20;
const KEX_ECDH_INIT = 30;
const KEX_ECDH_REPLY = 31;

const CURVES = ['curve25519-sha256', 'curve25519-sha256@libssh.org'];
const CIPHERS = 'aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes128-ctr,chacha20-poly1305@openssh.com';
const MACS =
  'hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512,umac-128-etm@openssh.com';

/**
 * Asks an sshd for its host certificate; undefined where it has none. ssh2 cannot take a certificate in its handshake,
 * so it is fetched beforehand over a stream of its own by the first steps of a key exchange (RFC 4253, section 7; RFC
 * 8731). A certificate is public: whoever delivers it proves nothing. What it says of the host's plain key counts, and
 * possession of that key is proven in the handshake that follows.
 */
export async function fetchCertificate(stream: Duplex): Promise<Buffer | undefined> {
  const packets = packetsOf(stream);
  stream.write('SSH-2.0-etcd-play\r\n');
  const lists = [CURVES.join(), CERTIFICATE_TYPES.join(), CIPHERS, CIPHERS, MACS, MACS, 'none', 'none', '', ''];
  stream.write(
    packet(Buffer.concat([Buffer.from([KEXINIT]), randomBytes(16), ...lists.map(sshString), Buffer.alloc(5)])),
  );
  for await (const payload of packets) {
    const type = payload[0];
    if (type === DISCONNECT) return undefined;
    if (type === KEXINIT) {
      const offer = new SshReader(payload.subarray(17));
      const [curves, keys] = [offer.text().split(','), offer.text().split(',')];
      if (!CERTIFICATE_TYPES.some((name) => keys.includes(name)) || !CURVES.some((name) => curves.includes(name))) {
        return undefined;
      }
      const point = generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
      stream.write(packet(Buffer.concat([Buffer.from([KEX_ECDH_INIT]), sshString(point)])));
    }
    if (type === KEX_ECDH_REPLY) return new SshReader(payload.subarray(1)).string();
  }
  return undefined;
}

/** A packet before any encryption: length, padding to a multiple of eight, payload. */
function packet(payload: Buffer): Buffer {
  const padding = 4 + ((8 - ((payload.length + 9) % 8)) % 8);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(payload.length + padding + 1);
  head[4] = padding;
  return Buffer.concat([head, payload, randomBytes(padding)]);
}

const LONGEST_BYTES = 256 * 1024;

async function* packetsOf(stream: Duplex): AsyncGenerator<Buffer> {
  let bytes = Buffer.alloc(0);
  let greeted = false;
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    if (bytes.length > LONGEST_BYTES) return;
    while (!greeted && bytes.includes(10)) {
      greeted = bytes.subarray(0, 4).toString('latin1') === 'SSH-';
      bytes = bytes.subarray(bytes.indexOf(10) + 1);
    }
    while (greeted && bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
      const end = 4 + bytes.readUInt32BE(0);
      yield bytes.subarray(5, end - bytes[4]!);
      bytes = bytes.subarray(end);
    }
  }
}
