import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { quote } from '../connection/quote.ts';
import { type Ownership, ownershipDifference, type PathState, setOwnership } from './path-state.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface FileWish extends Ownership {
  path: string;
  content: string;
  /** Secret content never comes back from a host, and no diff is made of it. */
  secret: boolean;
  /**
   * A file in this place that does not hold these words was not written by us: a copy of it is kept beside it, once,
   * as `<path>.before-etcd-play`.
   */
  keepForeign?: string;
  /** Run after the file is in place, in the same step. */
  afterwards?: string;
}

/** A text file with exactly this content. It appears whole or not at all: temporary name, fsync, rename. */
export function file(wish: Omit<FileWish, 'owner' | 'group' | 'secret'> & Partial<FileWish>): Resource {
  const desired: FileWish = { owner: 'root', group: wish.owner ?? 'root', secret: false, ...wish };
  const { path } = desired;
  const compare: Resource['compare'] = ({ stat, sum }) => diffFile(stat(path), sum(path), desired);
  return { kind: 'file', id: path, paths: [path], sums: [path], compare };
}

/** `sum`: sha256 of what is there. */
export function diffFile(actual: PathState, sum: string | undefined, desired: FileWish): Change | undefined {
  if (actual.type === 'directory' || actual.type === 'other') {
    throw new ProbeError(`${desired.path} is there but is no file (${actual.type})`);
  }
  const afterwards = desired.afterwards ? `\n${desired.afterwards}` : '';
  if (actual.type === 'file' && sum === sha256(desired.content)) {
    const words = ownershipDifference(actual, desired);
    if (words.length === 0) return undefined;
    return { summary: words.join(', '), apply: setOwnership(quote(desired.path), desired) };
  }
  const summary = actual.type === 'file' ? 'content' : actual.type === 'link' ? 'a file, not a link' : 'new file';
  const change: Change = { summary, apply: putFile(desired) + afterwards };
  if (!desired.secret) change.diff = { path: desired.path, after: desired.content };
  return change;
}

/**
 * The name is fixed, so that an interrupted run leaves at most one and the next takes its place; it is made anew and
 * closed to others before any content is in it.
 */
function putFile({ path, content, keepForeign, ...ownership }: FileWish): string {
  const temporary = posix.join(posix.dirname(path), `.${posix.basename(path)}.etcd-play-new`);
  return [
    `t=${quote(temporary)}`,
    `trap 'rm -f -- "$t"' EXIT`,
    'rm -f -- "$t"',
    `( umask 077; set -C; printf %s ${quote(content)} >"$t" )`,
    setOwnership('"$t"', ownership),
    'sync -- "$t"',
    ...(keepForeign ? [keepCopy(path, keepForeign)] : []),
    `mv -fT -- "$t" ${quote(path)}`,
    'trap - EXIT',
  ].join('\n');
}

export function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

function keepCopy(path: string, ownWords: string): string {
  const copy = quote(`${path}.before-etcd-play`);
  const p = quote(path);
  const text = `case $(cat -- ${p}) in *${quote(ownWords)}*) ;; *) cp -pP -- ${p} ${copy} ;; esac`;
  return `if [ -f ${p} ] && [ ! -e ${copy} ]; then ${text}; fi`;
}
