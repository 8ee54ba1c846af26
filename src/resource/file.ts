import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { quote } from '../connection/quote.ts';
import {
  type Ownership,
  ownershipDifference,
  type PathState,
  parsePathState,
  setOwnership,
  statProbe,
} from './ownership.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface FileWish extends Ownership {
  path: string;
  content: string;
  /** Secret content is compared by its sum alone: it never comes back from a host and no diff is made. */
  secret: boolean;
  /**
   * A file in this place that does not hold these words was not written by us: a copy of it is kept beside it, once,
   * as `<path>.before-etcd-play`.
   */
  keepForeign?: string;
  /** Run after the file is in place, in the same step. */
  afterwards?: string;
}

export interface FileState extends PathState {
  sha256: string;
  /** What is there now; only when it differs and is not secret. */
  content?: string;
}

/** A text file with exactly this content. It appears whole or not at all: temporary name, fsync, rename. */
export function file(wish: Omit<FileWish, 'owner' | 'group' | 'secret'> & Partial<FileWish>): Resource {
  const desired: FileWish = { owner: 'root', group: wish.owner ?? 'root', secret: false, ...wish };
  return {
    kind: 'file',
    id: desired.path,
    probe: fileProbe(desired),
    compare: ({ stdout }) => diffFile(parseFileState(stdout), desired),
  };
}

export function fileProbe({ path, content, secret }: FileWish): string {
  const p = quote(path);
  const show = secret ? ':' : `[ "$s" = ${sha256(content)} ] || [ "$(stat -c %s -- ${p})" -gt 262144 ] || cat -- ${p}`;
  return `${statProbe(path)}\nif [ -f ${p} ] && [ ! -h ${p} ]; then s=$(sha256sum <${p}); s=\${s%% *}; echo "$s"; ${show}; fi`;
}

export function parseFileState(stdout: string): FileState {
  const [stat = '', sum = '', ...content] = stdout.split('\n');
  return { ...parsePathState(stat), sha256: sum, content: content.join('\n') };
}

export function diffFile(actual: FileState, desired: FileWish): Change | undefined {
  if (actual.type === 'directory' || actual.type === 'other') {
    throw new ProbeError(`${desired.path} is there but is no file (${actual.type})`);
  }
  const afterwards = desired.afterwards ? `\n${desired.afterwards}` : '';
  if (actual.type === 'file' && actual.sha256 === sha256(desired.content)) {
    const words = ownershipDifference(actual, desired);
    if (words.length === 0) return undefined;
    return { summary: words.join(', '), apply: setOwnership(quote(desired.path), desired) };
  }
  const change: Change = {
    summary: actual.type === 'file' ? 'content' : 'new file',
    apply: putFile(desired) + afterwards,
  };
  if (!desired.secret) {
    change.diff = { path: desired.path, before: actual.content ?? '', after: desired.content };
  }
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
