import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, needed, type Options, text } from '../options.ts';
import { checkedPath } from './checked-path.ts';
import { folderOf } from './need.ts';
import type { PathState } from './path-state.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface LinkWish {
  /** Where the link is: an absolute path, whose directory is there. */
  path: string;
  /** Where it leads, as it is written in the link; it need not be there. */
  target: string;
}

const OPTIONS: Options<LinkWish> = { path: needed(text), target: needed(text) };

/**
 * A symbolic link, switched atomically. A file or directory in its place is left alone and is an error.
 * @throws PlayError for what can be no path, and where no target is given.
 */
export function link(wish: LinkWish): Resource {
  const { path: given, target } = checkedOptions('link', wish, OPTIONS);
  const path = checkedPath(given, 'a link');
  if (target === '') throw new PlayError(`the link ${path} leads nowhere: its target is empty`);
  const compare: Resource['compare'] = ({ stat }) => diffLink(stat(path), { path, target });
  return { kind: 'link', id: path, paths: [path], needs: [folderOf(path)], compare };
}

export function diffLink(actual: PathState, { path, target }: LinkWish): Change | undefined {
  if (actual.type !== 'link' && actual.type !== 'absent') {
    throw new ProbeError(`${path} is there and is no link: move it aside if it is not needed`);
  }
  if (actual.target === target) return undefined;
  return {
    summary: actual.type === 'link' ? `${actual.target} → ${target}` : `new link to ${target}`,
    apply: [
      `p=${quote(path)}`,
      't=${p%/*}/.${p##*/}.etcd-play-new',
      // What came into its place after it was looked at.
      `if [ -e "$p" ] && [ ! -L "$p" ]; then echo "$p is there and is no link" >&2; exit 1; fi`,
      `rm -f -- "$t"\nln -s -- ${quote(target)} "$t"`,
      'mv -fT -- "$t" "$p"',
    ].join('\n'),
  };
}
