import { createPublicKey, verify } from 'node:crypto';
import ssh2 from 'ssh2';
import { wildcard } from './known-hosts.ts';
import { SshReader, sshString } from './wire.ts';

/** A host certificate of OpenSSH (PROTOCOL.certkeys). */
export interface HostCertificate {
  keyId: string;
  serial: bigint;
  principals: string[];
  validAfterS: bigint;
  validBeforeS: bigint;
  criticalOptions: boolean;
  /** 1 is a user's, 2 a host's. */
  kind: number;
  /** The plain public key that is certified, as the server shows it when no certificate is asked for. */
  key: Buffer;
  authority: Buffer;
  signed: Buffer;
  signature: Buffer;
}

/** How many strings make up each kind of public key. */
const KEY_PARTS: Record<string, number> = {
  'ssh-ed25519': 1,
  'ssh-rsa': 2,
  'ecdsa-sha2-nistp256': 2,
  'ecdsa-sha2-nistp384': 2,
  'ecdsa-sha2-nistp521': 2,
};

const SUFFIX = '-cert-v01@openssh.com';

export const CERTIFICATE_TYPES = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
].map((type) => type + SUFFIX);

/** @throws RangeError, Error for what is no certificate. */
export function parseHostCertificate(blob: Buffer): HostCertificate {
  const reader = new SshReader(blob);
  const type = reader.text().replace(SUFFIX, '');
  const parts = KEY_PARTS[type];
  if (parts === undefined) throw new Error(`certificates of the type ${type} are not known`);
  reader.string();
  const key = Buffer.concat([sshString(type), ...Array.from({ length: parts }, () => sshString(reader.string()))]);
  const serial = reader.uint64();
  const kind = reader.uint32();
  const keyId = reader.string().toString();
  const names = new SshReader(reader.string());
  const principals: string[] = [];
  while (!names.isAtEnd) principals.push(names.text());
  const validAfterS = reader.uint64();
  const validBeforeS = reader.uint64();
  const criticalOptions = reader.string().length > 0;
  reader.string();
  reader.string();
  const authority = reader.string();
  const signed = blob.subarray(0, reader.position);
  const signature = reader.string();
  return {
    ...{ keyId, serial, kind, principals, validAfterS, validBeforeS, criticalOptions },
    ...{ key, authority, signed, signature },
  };
}

/** Why this certificate does not speak for the host; nothing when it does. Whether its authority is trusted is asked before. */
export function certificateFault(certificate: HostCertificate, host: string, now: Date): string | undefined {
  const { kind, principals, validAfterS, validBeforeS, criticalOptions } = certificate;
  const nowS = BigInt(Math.floor(now.getTime() / 1000));
  if (kind !== 2) return 'it is not a certificate for a host';
  if (nowS < validAfterS) return `it is valid only from ${new Date(Number(validAfterS) * 1000).toISOString()}`;
  if (nowS >= validBeforeS) return `it has expired on ${new Date(Number(validBeforeS) * 1000).toISOString()}`;
  if (principals.length > 0 && !principals.some((name) => wildcard(name.toLowerCase()).test(host.toLowerCase()))) {
    return `it is for ${principals.join(', ')}`;
  }
  if (criticalOptions) return 'it has critical options, and none are known for hosts';
  return isSigned(certificate) ? undefined : 'its signature is wrong';
}

const HASHES: Record<string, string | null> = {
  'ssh-ed25519': null,
  'rsa-sha2-256': 'sha256',
  'rsa-sha2-512': 'sha512',
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
};

function isSigned({ authority, signed, signature }: HostCertificate): boolean {
  const reader = new SshReader(signature);
  const algorithm = reader.text();
  const hash = HASHES[algorithm];
  const type = new SshReader(authority).text();
  const fits = algorithm.startsWith('rsa-') ? type === 'ssh-rsa' : type === algorithm;
  const parsed = ssh2.utils.parseKey(`${type} ${authority.toString('base64')}`);
  if (hash === undefined || !fits || parsed instanceof Error) return false;
  const one = Array.isArray(parsed) ? parsed[0]! : parsed;
  const key = createPublicKey(one.getPublicPEM());
  const value = reader.string();
  if (!algorithm.startsWith('ecdsa-')) return verify(hash, signed, key, value);
  const sizeBytes = { sha256: 32, sha384: 48, sha512: 66 }[hash as string]!;
  return verify(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, fixedNumbers(value, sizeBytes));
}

/** The two numbers of an ECDSA signature, each at its full size. */
function fixedNumbers(value: Buffer, sizeBytes: number): Buffer {
  const reader = new SshReader(value);
  const out = Buffer.alloc(2 * sizeBytes);
  for (const end of [sizeBytes, 2 * sizeBytes]) {
    const number = reader.string();
    const bytes = number.subarray(number.findIndex((byte) => byte !== 0));
    bytes.copy(out, end - bytes.length);
  }
  return out;
}
