import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { type Identity, newShare } from './keys.ts';

/**
 * Files as `age` writes and reads them (C2SP, age-encryption.org/v1), with X25519 keys: so that a backup can be opened
 * without this program. A stream of sealed chunks: constant memory, and a cut or changed byte is noticed.
 */
const INTRO = 'age-encryption.org/v1\n';
const CHUNK = 64 * 1024;
const TAG = 16;
const ZERO_NONCE = Buffer.alloc(12);
const MOST_HEADER = 64 * 1024;

/** What age's own files begin with. */
export const AGE_MAGIC = Buffer.from('age-encryption.org/');

/** Encrypts to one recipient or more, each of which can read it alone. */
export function encryptTo(recipients: readonly Buffer[]): Transform {
  const fileKey = randomBytes(16);
  const stanzas = recipients.map((recipient) => {
    const { share, wrapKey } = newShare(recipient);
    return `-> X25519 ${base64(share)}\n${base64(seal(wrapKey, ZERO_NONCE, fileKey))}\n`;
  });
  const signed = `${INTRO}${stanzas.join('')}---`;
  const nonce = randomBytes(16);
  const chunks = new Chunks(CHUNK, payloadKey(fileKey, nonce), seal);
  let begun = false;
  const begin = (out: Transform) => {
    if (!begun) out.push(Buffer.concat([Buffer.from(`${signed} ${base64(mac(fileKey, signed))}\n`), nonce]));
    begun = true;
  };
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      begin(this);
      for (const sealed of chunks.push(piece)) this.push(sealed);
      done();
    },
    flush(done) {
      begin(this);
      this.push(chunks.last());
      done();
    },
  });
}

/** The words of an error where none of the keys fits: its reader has others to try. */
export class NoKeyFitsError extends Error {
  constructor() {
    super('it is encrypted to another key');
  }
}

/** Decrypts with the first key that fits. Fails on the first byte that is not as it was written, and on a missing end. */
export function decryptWith(identities: readonly Identity[]): Transform {
  let header = Buffer.alloc(0);
  let chunks: Chunks | undefined;
  const fail = (done: TransformCallback, error: unknown) =>
    done(error instanceof NoKeyFitsError ? error : new Error('it is damaged, or cut short'));
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      try {
        let rest = piece;
        if (!chunks) {
          header = Buffer.concat([header, piece]);
          const read = readHeader(header, identities);
          if (!read) return header.length > MOST_HEADER ? fail(done, undefined) : done();
          chunks = new Chunks(CHUNK + TAG, read.key, unseal);
          rest = header.subarray(read.end);
          header = Buffer.alloc(0);
        }
        for (const plain of chunks.push(rest)) this.push(plain);
        done();
      } catch (error) {
        fail(done, error);
      }
    },
    flush(done) {
      try {
        if (!chunks) throw new Error('no header');
        this.push(chunks.last());
        done();
      } catch (error) {
        fail(done, error);
      }
    },
  });
}

type Sealing = (key: Buffer, nonce: Buffer, bytes: Buffer) => Buffer;

/** Cuts a stream into chunks and seals or unseals each; the last one is only known when nothing follows. */
class Chunks {
  readonly #size: number;
  readonly #key: Buffer;
  readonly #work: Sealing;
  #waiting: Buffer[] = [];
  #have = 0;
  #count = 0;

  constructor(size: number, key: Buffer, work: Sealing) {
    this.#size = size;
    this.#key = key;
    this.#work = work;
  }

  *push(piece: Buffer): Generator<Buffer> {
    this.#waiting.push(piece);
    this.#have += piece.length;
    if (this.#have <= this.#size) return;
    const all = Buffer.concat(this.#waiting);
    let at = 0;
    for (; all.length - at > this.#size; at += this.#size) yield this.#one(all.subarray(at, at + this.#size), false);
    this.#waiting = [all.subarray(at)];
    this.#have = all.length - at;
  }

  last(): Buffer {
    return this.#one(Buffer.concat(this.#waiting), true);
  }

  #one(chunk: Buffer, isLast: boolean): Buffer {
    const nonce = Buffer.alloc(12);
    nonce.writeUIntBE(this.#count++, 5, 6);
    nonce[11] = isLast ? 1 : 0;
    return this.#work(this.#key, nonce, chunk);
  }
}

/** Undefined while it is not all there. */
function readHeader(bytes: Buffer, identities: readonly Identity[]): { key: Buffer; end: number } | undefined {
  const text = bytes.toString('latin1');
  const parts =
    /^(age-encryption\.org\/v1\n(?:->[^\n]*\n(?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n)+---) (\S{43})\n/.exec(text);
  if (!parts) {
    if (!text.startsWith(INTRO.slice(0, text.length))) throw new Error('no header');
    return undefined;
  }
  const end = parts[0].length + 16;
  if (bytes.length < end) return undefined;
  const [, signed, sum] = parts;
  const fileKey = unwrap(signed!, identities);
  if (!timingSafeEqual(mac(fileKey, signed!), Buffer.from(sum!, 'base64'))) throw new Error('the header was changed');
  return { key: payloadKey(fileKey, bytes.subarray(end - 16, end)), end };
}

function unwrap(header: string, identities: readonly Identity[]): Buffer {
  for (const [, share, body] of header.matchAll(/^-> X25519 (\S{43})\n(\S{43})$/gm)) {
    for (const identity of identities) {
      try {
        const key = identity.wrapKey(Buffer.from(share!, 'base64'));
        return unseal(key, ZERO_NONCE, Buffer.from(body!, 'base64'));
      } catch {
        // It is for another key.
      }
    }
  }
  throw new NoKeyFitsError();
}

function seal(key: Buffer, nonce: Buffer, bytes: Buffer): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG });
  return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}

function unseal(key: Buffer, nonce: Buffer, bytes: Buffer): Buffer {
  if (bytes.length < TAG) throw new Error('too short');
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG });
  decipher.setAuthTag(bytes.subarray(-TAG));
  return Buffer.concat([decipher.update(bytes.subarray(0, -TAG)), decipher.final()]);
}

function payloadKey(fileKey: Buffer, nonce: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32));
}

function mac(fileKey: Buffer, signed: string): Buffer {
  const key = Buffer.from(hkdfSync('sha256', fileKey, Buffer.alloc(0), 'header', 32));
  return createHmac('sha256', key).update(signed).digest();
}

/** Without padding, as age has it. */
function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
