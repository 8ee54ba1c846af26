import { createReadStream } from 'node:fs';
import { posix } from 'node:path';
import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { SYSTEM_DIRECTORIES } from './absent.ts';
import { checkedPath } from './checked-path.ts';
import { localFile } from './local-file.ts';
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

/** An archive as it is wanted, with nothing left open. */
export type DesiredArchive = ArchiveWish & Required<Pick<ArchiveWish, 'sizeBytes' | 'sha256'>>;

/** What tells a directory that was unpacked whole: it is only there when the last rename was done. */
export const ARCHIVE_MARK = '.archive.sha256';

/**
 * An unpacked archive. It is checked and unpacked beside its place and appears there whole, by a rename: what else was in
 * that directory is gone.
 * @throws InputError if it cannot be read here; PlayError for what can be no path, no sum, or is a directory of the system.
 */
export function archive(wish: ArchiveWish): Resource {
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
    probe: archiveProbe(dest),
    compare: ({ stdout }) => diffArchive(stdout.trim(), desired),
  };
}

/** Prints the sha256 of the archive that a directory was unpacked from, or nothing. */
export function archiveProbe(dest: string): string {
  return `cat -- ${quote(posix.join(dest, ARCHIVE_MARK))} 2>/dev/null || :`;
}

export function diffArchive(unpackedFrom: string, wish: DesiredArchive): Change | undefined {
  if (unpackedFrom === wish.sha256) return undefined;
  return {
    summary: unpackedFrom
      ? 'another archive of the same name'
      : `${Math.round(wish.sizeBytes / 1e6)} MB sent and unpacked`,
    apply: unpack(wish),
    input: {
      sizeBytes: wish.sizeBytes,
      open: () => createReadStream(wish.source, { highWaterMark: 256 * 1024 }),
      ...(wish.onProgress ? { onProgress: wish.onProgress } : {}),
    },
    timeoutMs: 15 * 60_000,
  };
}

/** The sum is taken while the bytes pass on their way to tar: no second copy on the disk, no second reading. */
function unpack({ dest, sha256 }: DesiredArchive): string {
  const fresh = quote(posix.join(posix.dirname(dest), `.${posix.basename(dest)}.etcd-play-new`));
  const old = quote(posix.join(posix.dirname(dest), `.${posix.basename(dest)}.etcd-play-old`));
  return [
    `n=${fresh}; o=${old}; d=${quote(dest)}`,
    `trap 'rm -rf -- "$n"' EXIT`,
    'rm -rf -- "$n" "$o"; mkdir -p -- "$n"; mkfifo -- "$n/.pipe"',
    'sha256sum <"$n/.pipe" >"$n/.sum" & s=$!',
    // tee must read to the end even when tar has failed, or the sum would be of a part.
    'r=0; { tee -p -- "$n/.pipe" | tar -xz --no-same-owner --strip-components=1 -C "$n" -f -; } || r=$?; wait "$s"',
    'read -r sum rest <"$n/.sum"; rm -f -- "$n/.pipe" "$n/.sum"',
    `if [ "$sum" != ${sha256} ]; then echo "the archive arrived damaged: sha256 $sum, wanted ${sha256}" >&2; exit 1; fi`,
    '[ "$r" = 0 ] || exit "$r"',
    `echo ${sha256} >"$n/${ARCHIVE_MARK}"`,
    'chmod -R go-w,a+rX -- "$n"; sync -f -- "$n"',
    'if [ -e "$d" ]; then mv -T -- "$d" "$o"; fi',
    'mv -T -- "$n" "$d"; rm -rf -- "$o"',
  ].join('\n');
}
