import { quote } from '../connection/quote.ts';
import { checkedOptions, flag, mode, needed, type Options, text } from '../options.ts';
import { checkedOwnership } from './checked-ownership.ts';
import { checkedPath } from './checked-path.ts';
import { ownersOf } from './need.ts';
import { type Ownership, octal, ownershipDifference, type PathState, setOwnership } from './path-state.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface DirectoryWish {
  /** An absolute path. */
  path: string;
  /** Permission bits, for instance 0o755. */
  mode: number;
  /** Default: root. */
  owner?: string;
  /** Default: as the owner. */
  group?: string;
  /** Leave owner and mode alone where the directory is there already: for shared directories such as /etc/ssl/certs. */
  onlyCreate?: boolean;
}

const OPTIONS: Options<DirectoryWish> = {
  path: needed(text),
  mode: needed(mode),
  owner: text,
  group: text,
  onlyCreate: flag,
};

export type DesiredDirectory = DirectoryWish & Ownership;

/**
 * A directory with its parents; parents that are made get root and 0755. A link to a directory is as good as one.
 * @throws PlayError for what can be no path, owner or mode.
 */
export function directory(wish: DirectoryWish): Resource {
  checkedOptions('directory', wish, OPTIONS);
  const path = checkedPath(wish.path, 'a directory');
  const desired: DesiredDirectory = { ...wish, ...checkedOwnership(wish, path), path };
  return {
    kind: 'directory',
    id: path,
    paths: [path],
    needs: ownersOf(desired),
    makes: [{ kind: 'directory', name: path }],
    compare: ({ stat }) => diffDirectory(stat(path), desired),
  };
}

export function diffDirectory(found: PathState, desired: DesiredDirectory): Change | undefined {
  // People put data on other disks by a link.
  const actual = found.behind ?? found;
  const path = quote(desired.path);
  if (actual.type === 'directory') {
    const words = desired.onlyCreate ? [] : ownershipDifference(actual, desired);
    // With a dot: what the link leads to, not the link.
    const itself = quote(`${desired.path}/.`);
    return words.length === 0 ? undefined : { summary: words.join(', '), apply: setOwnership(itself, desired) };
  }
  if (actual.type !== 'absent') throw new ProbeError(`${desired.path} is there but is no directory (${actual.type})`);
  const made = `mkdir -p -- ${path}\n${setOwnership(path, desired)}`;
  return { summary: `new directory, ${desired.owner}, ${octal(desired.mode)}`, apply: made };
}
