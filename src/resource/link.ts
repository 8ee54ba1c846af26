import { posix } from 'node:path';
import { quote } from '../connection/quote.ts';
import type { PathState } from './path-state.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface LinkWish {
  path: string;
  target: string;
}

/** A symbolic link, switched atomically. A file or directory in its place is left alone and is an error. */
export function link(wish: LinkWish): Resource {
  const { path } = wish;
  return { kind: 'link', id: path, paths: [path], compare: ({ stat }) => diffLink(stat(path), wish) };
}

export function diffLink(actual: PathState, { path, target }: LinkWish): Change | undefined {
  if (actual.type !== 'link' && actual.type !== 'absent') {
    throw new ProbeError(`${path} is there and is no link: move it aside if it is not needed`);
  }
  if (actual.target === target) return undefined;
  const temporary = quote(posix.join(posix.dirname(path), `.${posix.basename(path)}.etcd-play-new`));
  return {
    summary: actual.type === 'link' ? `${actual.target} → ${target}` : `new link to ${target}`,
    apply: `rm -f -- ${temporary}\nln -s -- ${quote(target)} ${temporary}\nmv -fT -- ${temporary} ${quote(path)}`,
  };
}
