const LETTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

/** Bytes as `prefix1…` with a check sum (BIP 173), as age writes its keys. */
export function bech32(prefix: string, bytes: Uint8Array): string {
  const data = regroup([...bytes], 8, 5, true)!;
  const check = polymod([...expanded(prefix), ...data, 0, 0, 0, 0, 0, 0]) ^ 1;
  const sum = Array.from({ length: 6 }, (_, i) => (check >>> (5 * (5 - i))) & 31);
  return `${prefix}1${[...data, ...sum].map((value) => LETTERS[value]).join('')}`;
}

/** The bytes of such a text, all small or all capital letters; undefined where it is none, or has a slip in it. */
export function bytesOfBech32(text: string, prefix: string): Buffer | undefined {
  const lower = text.toLowerCase();
  if (text !== lower && text !== text.toUpperCase()) return undefined;
  if (!lower.startsWith(`${prefix}1`)) return undefined;
  const values = [...lower.slice(prefix.length + 1)].map((letter) => LETTERS.indexOf(letter));
  if (values.length < 6 || values.includes(-1) || polymod([...expanded(prefix), ...values]) !== 1) return undefined;
  const bytes = regroup(values.slice(0, -6), 5, 8, false);
  return bytes && Buffer.from(bytes);
}

function expanded(prefix: string): number[] {
  const codes = [...prefix].map((letter) => letter.charCodeAt(0));
  return [...codes.map((code) => code >>> 5), 0, ...codes.map((code) => code & 31)];
}

function polymod(values: readonly number[]): number {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (const [bit, term] of GENERATOR.entries()) if ((top >>> bit) & 1) sum ^= term;
  }
  return sum >>> 0;
}

function regroup(values: readonly number[], from: number, to: number, pad: boolean): number[] | undefined {
  const out: number[] = [];
  let [bits, have] = [0, 0];
  for (const value of values) {
    bits = ((bits << from) | value) & 0xfff;
    have += from;
    while (have >= to) {
      have -= to;
      out.push((bits >>> have) & ((1 << to) - 1));
    }
  }
  const rest = (bits << (to - have)) & ((1 << to) - 1);
  if (pad && have > 0) out.push(rest);
  else if (!pad && (have >= from || rest !== 0)) return undefined;
  return out;
}
