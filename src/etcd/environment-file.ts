/**
 * A value as systemd's EnvironmentFile= and a POSIX shell both read it back (systemd.exec(5)): in double quotes, with a
 * backslash before what would mean something there.
 * @throws TypeError for a value of several lines: nothing that is written to a host may hold one.
 */
export function quoteEnvironmentValue(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what we look for
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) {
    throw new TypeError(`not a value for an environment file: ${JSON.stringify(value)}`);
  }
  return `"${value.replace(/["\\$`]/g, '\\$&')}"`;
}

/**
 * The settings of an environment file as systemd reads it (src/basic/env-file.c); of a name set twice the last counts.
 * (A backslash at the end of a comment is nothing, as from systemd 254 on; older ones take the next line with it.)
 */
export function parseEnvironmentFile(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let at = 0;
  while (at < text.length) {
    const line = /^[^\n\r]*/.exec(text.slice(at))![0];
    const [assignment, name] = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*=/.exec(line) ?? [];
    if (assignment === undefined) at += line.length + 1;
    else {
      const { value, end } = readValue(text, at + assignment.length);
      found.set(name!, value);
      at = end + 1;
    }
  }
  return found;
}

/** A value from just behind its `=`, bare or in quotes; what follows closed quotes on the line belongs to it too. */
function readValue(text: string, from: number): { value: string; end: number } {
  let at = from;
  let value = '';
  let bare = false; // within bare text a quote is a letter like others
  let kept = 0; // blanks at the end do not count, unless they were quoted
  while (at < text.length && text[at] !== '\n' && text[at] !== '\r') {
    const c = text[at]!;
    if (!bare && (c === ' ' || c === '\t')) at += 1;
    else if (!bare && (c === "'" || c === '"')) {
      const inner = c === "'" ? singleQuoted(text, at + 1) : doubleQuoted(text, at + 1);
      value += inner.value;
      kept = value.length;
      at = inner.end;
    } else if (c === '\\') {
      if (text[at + 1] !== '\n') value += text[at + 1] ?? '';
      kept = value.length;
      bare = true;
      at += 2;
    } else {
      value += c;
      if (c !== ' ' && c !== '\t') kept = value.length;
      bare = true;
      at += 1;
    }
  }
  return { value: value.slice(0, kept), end: at };
}

function singleQuoted(text: string, from: number): { value: string; end: number } {
  const close = text.indexOf("'", from);
  return close < 0 ? { value: text.slice(from), end: text.length } : { value: text.slice(from, close), end: close + 1 };
}

function doubleQuoted(text: string, from: number): { value: string; end: number } {
  let at = from;
  let value = '';
  while (at < text.length && text[at] !== '"') {
    if (text[at] !== '\\') value += text[at++];
    else {
      const next = text[at + 1] ?? '';
      if (next !== '\n') value += '"\\`$'.includes(next) ? next : `\\${next}`;
      at += 2;
    }
  }
  return { value, end: at + 1 };
}
