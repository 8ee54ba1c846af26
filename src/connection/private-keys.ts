import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import ssh2, { type ParsedKey } from 'ssh2';
import type { Secret } from '../secret.ts';
import { ed25519KeyFile, publicPartOf } from './openssh-key.ts';

/** Asks the person at the terminal; undefined where there is none. */
export type AskSecret = (question: string) => Promise<Secret | undefined>;

export type PrivateKey =
  | { state: 'absent' }
  | { state: 'ready'; key: ParsedKey }
  /** It has a passphrase that nobody has given. */
  | { state: 'locked' }
  | { state: 'unusable'; why: string };

const PASSPHRASE_ATTEMPTS = 3;

/** The private keys of a run: each file is read and parsed once, and its passphrase asked for once. */
export class PrivateKeys {
  readonly #ask: AskSecret | undefined;
  readonly #read = new Map<string, PrivateKey>();
  /** One question at a time, and one for each file. */
  #questions: Promise<unknown> = Promise.resolve();

  constructor(ask?: AskSecret) {
    this.#ask = ask;
  }

  read(file: string): PrivateKey {
    let key = this.#read.get(file);
    if (!key) {
      key = readKey(file);
      this.#read.set(file, key);
    }
    return key;
  }

  /** Asks for the passphrase of a locked key. What cannot be unlocked stays as it is. */
  unlock(file: string): Promise<PrivateKey> {
    const unlocked = this.#questions.then(() => this.#unlock(file));
    this.#questions = unlocked.catch(() => undefined);
    return unlocked;
  }

  async #unlock(file: string): Promise<PrivateKey> {
    for (let attempt = 1; this.read(file).state === 'locked' && attempt <= PASSPHRASE_ATTEMPTS; attempt++) {
      const again = attempt > 1 ? 'That was not it. ' : '';
      const passphrase = await this.#ask?.(`${again}Passphrase of ${file}: `);
      if (!passphrase) break;
      const key = readKey(file, passphrase.reveal());
      if (key.state === 'ready') this.#read.set(file, key);
    }
    if (this.read(file).state === 'locked' && this.#ask) {
      this.#read.set(file, { state: 'unusable', why: 'its passphrase was not given' });
    }
    return this.read(file);
  }
}

function readKey(file: string, passphrase?: string): PrivateKey {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    return code === 'ENOENT' ? { state: 'absent' } : { state: 'unusable', why: message };
  }
  const form = /-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.exec(text);
  if (form?.[1] && passphrase === undefined) return { state: 'locked' };
  try {
    const parsed = ssh2.utils.parseKey(form ? fromPkcs8(text, passphrase) : text, form ? undefined : passphrase);
    if (parsed instanceof Error) throw parsed;
    // Only its keys of old have a list, and those of one file are all the same.
    const key = Array.isArray(parsed) ? parsed[0]! : parsed;
    return key.isPrivateKey() ? { state: 'ready', key } : { state: 'unusable', why: 'it holds a public key' };
  } catch (error) {
    const why = (error as Error).message;
    return /no passphrase given/.test(why) ? { state: 'locked' } : { state: 'unusable', why };
  }
}

/** ssh2 does not read PKCS#8, the form in which openssl writes keys: they are put into the forms that it knows. */
function fromPkcs8(text: string, passphrase: string | undefined): string {
  const key: KeyObject = createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) });
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return String(key.export({ type: 'pkcs1', format: 'pem' }));
    case 'ec':
      return String(key.export({ type: 'sec1', format: 'pem' }));
    case 'ed25519':
      return ed25519KeyFile(key);
    default:
      throw new Error(`keys of the kind ${key.asymmetricKeyType} are not supported`);
  }
}

/** The public key that belongs to a private key file, found without a passphrase where that is possible. */
export function publicKeyOf(file: string, key: PrivateKey): Buffer | undefined {
  if (key.state === 'ready') return key.key.getPublicSSH();
  for (const [path, read] of [
    [`${file}.pub`, (text: string) => Buffer.from(text.trim().split(/\s+/)[1] ?? '', 'base64')],
    [file, publicPartOf],
  ] as const) {
    try {
      const found = read(readFileSync(path, 'utf8'));
      if (found && found.length > 0) return found;
    } catch {
      // The next one may have it.
    }
  }
  return undefined;
}
