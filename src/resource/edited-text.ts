import { createHash } from 'node:crypto';
import { quote } from '../connection/quote.ts';
import type { PathState } from './path-state.ts';
import { type Change, type Found, ProbeError } from './resource.ts';

/** Texts that are edited come here and go back whole. */
const LARGEST_BYTES = 4 << 20;

/** Text of a host that is edited in part. Bytes that are no UTF-8 come back as they were. */
export interface HostText {
  text: string;
  encoding: 'utf8' | 'latin1';
}

/** Prints what {@link readHostText} reads. */
export function textProbe(path: string): string {
  const p = quote(path);
  return `[ ! -e ${p} ] || { [ "$(stat -Lc %s -- ${p})" -le ${LARGEST_BYTES} ] && base64 -w 0 -- ${p}; }`;
}

/**
 * Undefined where there is no file, or a link that leads nowhere.
 * @throws ProbeError where something else stands, or it cannot be read.
 */
export function readHostText({ code, stdout, stat }: Found, path: string): HostText | undefined {
  const { type, behind } = stat(path);
  const actual = type === 'link' ? behind?.type : type;
  if (actual === undefined || actual === 'absent') return undefined;
  if (actual !== 'file') throw new ProbeError(`${path} is there but is no file (${actual})`);
  if (code !== 0) throw new ProbeError(`${path} cannot be edited: ${stdout.trim() || 'it is larger than 4 MiB'}`);
  const bytes = Buffer.from(stdout.trim(), 'base64');
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes)
    ? { text, encoding: 'utf8' }
    : { text: bytes.toString('latin1'), encoding: 'latin1' };
}

/** A wanted piece of text in the manner of the text that it will stand in. */
export function inEncoding(piece: string, encoding: HostText['encoding']): string {
  return encoding === 'utf8' ? piece : Buffer.from(piece, 'utf8').toString('latin1');
}

/**
 * Puts another text in the place of what was read; owner, mode and attributes stay, a link stays a link. Refused on the
 * host if the file was changed since it was looked at.
 */
export function rewrite(path: string, before: HostText, after: string, found: PathState): Omit<Change, 'summary'> {
  const { encoding } = before;
  const old = Buffer.from(before.text, encoding);
  const fresh = Buffer.from(after, encoding);
  const p = quote(path);
  const apply = [
    found.type === 'link' ? `p=$(readlink -f -- ${p})` : `p=${p}`,
    `if [ "$(sha256sum <"$p")" != '${sha256(old)}  -' ]; then echo 'it was changed since it was looked at: run again' >&2; exit 1; fi`,
    't=${p%/*}/.${p##*/}.etcd-play-new',
    `trap 'rm -f -- "$t"' EXIT`,
    'rm -f -- "$t"',
    // A copy first: it is closed to others as the old one is, before the new text is in it.
    'cp -p -- "$p" "$t"',
    `printf %s ${fresh.toString('base64')} | base64 -d >"$t"`,
    `[ "$(sha256sum <"$t")" = '${sha256(fresh)}  -' ]`,
    'sync -- "$t"',
    'mv -fT -- "$t" "$p"',
    'trap - EXIT',
  ].join('\n');
  return { apply, diff: { path, after: encoding === 'utf8' ? after : fresh.toString('utf8') } };
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
