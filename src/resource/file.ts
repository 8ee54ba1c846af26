import { createHash } from 'node:crypto';
import { quote } from '../connection/quote.ts';
import { checkedOptions, flag, mode, needed, type Options, text, textOrSecret } from '../options.ts';
import { Secret } from '../secret.ts';
import { checkedOwnership } from './checked-ownership.ts';
import { checkedPath } from './checked-path.ts';
import { checkPrecautions, closedFile, inPlace, PRECAUTIONS, type Precautions } from './in-place.ts';
import { folderOf, ownersOf } from './need.ts';
import { type Ownership, ownershipDifference, type PathState, setOwnership } from './path-state.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface FileWish extends Precautions {
  /** An absolute path, whose directory is there. */
  path: string;
  /** A secret makes the file a secret one. */
  content: string | Secret;
  /** Permission bits, for instance 0o644. */
  mode: number;
  /** Default: root. */
  owner?: string;
  /** Default: as the owner. */
  group?: string;
  /** Secret content never comes back from a host, and no diff is made of it. Default: whether `content` is a secret. */
  secret?: boolean;
  /**
   * A file in this place that does not hold these words was not written by us: a copy of it is kept beside it, once,
   * as `<path>.before-etcd-play`.
   */
  keepForeign?: string;
  /** A line of `sh` that is run after new content is in place, in the same step. */
  afterwards?: string;
}

export const PLACED = {
  path: needed(text),
  mode: needed(mode),
  owner: text,
  group: text,
  secret: flag,
  keepForeign: text,
  afterwards: text,
  ...PRECAUTIONS,
} satisfies Options<Omit<FileWish, 'content'>>;

const OPTIONS: Options<FileWish> = { content: needed(textOrSecret), ...PLACED };

/** A file as it is wanted, with nothing left open. */
export interface DesiredFile extends Ownership, Precautions, Pick<FileWish, 'keepForeign' | 'afterwards'> {
  path: string;
  content: string;
  secret: boolean;
}

/**
 * A text file with exactly this content. It appears whole or not at all: temporary name, fsync, rename. A link in its
 * place is replaced, and what it led to stays.
 * @throws PlayError for what can be no path, owner or mode.
 */
export function file(wish: FileWish): Resource {
  const desired = desiredFile(checkedOptions('file', wish, OPTIONS));
  const { path } = desired;
  const compare: Resource['compare'] = ({ stat, sum }) => diffFile(stat(path), sum(path), desired);
  return {
    kind: 'file',
    id: path,
    paths: [path],
    sums: [path],
    needs: [folderOf(path), ...ownersOf(desired)],
    compare,
  };
}

export function desiredFile({ secret, ...wish }: FileWish): DesiredFile {
  checkPrecautions(wish);
  const path = checkedPath(wish.path, 'a file');
  const isSecret = wish.content instanceof Secret;
  const content = wish.content instanceof Secret ? wish.content.reveal() : wish.content;
  return { ...wish, ...checkedOwnership(wish, path), path, content, secret: secret ?? isSecret };
}

/** `sum`: sha256 of what is there. */
export function diffFile(actual: PathState, sum: string | undefined, desired: DesiredFile): Change | undefined {
  if (actual.type === 'directory' || actual.type === 'other') {
    throw new ProbeError(`${desired.path} is there but is no file (${actual.type})`);
  }
  if (actual.type === 'file' && sum === sha256(desired.content)) {
    const words = ownershipDifference(actual, desired);
    if (words.length === 0) return undefined;
    return { summary: words.join(', '), apply: setOwnership(quote(desired.path), desired) };
  }
  const afterwards = desired.afterwards ? `\n${desired.afterwards}` : '';
  const change: Change = { summary: newContent(actual), apply: putFile(desired) + afterwards };
  if (!desired.secret) change.diff = { path: desired.path, after: desired.content };
  return change;
}

/** What new content means for what stands in its place. */
export function newContent({ type }: PathState): string {
  if (type === 'file') return 'content';
  return type === 'link' ? 'a file, not a link' : 'new file';
}

/** Lines of `sh` that put a file in its place. */
export function putFile({ path, content, keepForeign, ...rest }: DesiredFile): string {
  return inPlace({
    path,
    ...rest,
    fill: [closedFile(`printf %s ${quote(content)}`), setOwnership('"$t"', rest)],
    last: keepForeign ? [keepCopy(path, keepForeign)] : [],
  });
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function keepCopy(path: string, ownWords: string): string {
  const copy = quote(`${path}.before-etcd-play`);
  const text = `case $(cat -- "$p") in *${quote(ownWords)}*) ;; *) cp -pP -- "$p" ${copy} ;; esac`;
  return `if [ -f "$p" ] && [ ! -e ${copy} ]; then ${text}; fi`;
}
