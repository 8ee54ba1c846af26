import { InputError } from '../../errors.ts';

export const encodings = ['text', 'hex', 'base64'] as const;
/** How keys and values are written: they are any bytes. */
export type KeyEncoding = (typeof encodings)[number];

/** @throws InputError for what is no such text. */
export function readBytes(text: string, encoding: KeyEncoding, name: string): Buffer {
  if (encoding === 'text') return Buffer.from(text, 'utf8');
  const bytes = Buffer.from(text, encoding);
  const again = bytes.toString(encoding);
  const same = encoding === 'hex' ? again === text.toLowerCase() : again.replace(/=+$/, '') === text.replace(/=+$/, '');
  if (!same)
    throw new InputError(`${name} is no ${encoding}: ${text}`, { next: `With encoding=${encoding} it is written so.` });
  return bytes;
}

const decoder = new TextDecoder('utf-8', { fatal: true });
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what we look for
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

/** Bytes as a text; undefined where they are none that can be shown. */
export function asText(bytes: Buffer): string | undefined {
  try {
    const text = decoder.decode(bytes);
    return UNSEEN.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Bytes for people: as text, with \xNN for each byte that is none. */
export function spell(bytes: Buffer, encoding: KeyEncoding): string {
  if (encoding !== 'text') return bytes.toString(encoding);
  const text = asText(bytes);
  if (text !== undefined) return text;
  return [...bytes]
    .map((byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
    )
    .join('');
}
