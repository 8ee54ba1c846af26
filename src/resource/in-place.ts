import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { flag, type Options, text } from '../options.ts';

/** What is done before a file takes the place of another. */
export interface Precautions {
  /**
   * A line of `sh` that must succeed on the new file before it takes its place; `%s` in it is the file's temporary name,
   * in the same directory: `visudo -cf %s`. It is code: no values of others belong in it.
   */
  validate?: string;
  /** What was there is kept beside it, as `<path>.<time in UTC>~`. Default: false. */
  backup?: boolean;
}

export const PRECAUTIONS: Options<Precautions> = { validate: text, backup: flag };

export interface Placing extends Precautions {
  path: string;
  /** A link in this place is kept, and what it leads to gets the content. Default: the link is replaced. */
  throughLink?: boolean;
  /** Lines of `sh` that put the content into the file `$t`, and lines that give it owner and mode. */
  fill: readonly string[];
  /** Lines of `sh` that are run last, just before the file `$t` becomes `$p`. */
  last?: readonly string[];
}

/**
 * Lines of `sh` by which a file appears whole or not at all: temporary name, fsync, rename. The name is fixed, so that an
 * interrupted run leaves at most one and the next takes its place.
 */
export function inPlace({ path, throughLink = false, fill, last = [], ...precautions }: Placing): string {
  const p = quote(path);
  return [
    throughLink ? `p=$(readlink -f -- ${p})` : `p=${p}`,
    't=${p%/*}/.${p##*/}.etcd-play-new',
    `trap 'rm -f -- "$t"' EXIT`,
    // When the connection ends: that is a signal and no exit, and what the shell says of it has no reader.
    `trap 'exit 129' HUP PIPE`,
    'rm -f -- "$t"',
    ...fill,
    'sync -- "$t"',
    ...precautionLines(precautions),
    ...last,
    'mv -fT -- "$t" "$p"',
    'trap - EXIT HUP PIPE',
  ].join('\n');
}

/** Makes the file anew, closed to others, from what the command prints. */
export function closedFile(command: string): string {
  return `( umask 077; set -C; ${command} >"$t" )`;
}

/** @throws PlayError for a validation that does not say where the file's name goes. */
export function checkPrecautions({ validate }: Precautions): void {
  if (validate === undefined || validate.includes('%s')) return;
  throw new PlayError(`validate has no %s for the name of the file: '${validate}'`, {
    next: 'Write it as in: visudo -cf %s',
  });
}

function precautionLines({ validate, backup }: Precautions): string[] {
  const lines: string[] = [];
  if (validate !== undefined) {
    const refused = `what checks it refuses it, and it was not put in place: ${validate}`;
    lines.push(
      `if ! ( eval ${quote(validate.replaceAll('%s', '"$t"'))}\n) </dev/null; then printf '%s\\n' ${quote(refused)} >&2; exit 1; fi`,
    );
  }
  if (backup) {
    // Two changes within a second: it is the first that was there before us.
    lines.push('b=$p.$(date -u +%Y%m%dT%H%M%SZ)~', 'if [ -f "$p" ] && [ ! -e "$b" ]; then cp -pP -- "$p" "$b"; fi');
  }
  return lines;
}
