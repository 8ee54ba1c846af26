import type { KeyObject } from 'node:crypto';
import { SshReader, sshString } from './wire.ts';

const MAGIC = 'openssh-key-v1\0';

/** An Ed25519 key as a private key file of OpenSSH (PROTOCOL.key), the only form in which ssh2 reads one. */
export function ed25519KeyFile(key: KeyObject): string {
  const { d, x } = key.export({ format: 'jwk' });
  const [seed, point] = [Buffer.from(d!, 'base64url'), Buffer.from(x!, 'base64url')];
  const type = sshString('ssh-ed25519');
  // Two equal numbers tell a reader that it was decrypted rightly; this is not encrypted, so any will do.
  const secret = [Buffer.alloc(8, 1), type, sshString(point), sshString(Buffer.concat([seed, point])), sshString('')];
  const body = Buffer.concat(secret);
  const padding = Buffer.from(Array.from({ length: (8 - (body.length % 8)) % 8 }, (_, index) => index + 1));
  const whole = Buffer.concat([
    Buffer.from(MAGIC, 'latin1'),
    sshString('none'),
    sshString('none'),
    sshString(''),
    Buffer.from([0, 0, 0, 1]),
    sshString(Buffer.concat([type, sshString(point)])),
    sshString(Buffer.concat([body, padding])),
  ]);
  const lines = whole
    .toString('base64')
    .match(/.{1,70}/g)!
    .join('\n');
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

/** The public key in a private key file of OpenSSH: it stands there unencrypted. */
export function publicPartOf(text: string): Buffer | undefined {
  const base64 = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+?)-----END/.exec(text)?.[1];
  const bytes = Buffer.from(base64 ?? '', 'base64');
  if (bytes.subarray(0, MAGIC.length).toString('latin1') !== MAGIC) return undefined;
  const reader = new SshReader(bytes.subarray(MAGIC.length));
  for (let skipped = 0; skipped < 3; skipped++) reader.string();
  reader.uint32();
  return reader.string();
}
