import { createReadStream } from 'node:fs';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import type { ScriptInput } from '../connection/connection.ts';
import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, code, needed, number, type Options, text } from '../options.ts';
import { SYSTEM_DIRECTORIES } from './absent.ts';
import { checkedPath } from './checked-path.ts';
import { localFile } from './local-file.ts';
import { keptBytes, openPart, type Part, partProbe, RESUMED_FROM_BYTES, readPart } from './part.ts';
import type { Change, Resource } from './resource.ts';

export interface ArchiveWish {
  /** The `.tar.gz` on the control machine; where its size and sum are given, only looked at when it must be sent. */
  source: string;
  /** Default: of the file as it is. */
  sizeBytes?: number;
  /** Default: of the file as it is. */
  sha256?: string;
  /** The directory that will hold its content, without the archive's own top directory, and nothing else. */
  dest: string;
  onProgress?: (doneBytes: number) => void;
}

const OPTIONS: Options<ArchiveWish> = {
  source: needed(text),
  sizeBytes: number,
  sha256: text,
  dest: needed(text),
  onProgress: code,
};

/** An archive as it is wanted, with nothing left open. */
export type DesiredArchive = ArchiveWish & Required<Pick<ArchiveWish, 'sizeBytes' | 'sha256'>>;

/** What tells a directory that was unpacked whole: it is only there when the last rename was done. */
export const ARCHIVE_MARK = '.archive.sha256';

/**
 * An unpacked archive. It is checked and unpacked beside its place and appears there whole, by a rename: what else was in
 * that directory is gone. A big one that was cut on its way goes on where it stood.
 * @throws InputError if it cannot be read here; PlayError for what can be no path, no sum, or is a directory of the system.
 */
export function archive(wish: ArchiveWish): Resource {
  checkedOptions('archive', wish, OPTIONS);
  const dest = checkedPath(wish.dest, 'an archive');
  if (dest === '/' || SYSTEM_DIRECTORIES.has(dest)) {
    const next = `Give it a directory of its own: ${posix.join(dest, 'name')}.`;
    throw new PlayError(`an archive takes the place of all that is in its directory, and ${dest} is not for that`, {
      next,
    });
  }
  const from = wish.sizeBytes === undefined || wish.sha256 === undefined ? localFile(wish.source) : undefined;
  const { sizeBytes = from!.sizeBytes, sha256 = from!.sum() } = wish;
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new PlayError(`'${sha256}' is no sha256 of an archive`);
  const desired: DesiredArchive = { ...wish, dest, sizeBytes, sha256 };
  return {
    kind: 'archive',
    id: dest,
    probe: sizeBytes < RESUMED_FROM_BYTES ? archiveProbe(dest) : `${archiveProbe(dest)}\n${partProbe(dest)}`,
    compare: ({ stdout }) => {
      const [unpackedFrom = ''] = /^[0-9a-f]{64}$/m.exec(stdout) ?? [];
      return diffArchive(unpackedFrom, desired, readPart(stdout));
    },
  };
}

/** Prints the sha256 of the archive that a directory was unpacked from, or nothing. */
export function archiveProbe(dest: string): string {
  return `cat -- ${quote(posix.join(dest, ARCHIVE_MARK))} 2>/dev/null || :`;
}

/** `part`: what an earlier run has left of it. */
export function diffArchive(unpackedFrom: string, wish: DesiredArchive, part?: Part): Change | undefined {
  if (unpackedFrom === wish.sha256) return undefined;
  const { source, sizeBytes } = wish;
  const kept = part ? keptBytes(part, { path: source, sizeBytes }) : 0;
  const before = kept > 0 ? `, ${Math.round(kept / 1e6)} MB of it there already` : '';
  return {
    summary: unpackedFrom
      ? `another archive of the same name${before}`
      : `${Math.round(sizeBytes / 1e6)} MB sent and unpacked${before}`,
    apply: unpack(wish, kept),
    input: restOf(wish, kept),
    timeoutMs: 15 * 60_000,
  };
}

function restOf({ source, sizeBytes, onProgress }: DesiredArchive, kept: number): ScriptInput {
  return {
    sizeBytes: sizeBytes - kept,
    open: () =>
      kept < sizeBytes ? createReadStream(source, { start: kept, highWaterMark: 256 * 1024 }) : Readable.from([]),
    ...(onProgress ? { onProgress: (done) => onProgress(kept + done) } : {}),
  };
}

/**
 * The sum is taken while the bytes pass on their way to tar. Of a big archive they are kept on the way, too, until it is
 * unpacked: what came over a line that was cut is good for the next run.
 */
function unpack({ dest, sha256, sizeBytes }: DesiredArchive, kept: number): string {
  const fresh = quote(posix.join(posix.dirname(dest), `.${posix.basename(dest)}.etcd-play-new`));
  const old = quote(posix.join(posix.dirname(dest), `.${posix.basename(dest)}.etcd-play-old`));
  const isBig = sizeBytes >= RESUMED_FROM_BYTES;
  const dropPart = isBig ? 'rm -f -- "$q"; ' : '';
  // Short although no disk is full: the line was cut.
  const dropUnlessCut = isBig
    ? `if [ "$(stat -c %s -- "$q")" -ge ${sizeBytes} ] || [ -e "$n/.full" ]; then rm -f -- "$q"; fi; `
    : '';
  return [
    `n=${fresh}; o=${old}; d=${quote(dest)}`,
    `trap 'rm -rf -- "$n"' EXIT`,
    'rm -rf -- "$n" "$o"; mkdir -p -- "$n"; mkfifo -- "$n/.pipe"',
    ...(isBig ? openPart(dest, kept) : []),
    'sha256sum <"$n/.pipe" >"$n/.sum" & s=$!',
    // tee must read to the end even when tar has failed, or the sum would be of a part.
    `r=0; { ${isBig ? '{ cat -- "$q"; tee -a -- "$q" || : >"$n/.full"; } | ' : ''}tee -p -- "$n/.pipe" | tar -xz --no-same-owner --strip-components=1 -C "$n" -f -; } || r=$?; wait "$s"`,
    'read -r sum rest <"$n/.sum"',
    `if [ "$sum" != ${sha256} ]; then ${dropUnlessCut}echo "the archive arrived damaged: sha256 $sum, wanted ${sha256}" >&2; exit 1; fi`,
    `[ "$r" = 0 ] || { ${dropPart}exit "$r"; }`,
    'rm -f -- "$n/.pipe" "$n/.sum"',
    `echo ${sha256} >"$n/${ARCHIVE_MARK}"`,
    'chmod -R go-w,a+rX -- "$n"; sync -f -- "$n"',
    'if [ -e "$d" ] || [ -L "$d" ]; then mv -T -- "$d" "$o"; fi',
    `mv -T -- "$n" "$d"; ${dropPart}rm -rf -- "$o"`,
  ].join('\n');
}
