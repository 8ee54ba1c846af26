import { quote } from '../connection/quote.ts';
import { flag, mode, needed, type Options, object, text } from '../options.ts';
import { checkedOwnership } from './checked-ownership.ts';
import { desiredFile, putFile, sha256 } from './file.ts';
import { inPlace, PRECAUTIONS, type Precautions } from './in-place.ts';
import type { Ownership, PathState } from './path-state.ts';
import { type Change, type Found, ProbeError } from './resource.ts';

/** Texts that are edited come here and go back whole. */
const LARGEST_BYTES = 4 << 20;

/** How a text that is edited in part is put back. */
export interface EditOptions extends Precautions {
  /** A file that is not there is made, with this mode and owner. Default: it is an error. */
  create?: Partial<Ownership> & Pick<Ownership, 'mode'>;
  /** No diff is made of the file. Default: false. */
  secret?: boolean;
}

export const EDIT_OPTIONS: Options<EditOptions> = {
  ...PRECAUTIONS,
  create: object<NonNullable<EditOptions['create']>>({ mode: needed(mode), owner: text, group: text }),
  secret: flag,
};

/** Text of a host that is edited in part. Bytes that are no UTF-8 come back as they were. */
export interface HostText {
  text: string;
  encoding: 'utf8' | 'latin1';
}

/** Prints what {@link readHostText} reads. */
export function textProbe(path: string): string {
  const p = quote(path);
  return `[ ! -f ${p} ] || { [ "$(stat -Lc %s -- ${p})" -le ${LARGEST_BYTES} ] && base64 -w 0 -- ${p}; }`;
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

export interface Edited {
  text: string;
  /** What was done, for the screen. */
  summary: string;
}

/**
 * The change that an edit of a file is, or undefined where it leaves the text as it was. `edit` is given the text, and a
 * function that puts what is wanted in its encoding.
 * @throws ProbeError where the file is not there and is not to be made.
 */
export function diffEdit(
  found: Found,
  path: string,
  edit: (text: string, inItsManner: (piece: string) => string) => Edited,
  { create, secret = false, ...precautions }: EditOptions,
): Change | undefined {
  const before = readHostText(found, path);
  const { encoding } = before ?? { encoding: 'utf8' as const };
  const inItsManner = (piece: string) => (encoding === 'utf8' ? piece : Buffer.from(piece).toString('latin1'));
  const { text, summary } = edit(before?.text ?? '', inItsManner);
  if (text === (before?.text ?? '')) return undefined;
  if (!before && !create) {
    throw new ProbeError(`${path} is not there, and is not to be made: there is nothing to edit`);
  }
  const apply = before
    ? rewrite(path, before, text, found.stat(path), precautions)
    : putFile(desiredFile({ path, content: text, ...checkedOwnership(create!, path), ...precautions }));
  const after = encoding === 'utf8' ? text : Buffer.from(text, encoding).toString('utf8');
  return { summary: before ? summary : `new file, ${summary}`, apply, ...(secret ? {} : { diff: { path, after } }) };
}

/**
 * Puts another text in the place of what was read; owner, mode and attributes stay, a link stays a link. Refused on the
 * host if the file was changed since it was looked at.
 */
function rewrite(
  path: string,
  { text, encoding }: HostText,
  after: string,
  { type }: PathState,
  precautions: Precautions,
): string {
  const old = sha256(Buffer.from(text, encoding));
  const fresh = Buffer.from(after, encoding);
  return inPlace({
    path,
    throughLink: type === 'link',
    ...precautions,
    fill: [
      `if [ "$(sha256sum <"$p")" != '${old}  -' ]; then echo 'it was changed since it was looked at: run again' >&2; exit 1; fi`,
      // A copy first: it is closed to others as the old one is, before the new text is in it.
      'cp -p -- "$p" "$t"',
      `printf %s ${fresh.toString('base64')} | base64 -d >"$t"`,
      `[ "$(sha256sum <"$t")" = '${sha256(fresh)}  -' ]`,
    ],
  });
}
