import { parseAddress } from './address.ts';
import { SPACE, strip } from './text.ts';

// Anything but space, colon and brackets, or a bracketed expression as a whole, as often as it goes.
const PART = new RegExp(`(?:[^:[\\]${SPACE}]|\\[[^\\]]*\\])+`, 'g');

/**
 * The single patterns of a union: at commas, or, if there is none, at colons. A colon within `[1:3]` or in an IPv6
 * address does not part.
 */
export function splitPattern(pattern: string): string[] {
  const parts = pattern.includes(',')
    ? pattern.split(',')
    : parseAddress(pattern)
      ? [pattern]
      : (pattern.match(PART) ?? []);
  return parts.map(strip).filter((part) => part !== '');
}
