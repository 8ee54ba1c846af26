import { createReadStream } from 'node:fs';
import { posix } from 'node:path';
import { quote } from '../connection/quote.ts';
import { type LocalFile, localFile } from './local-file.ts';
import { type Ownership, ownershipDifference, type PathState, setOwnership } from './path-state.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface CopyWish {
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

type Desired = Ownership & { path: string };

/**
 * A file of the control machine on a host, byte for byte. It is streamed to a temporary name, its sum is compared there,
 * and it appears whole, with its owner and mode, by a rename. Only sent where the sum differs.
 * @throws InputError if the file cannot be read here.
 */
export function copy({ source, ...wish }: CopyWish): Resource {
  const desired: Desired = { owner: 'root', group: wish.owner ?? 'root', ...wish };
  const { path } = desired;
  const from = localFile(source);
  const compare: Resource['compare'] = ({ stat, sum }) => diffCopy(stat(path), sum(path), desired, from);
  return { kind: 'copy', id: path, paths: [path], sums: [path], compare };
}

/** `sum`: sha256 of what is there. */
export function diffCopy(
  actual: PathState,
  sum: string | undefined,
  desired: Desired,
  from: LocalFile,
): Change | undefined {
  if (actual.type === 'directory' || actual.type === 'other') {
    throw new ProbeError(`${desired.path} is there but is no file (${actual.type})`);
  }
  if (actual.type === 'file' && sum === from.sum()) {
    const words = ownershipDifference(actual, desired);
    if (words.length === 0) return undefined;
    return { summary: words.join(', '), apply: setOwnership(quote(desired.path), desired) };
  }
  const what = actual.type === 'file' ? 'content' : actual.type === 'link' ? 'a file, not a link' : 'new file';
  return {
    summary: `${what}, ${sizeText(from.sizeBytes)}`,
    apply: receive(desired, from.sum()),
    input: {
      sizeBytes: from.sizeBytes,
      open: () => createReadStream(from.path, { highWaterMark: 256 * 1024 }),
    },
    timeoutMs: 120_000 + from.sizeBytes / SLOWEST_BYTES_PER_MS,
  };
}

/** A line slower than 100 kB in a second is taken for a stuck one. */
const SLOWEST_BYTES_PER_MS = 100;

/** The sum is taken of what the disk took, which is more than what the line carried. */
function receive({ path, ...ownership }: Desired, sum: string): string {
  const temporary = posix.join(posix.dirname(path), `.${posix.basename(path)}.etcd-play-new`);
  return [
    `t=${quote(temporary)}`,
    `trap 'rm -f -- "$t"' EXIT`,
    'rm -f -- "$t"',
    '( umask 077; set -C; cat >"$t" )',
    'read -r sum rest <<END\n$(sha256sum <"$t")\nEND',
    `if [ "$sum" != ${sum} ]; then echo "it arrived damaged: sha256 $sum, wanted ${sum}; was it changed meanwhile?" >&2; exit 1; fi`,
    setOwnership('"$t"', ownership),
    'sync -- "$t"',
    `mv -fT -- "$t" ${quote(path)}`,
    'trap - EXIT',
  ].join('\n');
}

function sizeText(bytes: number): string {
  if (bytes < 10_000) return `${bytes} bytes`;
  return bytes < 10_000_000 ? `${Math.round(bytes / 1e3)} kB` : `${Math.round(bytes / 1e6)} MB`;
}
