// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what we look for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** The name of a host, which is one line at most. */
export function legibleName(name: string): string {
  return legible(name).replaceAll('\n', '\\x0a').replaceAll('\t', '\\x09');
}

/** A text as it may be printed: what would move the cursor, colour or hide something is shown by its number. */
export function legible(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(CONTROL, (sign) => {
    const code = sign.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
}
