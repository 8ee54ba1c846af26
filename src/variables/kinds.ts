import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { Secret } from '../secret.ts';

/** What became of a value: what it means, or what is wrong with it ("must be …", to be read after the name and value). */
export type Reading<T> = { ok: true; value: T } | { ok: false; problem: string; next?: string };

/** How and where a value was written. */
export interface Written {
  /** The text that its author saw: `1.10` where the value is the number 1.1. */
  spelling: string;
  origin: { file: string; line: number };
}

/** A kind of value: how it is shown in the documentation, and how it is read from what an inventory holds. */
export interface Kind<T> {
  /** For the column "type" of the documentation. */
  readonly type: string;
  /** A value as Ansible types it: a string, a number, a boolean, a list or a mapping. */
  read(value: unknown, written?: Written): Reading<T>;
  /** A value as one would write it, where that is not plain: for the documentation of defaults. */
  write?(value: T): string;
  /** No message may show such a value. */
  readonly secret?: boolean;
}

export const good = <T>(value: T): Reading<T> => ({ ok: true, value });
export const bad = (problem: string, next?: string): { ok: false; problem: string; next?: string } =>
  next === undefined ? { ok: false, problem } : { ok: false, problem, next };

/** The text of a scalar without blanks at its ends; undefined for lists, mappings and nothing. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  return undefined;
}

/** True for characters that end a line or draw on a terminal: nothing that we write to a host may hold one. */
export function hasControlCharacter(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what we look for
  return /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text);
}

/** Any text of one line, as it was written. */
export const text: Kind<string> = {
  type: 'text',
  read(value, written) {
    const words = textOf(typeof value === 'string' ? value : textOf(value) && (written?.spelling ?? value));
    if (words === undefined) return bad('must be a text');
    return hasControlCharacter(words) ? bad('must be a text of one line, without control characters') : good(words);
  },
};

/** A text that is seen nowhere: `reveal()` gives it to the one place that needs it. */
export const secret: Kind<Secret> = {
  type: 'secret',
  secret: true,
  read(value, written) {
    const words = textOf(typeof value === 'string' ? value : textOf(value) && (written?.spelling ?? value));
    return words === undefined ? bad('must be a text') : good(new Secret(words));
  },
};

/** A list of something: a list in YAML or Python's way, or its items with commas between them. */
export function listOf<T>(item: Kind<T>): Kind<readonly T[]> {
  return {
    type: `list of ${item.type}`,
    ...(item.secret && { secret: true }),
    read(value, written) {
      const parts = Array.isArray(value) ? value : (textOf(value)?.split(',') ?? undefined);
      if (!parts) return bad(`must be a list of ${item.type}: a,b,c`);
      const items: T[] = [];
      for (const part of parts.filter((one) => textOf(one) !== '')) {
        const reading = item.read(part, written && { ...written, spelling: String(part) });
        if (!reading.ok) return { ...reading, problem: `has an item that ${reading.problem}` };
        items.push(reading.value);
      }
      return good(items);
    },
    write: (items) => items.map((one) => item.write?.(one) ?? String(one)).join(','),
  };
}

export function integer(unit: string, min: number, max: number): Kind<number> {
  const allowed = `a whole number from ${min} to ${max}`;
  return {
    type: unit,
    read(value) {
      const text = textOf(value) ?? '';
      if (!/^\d{1,15}$/.test(text)) return bad(`must be ${allowed}`);
      const number = Number(text);
      return number >= min && number <= max ? good(number) : bad(`must be ${allowed}`);
    },
  };
}

export const port: Kind<number> = { ...integer('port', 1, 65_535), type: 'port' };

export const flag: Kind<boolean> = {
  type: 'true or false',
  read(value) {
    const text = (textOf(value) ?? '').toLowerCase();
    if (['true', 'yes', 'on', '1'].includes(text)) return good(true);
    if (['false', 'no', 'off', '0'].includes(text)) return good(false);
    return bad('must be true or false');
  },
};

export function oneOf<const T extends string>(values: readonly T[]): Kind<T> {
  return {
    type: values.map((v) => `\`${v}\``).join(', '),
    read(value) {
      const text = (textOf(value) ?? '').toLowerCase();
      const found = values.find((v) => v === text);
      return found === undefined ? bad(`must be one of ${values.join(', ')}`) : good(found);
    },
  };
}

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a Go duration such as `87600h` or `1h30m`; undefined if it is none (or finer than a millisecond). */
export function goDurationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) sum += Number(number) * unitMs[unit!]!;
  return Math.round(sum);
}

/** `36h` for 129600000: the largest unit that divides it. */
export function durationText(ms: number): string {
  const [unit] = (['h', 'm', 's'] as const).filter((one) => ms >= unitMs[one]! && ms % unitMs[one]! === 0);
  return unit ? `${ms / unitMs[unit]!}${unit}` : `${ms}ms`;
}

/** A Go duration between two others, both given as Go durations. */
export function duration(min: string, max: string): Kind<number> {
  return {
    type: 'duration, as Go writes it',
    read(value) {
      const text = textOf(value) ?? '';
      const allowed = `must be a duration from ${min} to ${max}, such as 90m, 12h or 87600h`;
      const days = /^(\d+)d$/.exec(text);
      if (days) return bad(allowed, `There is no unit for days: ${text} is ${Number(days[1]) * 24}h.`);
      if (/^\d+$/.test(text)) return bad(allowed, `Say the unit: ${text}h, for example.`);
      const ms = goDurationMs(text);
      return ms !== undefined && ms >= goDurationMs(min)! && ms <= goDurationMs(max)! ? good(ms) : bad(allowed);
    },
    write: durationText,
  };
}

/** Milliseconds: a bare number, as etcd's own variables have it, or a Go duration. */
export function milliseconds(min: number, max: number): Kind<number> {
  return {
    type: 'milliseconds',
    read(value) {
      const text = textOf(value) ?? '';
      const ms = /^\d{1,9}$/.test(text) ? Number(text) : goDurationMs(text);
      if (ms !== undefined && ms >= min && ms <= max) return good(ms);
      return bad(`must be a number of milliseconds from ${min} to ${max}, such as 100 or 100ms`);
    },
  };
}

const unitBytes: Record<string, number> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Bytes: a bare number, as etcd's own variables have it, or one with KiB, MiB or GiB. */
export function bytes(min: number, max: number): Kind<number> {
  return {
    type: 'bytes',
    read(value) {
      const [, number, unit] = /^(\d{1,15})\s*([KMG]iB)?$/.exec(textOf(value) ?? '') ?? [];
      const size = number === undefined ? Number.NaN : Number(number) * (unit ? unitBytes[unit]! : 1);
      if (size >= min && size <= max) return good(size);
      return bad(`must be a number of bytes from ${sizeText(min)} to ${sizeText(max)}, such as 2147483648 or 2GiB`);
    },
    write: sizeText,
  };
}

/** `2 GiB` for 2147483648, as far as it divides. */
export function sizeText(sizeBytes: number): string {
  for (const [unit, size] of Object.entries(unitBytes).reverse()) {
    if (sizeBytes >= size && sizeBytes % size === 0) return `${sizeBytes / size}${unit}`;
  }
  return String(sizeBytes);
}

/** A name of letters, digits, `.`, `_` and `-`. */
export const name: Kind<string> = {
  type: 'name',
  read(value) {
    const text = textOf(value) ?? '';
    if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text)) return good(text);
    return bad('must be a name of letters, digits, ".", "_" and "-", and begin with a letter or a digit');
  },
};

export const userName: Kind<string> = {
  type: 'user name',
  read(value) {
    const text = textOf(value) ?? '';
    if (/^[a-z_][a-z0-9_-]{0,30}$/.test(text)) return good(text);
    return bad('must be a user name: small letters, digits, "_" and "-", not longer than 31');
  },
};

/**
 * An absolute path on a host. It stands in unit files, environment files and scripts, so no character that one of
 * them would read in its own way is let in.
 */
export const hostPath: Kind<string> = {
  type: 'path on the host',
  read(value) {
    const text = typeof value === 'string' ? value.trim() : '';
    if (!text.startsWith('/')) return bad('must be an absolute path on the host (beginning with "/")');
    if (text.split('/').includes('..')) return bad('must be a path without ".."');
    const odd = [...text].find((c) => !/[\p{L}\p{M}\p{N}._@+=,:/-]/u.test(c));
    if (odd !== undefined) {
      return bad(`must be a path of letters, digits and "._@+=,:/-" (it holds ${JSON.stringify(odd)})`);
    }
    const path = `/${text
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .join('/')}`;
    return path === '/' ? bad('must not be the root directory') : good(path);
  },
};

/** A path on the control machine as written; the reader makes it absolute, since that takes the file that sets it. */
export const localPath: Kind<string> = {
  type: 'path on the control machine',
  read(value) {
    const text = typeof value === 'string' ? value.trim() : '';
    if (text === '') return bad('must be a path on the control machine');
    if (hasControlCharacter(text)) return bad('must be a path in one line, without control characters');
    if (/^~[^/]/.test(text)) return bad('must not name the home of another user');
    return good(text);
  },
};

/** A path on the control machine, made absolute: `~` is one's home, and a relative path starts at the file that sets it. */
export const pathHere: Kind<string> = {
  ...localPath,
  read(value, written) {
    const reading = localPath.read(value);
    return reading.ok ? good(absoluteHere(reading.value, written?.origin)) : reading;
  },
};

/** Given by hand, a path starts where one stands. */
function absoluteHere(path: string, origin: Written['origin'] | undefined): string {
  if (path === '~' || path.startsWith('~/')) return resolve(homedir(), path.slice(2));
  return resolve(origin && origin.line > 0 ? dirname(origin.file) : process.cwd(), path);
}

/** The base of download addresses, without a slash at its end. */
export const webAddress: Kind<string> = {
  type: 'URL',
  read(value) {
    const text = textOf(value) ?? '';
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const plain = url && /^https?:$/.test(url.protocol) && !url.search && !url.hash && !/\s/.test(text);
    return plain ? good(text.replace(/\/+$/, '')) : bad('must be an http:// or https:// address without "?" and "#"');
  },
};

/** Further settings: a mapping, or `NAME=value,NAME=value` (a comma within a value stays if no `NAME=` follows it). */
export const environment: Kind<Record<string, string>> = {
  type: '`NAME=value,NAME=value`, or a mapping',
  read(value) {
    const entries: [string, string | undefined][] = [];
    if (typeof value === 'string') {
      for (const part of value.trim().split(/,(?=\s*[A-Za-z_][A-Za-z0-9_]*=)/)) {
        if (part.trim() === '') continue;
        const at = part.indexOf('=');
        if (at < 1) return bad('must be a mapping, or NAME=value,NAME=value');
        entries.push([part.slice(0, at).trim(), part.slice(at + 1).trim()]);
      }
    } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [key, v] of Object.entries(value)) entries.push([key, textOf(v)]);
    } else return bad('must be a mapping, or NAME=value,NAME=value');
    const found: Record<string, string> = {};
    for (const [key, text] of entries) {
      if (!/^[A-Z][A-Z0-9_]*$/.test(key)) {
        return bad(`must have names of capitals, digits and "_" (${JSON.stringify(key)} is none)`);
      }
      if (text === undefined) return bad(`must have a text or a number for ${key}`);
      if (hasControlCharacter(text)) return bad(`must have each value in one line (${key} has not)`);
      if (Object.hasOwn(found, key)) return bad(`sets ${key} twice`);
      found[key] = text;
    }
    return good(found);
  },
};
