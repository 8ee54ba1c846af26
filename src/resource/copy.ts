import { createReadStream } from 'node:fs';
import { quote } from '../connection/quote.ts';
import { checkedOptions, mode, needed, type Options, text } from '../options.ts';
import { checkedOwnership } from './checked-ownership.ts';
import { checkedPath } from './checked-path.ts';
import { newContent } from './file.ts';
import { checkPrecautions, closedFile, inPlace, PRECAUTIONS, type Precautions } from './in-place.ts';
import { type LocalFile, localFile } from './local-file.ts';
import { folderOf, ownersOf } from './need.ts';
import { keptBytes, openPart, partProbe, RESUMED_FROM_BYTES, readPart, receivePart, restWithSums } from './part.ts';
import { type Ownership, ownershipDifference, type PathState, setOwnership } from './path-state.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface CopyWish extends Precautions {
  /** A regular file of the control machine, text or not; a relative path starts at the working directory. */
  source: string;
  /** Where it will be on the host: an absolute path, whose directory is there. */
  path: string;
  /** Permission bits, for instance 0o644. */
  mode: number;
  /** Default: root. */
  owner?: string;
  /** Default: as the owner. */
  group?: string;
}

export const SENDING = {
  source: needed(text),
  path: needed(text),
  mode: needed(mode),
  owner: text,
  group: text,
} satisfies Options<Omit<CopyWish, keyof Precautions>>;

const OPTIONS: Options<CopyWish> = { ...SENDING, ...PRECAUTIONS };

/** A copy as it is wanted, with nothing left open. */
export interface DesiredCopy extends Ownership, Precautions {
  path: string;
  from: LocalFile;
}

/**
 * A file of the control machine on a host, byte for byte. It is streamed to a temporary name, its sum is compared there,
 * and it appears whole, with its owner and mode, by a rename. Only sent where the sum differs; a big one that was cut on
 * its way goes on where it stood.
 * @throws InputError if the file cannot be read here; PlayError for what can be no path, owner or mode.
 */
export function copy(given: CopyWish): Resource {
  const { source, ...wish } = checkedOptions('copy', given, OPTIONS);
  checkPrecautions(wish);
  const path = checkedPath(wish.path, 'a copy');
  const desired: DesiredCopy = { ...wish, ...checkedOwnership(wish, path), path, from: localFile(source) };
  const needs = [folderOf(path), ...ownersOf(desired)];
  const looked = { kind: 'copy', id: path, paths: [path], sums: [path], needs };
  if (desired.from.sizeBytes < RESUMED_FROM_BYTES) {
    return { ...looked, compare: ({ stat, sum }) => diffCopy(stat(path), sum(path), desired) };
  }
  const compare: Resource['compare'] = ({ stat, sum, stdout }) =>
    diffCopy(stat(path), sum(path), desired, (one) => resumeCopy(one, keptBytes(readPart(stdout), one.from)));
  return { ...looked, probe: partProbe(path), compare };
}

/** How a copy gets there. */
type Sending = Pick<Change, 'apply' | 'input' | 'timeoutMs'> & { remark?: string };

/** `sum`: sha256 of what is there. */
export function diffCopy(
  actual: PathState,
  sum: string | undefined,
  desired: DesiredCopy,
  send: (desired: DesiredCopy) => Sending = sendCopy,
): Change | undefined {
  const { path, from } = desired;
  if (actual.type === 'directory' || actual.type === 'other') {
    throw new ProbeError(`${path} is there but is no file (${actual.type})`);
  }
  if (actual.type === 'file' && sum === from.sum()) {
    const words = ownershipDifference(actual, desired);
    return words.length === 0 ? undefined : { summary: words.join(', '), apply: setOwnership(quote(path), desired) };
  }
  const { remark = '', ...sending } = send(desired);
  return { summary: `${newContent(actual)}, ${sizeText(from.sizeBytes)}${remark}`, ...sending };
}

function sendCopy(desired: DesiredCopy): Sending {
  const { from } = desired;
  return {
    apply: receiveCopy(desired),
    input: { sizeBytes: from.sizeBytes, open: () => createReadStream(from.path, { highWaterMark: CHUNK_BYTES }) },
    timeoutMs: receiveTimeoutMs(from.sizeBytes),
  };
}

/** From where an earlier run was cut; `kept`: so much of it is there and right. */
export function resumeCopy({ from, path, ...rest }: DesiredCopy, kept: number): Sending {
  const fill = [...openPart(path, kept), ...receivePart(from, kept), 'mv -fT -- "$q" "$t"', setOwnership('"$t"', rest)];
  return {
    apply: inPlace({ path, ...rest, fill }),
    input: restWithSums(from, kept),
    timeoutMs: receiveTimeoutMs(from.sizeBytes),
    ...(kept > 0 ? { remark: `, ${sizeText(kept)} of it there already` } : {}),
  };
}

export const CHUNK_BYTES = 256 * 1024;

/** When the last byte is there, the sum is taken and the disk is waited for: a slow one takes 20 MB in a second. */
export function receiveTimeoutMs(sizeBytes: number): number {
  return 120_000 + sizeBytes / 20_000;
}

/** Lines of `sh` that read the file from their input; the sum is taken of what the disk took, not of what the line carried. */
export function receiveCopy({ from, path, ...rest }: DesiredCopy): string {
  const sum = from.sum();
  return inPlace({
    path,
    ...rest,
    fill: [
      closedFile(`head -c ${from.sizeBytes}`),
      'read -r sum rest <<END\n$(sha256sum <"$t")\nEND',
      `if [ "$sum" != ${sum} ]; then echo "it arrived damaged: sha256 $sum, wanted ${sum}; was it changed meanwhile?" >&2; exit 1; fi`,
      setOwnership('"$t"', rest),
    ],
  });
}

export function sizeText(bytes: number): string {
  if (bytes < 10_000) return `${bytes} bytes`;
  return bytes < 10_000_000 ? `${Math.round(bytes / 1e3)} kB` : `${Math.round(bytes / 1e6)} MB`;
}
