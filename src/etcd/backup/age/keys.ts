import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { Secret } from '../../../secret.ts';
import { bech32, bytesOfBech32 } from './bech32.ts';

const PUBLIC = 'age';
const PRIVATE = 'age-secret-key-';
/** What stands before the 32 bytes of an X25519 key in its ASN.1 forms (RFC 8410). */
const SPKI = Buffer.from('302a300506032b656e032100', 'hex');
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** A public key that backups are encrypted to, 32 bytes; undefined where the text is no `age1…` key. */
export function recipientOf(text: string): Buffer | undefined {
  const bytes = bytesOfBech32(text.trim(), PUBLIC);
  return bytes?.length === 32 ? bytes : undefined;
}

/** The private keys in an identity file of age: lines `AGE-SECRET-KEY-1…`, and comments. Undefined for another line. */
export function identitiesIn(text: string): Identity[] | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => bytesOfBech32(line, PRIVATE));
  if (keys.length === 0 || keys.some((key) => key?.length !== 32)) return undefined;
  return keys.map((key) => new Identity(key!));
}

/** A private key of age. */
export class Identity {
  readonly #key: KeyObject;
  readonly recipient: Buffer;

  constructor(bytes: Buffer) {
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8, bytes]), format: 'der', type: 'pkcs8' });
    this.recipient = rawPublic(createPublicKey(this.#key));
  }

  /** The key that the file's own key is wrapped with, from the other side's public part. */
  wrapKey(share: Buffer): Buffer {
    return derive(this.#key, share, share, this.recipient);
  }
}

/** A new pair: the text of an identity file, and the recipient to encrypt to. */
export function newKeyPair(): { identity: Secret; recipient: string } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const bytes = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
  return {
    identity: new Secret(bech32(PRIVATE, bytes).toUpperCase()),
    recipient: bech32(PUBLIC, rawPublic(publicKey)),
  };
}

/** A one-time share for a recipient, and the key that both sides come to. */
export function newShare(recipient: Buffer): { share: Buffer; wrapKey: Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const share = rawPublic(publicKey);
  return { share, wrapKey: derive(privateKey, recipient, share, recipient) };
}

/** age's specification, "The X25519 recipient type". */
function derive(own: KeyObject, other: Buffer, share: Buffer, recipient: Buffer): Buffer {
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI, other]), format: 'der', type: 'spki' });
  const secret = diffieHellman({ privateKey: own, publicKey });
  const salt = Buffer.concat([share, recipient]);
  return Buffer.from(hkdfSync('sha256', secret, salt, 'age-encryption.org/v1/X25519', 32));
}

function rawPublic(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(-32);
}
