import { type FileHandle, open } from 'node:fs/promises';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import type { ScriptInput } from '../connection/connection.ts';
import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { SumThread } from '../local/sum-thread.ts';
import { WRITE_BYTES } from '../write-bytes.ts';
import { type LocalFile, sumOfStart } from './local-file.ts';

/** From this size on, what is sent goes on where it was cut; less is sent again in no time. */
export const RESUMED_FROM_BYTES = 8 << 20;
const CHUNK_BYTES = 1 << 20;

/** What a transfer that was cut has left of a file. */
export interface Part {
  sizeBytes: number;
  sum: string;
}

/** Where a file lies while it is on its way. */
export function partPath(path: string): string {
  return posix.join(posix.dirname(path), `.${posix.basename(path)}.etcd-play-part`);
}

/** True for a part that only we can have written. */
const isOurs = '[ -f "$q" ] && [ ! -L "$q" ] && [ -O "$q" ]';

/** Prints what {@link readPart} reads: one line, or nothing. */
export function partProbe(path: string): string {
  return `q=${quote(partPath(path))}; if ${isOurs}; then ${sumOf('"$q"')}; printf 'part %s %s\\n' "$(stat -c %s -- "$q")" "$sum"; fi`;
}

export function readPart(text: string): Part | undefined {
  const [, size, sum] = /^part (\d+) ([0-9a-f]{64})$/m.exec(text) ?? [];
  return size === undefined || sum === undefined ? undefined : { sizeBytes: Number(size), sum };
}

/** How many bytes need not be sent again: all of a part that is how the file begins, or none. */
export function keptBytes(part: Part | undefined, { path, sizeBytes }: Pick<LocalFile, 'path' | 'sizeBytes'>): number {
  if (!part || part.sizeBytes > sizeBytes) return 0;
  return sumOfStart(path, part.sizeBytes) === part.sum ? part.sizeBytes : 0;
}

/** Lines of `sh`: `$q` is the part, with its first `kept` bytes or none, closed to others. */
export function openPart(path: string, kept: number): string[] {
  return [
    `q=${quote(partPath(path))}`,
    kept > 0
      ? `{ ${isOurs}; } || { echo "$q was changed meanwhile: run again" >&2; exit 1; }\ntruncate -s ${kept} -- "$q"`
      : 'rm -f -- "$q"\n( umask 077; set -C; : >"$q" )',
  ];
}

/** A word of `sh` that sets `sum`: what is at hand is taken that is fast, since a sum may cost as much as the way. */
export function sumOf(file: string): string {
  return `sum=$(openssl dgst -sha256 -r <${file} 2>/dev/null) || sum=$(sha256sum <${file}); sum=\${sum%% *}`;
}

/** At most so much is proven and brought to the disk at a time, while the next comes; towards the end less and less: it is waited for. */
const STRETCH_BYTES = 32 << 20;
/** Each has its price: three programs. */
const LEAST_STRETCH_BYTES = 8 << 20;

interface Stretch {
  /** From here on in the file: of the first one all that is there already is proven, too. */
  from: number;
  to: number;
  /** So many bytes of it come. */
  bytes: number;
}

function stretchesOf(sizeBytes: number, kept: number): Stretch[] {
  const all: Stretch[] = [];
  let at = kept;
  do {
    const half = Math.ceil((sizeBytes - at) / 2);
    const to = Math.min(sizeBytes, at + Math.max(LEAST_STRETCH_BYTES, Math.min(STRETCH_BYTES, half)));
    all.push({ from: all.length === 0 ? 0 : at, to, bytes: to - at });
    at = to;
  } while (at < sizeBytes);
  return all;
}

/**
 * Lines of `sh` that read a file's rest from their input, stretch by stretch, each with its sum behind it, as
 * {@link restWithSums} gives them, into `$q`. When the line is cut `$q` stays; when anything else fails it goes.
 */
export function receivePart({ sizeBytes }: Pick<LocalFile, 'sizeBytes'>, kept: number): string[] {
  const proven = '[ -z "$w" ] || wait "$w" || { rm -f -- "$q"; exit 1; }';
  return [
    `f=0; a=${kept}; w=`,
    `for c in ${stretchesOf(sizeBytes, kept)
      .map(({ bytes }) => bytes)
      .join(' ')}; do`,
    `  dd bs=${WRITE_BYTES} iflag=fullblock,count_bytes count="$c" status=none >>"$q" || { r=$?; [ "$r" -gt 128 ] || rm -f -- "$q"; exit "$r"; }`,
    '  read -r want || { echo "the line was cut" >&2; exit 1; }',
    `  ${proven}`,
    '  a=$(( a + c ))',
    '  {',
    '    sync -d -- "$q" & s=$!',
    '    sum=$(dd bs=256k iflag=skip_bytes,count_bytes skip="$f" count="$(( a - f ))" status=none <"$q" | { openssl dgst -sha256 -r 2>/dev/null || sha256sum; }); sum=${sum%% *}',
    '    if [ "$sum" != "$want" ]; then echo "it arrived damaged: sha256 $sum, wanted $want; was it changed meanwhile?" >&2; exit 1; fi',
    '    wait "$s"',
    '  } & w=$!',
    '  f=$a',
    'done',
    proven,
    'sync -- "$q" || { rm -f -- "$q"; exit 1; }',
  ];
}

/** A file from a place on, and behind each stretch of it the sum as a line: reckoned in a thread while the bytes go by. */
export function restWithSums({ path, sizeBytes }: Pick<LocalFile, 'path' | 'sizeBytes'>, kept: number): ScriptInput {
  const stretches = stretchesOf(sizeBytes, kept);
  async function* bytes() {
    const file = await open(path);
    const sums = new SumThread(file.fd);
    try {
      const before = await ageOf(file);
      for (const { from, to, bytes } of stretches) {
        const sum = sums.of(from, to);
        // It is waited for only when the bytes are gone.
        sum.catch(() => undefined);
        for (let at = to - bytes; at < to; ) {
          // A new piece each time: who takes it may not have sent it when the next is asked for.
          const wanted = Math.min(CHUNK_BYTES, to - at);
          const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(wanted), 0, wanted, at);
          if (bytesRead === 0) throw changed(path);
          at += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
        const { sha256 } = await sum.catch(() => {
          throw changed(path);
        });
        if ((await ageOf(file)) !== before) throw changed(path);
        yield Buffer.from(`${sha256}\n`);
      }
    } finally {
      await sums.close();
      await file.close();
    }
  }
  const sizeOfAll = sizeBytes - kept + stretches.length * SUM_LINE_BYTES;
  return { sizeBytes: sizeOfAll, open: () => Readable.from(bytes()) };
}

function changed(path: string): PlayError {
  return new PlayError(`${path} was changed while it was sent`, { next: 'Run again when nobody writes to it.' });
}

const SUM_LINE_BYTES = 65;

async function ageOf(file: FileHandle): Promise<string> {
  const { ino, size, mtimeNs } = await file.stat({ bigint: true });
  return `${ino} ${size} ${mtimeNs}`;
}
