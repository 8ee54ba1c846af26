import { createDecipheriv, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { InputError } from '../errors.ts';
import { Secret } from '../secret.ts';

const HEADER = '$ANSIBLE_VAULT';
const ITERATIONS = 10_000;
const KEY_BYTES = 32;
const BLOCK_BYTES = 16;
const derive = promisify(pbkdf2);

export interface VaultPlace {
  file: string;
  line: number;
}

/** What opens vaults: the passwords that were given, of which any may be the one. */
export type VaultPasswords = readonly Secret[];

/** A value that was written with `!vault`: a secret that still knows its cipher text, which may be shown. */
export class VaultValue extends Secret {
  readonly cipherText: string;

  constructor(plain: string, cipherText: string) {
    super(plain);
    this.cipherText = cipherText;
  }
}

/** A `!vault` value for which no password is needed, since nobody will ask for more than its cipher text. */
export class SealedValue extends VaultValue {
  readonly #place: VaultPlace;

  constructor(cipherText: string, place: VaultPlace) {
    super('', cipherText);
    this.#place = place;
  }

  override reveal(): string {
    throw noPassword(this.#place);
  }
}

export function isVault(text: string): boolean {
  return text.startsWith(HEADER);
}

/**
 * The content of what `ansible-vault` has encrypted: format 1.1 or 1.2, AES256 (PBKDF2-SHA256, HMAC-SHA256, AES-CTR).
 * The label of format 1.2 is a nickname only: all passwords are tried, as in Ansible.
 *
 * @throws {InputError} without a password, for a wrong one and for a damaged vault
 */
export async function openVault(text: string, passwords: VaultPasswords, place: VaultPlace): Promise<Buffer> {
  const { salt, mac, cipherText } = parseVault(text, place);
  if (passwords.length === 0) throw noPassword(place);
  for (const password of passwords) {
    const keys = await derive(password.reveal(), salt, ITERATIONS, 2 * KEY_BYTES + BLOCK_BYTES, 'sha256');
    const expected = createHmac('sha256', keys.subarray(KEY_BYTES, 2 * KEY_BYTES))
      .update(cipherText)
      .digest();
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) continue;
    const cipher = createDecipheriv('aes-256-ctr', keys.subarray(0, KEY_BYTES), keys.subarray(2 * KEY_BYTES));
    const padded = Buffer.concat([cipher.update(cipherText), cipher.final()]);
    return padded.subarray(0, padded.length - (padded.at(-1) ?? 0));
  }
  const which = passwords.length === 1 ? 'The vault password does' : 'None of the vault passwords does';
  throw new InputError(`${which} not open this vault`, {
    ...place,
    next: 'Give the password that it was encrypted with; if it is the right one, the vault is damaged',
  });
}

function parseVault(text: string, place: VaultPlace): { salt: Buffer; mac: Buffer; cipherText: Buffer } {
  const [header = '', ...lines] = text.trim().split(/\r?\n/);
  const [, version = '', cipher = ''] = header.split(';').map((part) => part.trim());
  if (!['1.1', '1.2'].includes(version) || cipher !== 'AES256') {
    const message = `The vault is of format '${version}' with cipher '${cipher}', which is not known`;
    throw new InputError(message, { ...place, next: 'Encrypt it anew with a current ansible-vault' });
  }
  const outer = fromHex(lines.map((line) => line.trim()).join(''));
  const parts = outer?.toString('latin1').split('\n') ?? [];
  const [salt, mac, cipherText] = parts.map(fromHex);
  if (parts.length === 3 && salt && mac && cipherText && cipherText.length > 0) return { salt, mac, cipherText };
  const next = 'Copy it again from where it was encrypted: after the header only lines of hexadecimal digits may stand';
  throw new InputError('The vault is damaged', { ...place, next });
}

function fromHex(text: string): Buffer | undefined {
  return text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text) ? Buffer.from(text, 'hex') : undefined;
}

function noPassword(place: VaultPlace): InputError {
  const next = 'Give its password with --vault-password-file FILE, or have it asked for with -J';
  return new InputError('This is encrypted with Ansible Vault, and no vault password is given', { ...place, next });
}
